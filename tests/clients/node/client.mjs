// What ClickHouse's own Node client does, as it is: `node client.mjs URL DATABASE PASSWORD`.
//
// The database has a table `prints (symbol String, day Date, price Int32)` with VNM at 60,000 on 2026-11-20 in it.

import assert from "node:assert/strict";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";

const log = { level: ClickHouseLogLevel.OFF };
const [url, database, password] = process.argv.slice(2);

// Compressed answers are what programs behind a slow line ask for.
for (const compression of [{ response: false }, { response: true }]) {
  const reader = createClient({ url, database, compression, log });
  assert.equal((await reader.ping()).success, true);

  const rows = await reader.query({
    query: "SELECT symbol, day, price FROM prints WHERE symbol = {symbol: String}",
    query_params: { symbol: "VNM" },
    format: "JSONEachRow",
    clickhouse_settings: { max_execution_time: 10, max_threads: 1 },
  });
  assert.deepEqual(await rows.json(), [{ symbol: "VNM", day: "2026-11-20", price: 60000 }]);

  const whole = await (await reader.query({ query: "SELECT count() AS n FROM prints", format: "JSON" })).json();
  assert.equal(whole.rows, 1);

  let seen = 0;
  const many = await reader.query({ query: "SELECT number FROM numbers(100000)", format: "JSONEachRow" });
  for await (const some of many.stream()) seen += some.length;
  assert.equal(seen, 100000);

  await assert.rejects(reader.query({ query: "SELECT nothing FROM prints", format: "JSON" }), { code: "47" });
  await assert.rejects(reader.command({ query: "DROP TABLE prints" }), { code: "164" });
  await reader.close();
}

const writer = createClient({ url, database, username: "sink", password, compression: { request: true }, log });
const values = Array.from({ length: 1000 }, (_, price) => ({ symbol: "NODE", day: "2026-11-23", price }));
await writer.insert({ table: "prints", values, format: "JSONEachRow" });
const counted = await writer.query({
  query: "SELECT count() AS n, sum(price) AS s FROM prints WHERE symbol = 'NODE'",
  format: "JSONEachRow",
  clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
});
assert.deepEqual(await counted.json(), [{ n: 1000, s: 499500 }]);
await writer.close();
console.log("node: ok");
