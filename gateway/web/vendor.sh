#!/bin/sh
# Rebuild vendor/ from package-lock.json. Needs node and npm; nothing else does: the result is committed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$here/vendor-entry.js" "$work/"
cd "$work"
npm ci --no-audit --no-fund --loglevel=error
node_modules/.bin/esbuild vendor-entry.js --bundle --format=esm --minify --target=es2022 --legal-comments=none --outfile="$here/vendor/preact.js"
for package in preact @preact/signals @preact/signals-core htm; do
    cp "node_modules/$package/LICENSE" "$here/vendor/LICENSE.$(basename "$package")"
done
gzip -9 -c "$here/vendor/preact.js" | wc -c | xargs printf 'vendor/preact.js: %s bytes gzipped\n'
