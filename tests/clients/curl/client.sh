#!/bin/sh
# What a shell script does: `client.sh URL DATABASE PASSWORD`.
set -eu
url=$1 database=$2 password=$3

expect() {
    if [ "$1" != "$2" ]; then
        echo "not found: $3 (found: $1)"
        exit 1
    fi
}

expect "$(curl -s "$url/?database=$database" -d "SELECT symbol, price FROM prints WHERE symbol = 'VNM'")" "VNM	60000" "the print"
expect "$(curl -s -H 'X-ClickHouse-Format: JSONEachRow' "$url/?database=$database&param_s=VNM" \
    -d 'SELECT price FROM prints WHERE symbol = {s:String}')" '{"price":60000}' "the print by a parameter, as JSON"
expect "$(curl -s --compressed "$url/?database=$database&enable_http_compression=1" -d 'SELECT count() FROM numbers(1000)')" 1000 \
    "a compressed answer"
expect "$(curl -s -o /dev/null -w '%{http_code} %{content_type}' "$url/?database=$database" \
    -d 'SELECT 1 FORMAT JSON')" "200 application/json; charset=UTF-8" "the type of the answer"
expect "$(curl -s -o /dev/null -w '%{http_code}' "$url/" -d 'DROP TABLE prints')" 403 "a refusal"
printf 'CURL,2026-11-23,1\nCURL,2026-11-23,2\n' | curl -sf -u "sink:$password" --data-binary @- \
    "$url/?database=$database&query=INSERT+INTO+prints+FORMAT+CSV"
printf 'INSERT INTO prints SELECT upper(s), toDate(20780), p FROM input('"'s String, p Int32'"') FORMAT CSV\ncurl,3\n' |
    curl -sf -u "sink:$password" --data-binary @- "$url/?database=$database"
expect "$(curl -s "$url/?database=$database" -d "SELECT sum(price) FROM prints WHERE symbol = 'CURL'")" 6 "what was inserted"
echo "curl: ok"
