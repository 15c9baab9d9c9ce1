#!/bin/sh
# Rebuild vendor/ from package-lock.json. Needs node and npm; nothing else does: the result is committed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/vendor}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"
cp "$here/package.json" "$here/package-lock.json" "$here"/vendor-*.js "$work/"
cd "$work"
npm ci --no-audit --no-fund --loglevel=error
bundle() {
    node_modules/.bin/esbuild "$1" --bundle --format=esm --minify --target=es2022 --legal-comments=none --outfile="$out/$2"
    gzip -9 -c "$out/$2" | wc -c | xargs printf "vendor/$2: %s bytes gzipped\n"
}
bundle vendor-entry.js preact.js
bundle vendor-charts.js charts.js
for package in preact @preact/signals @preact/signals-core htm lightweight-charts; do
    cp "node_modules/$package/LICENSE" "$out/LICENSE.$(basename "$package")"
done
# Of these two the packages have no notice in them.
cat >"$out/NOTICE" <<'END'
TradingView Lightweight Charts
Copyright (c) 2025 TradingView, Inc. https://www.tradingview.com/
with fancy-canvas, by the same, under the MIT licence
END
cd "$out"
sha256sum preact.js charts.js >sha256
