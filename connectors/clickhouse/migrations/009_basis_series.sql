-- The name of a contract's place in the curve, how fast its basis moves, and minutes of indices and bases.

ALTER TABLE basis
    ADD COLUMN IF NOT EXISTS alias LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Rank among the listed contracts: VN30F1M is the front month' AFTER stale,
    ADD COLUMN IF NOT EXISTS slope Nullable(Float64) CODEC(ZSTD(1)) COMMENT 'How fast the basis moves over five minutes, hundredths of a point a minute' AFTER alias;

CREATE VIEW IF NOT EXISTS indices_1m
(
    symbol LowCardinality(String) COMMENT 'The index: VNINDEX, VN30',
    day Date COMMENT 'Trading day, Vietnam',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    open Int32 COMMENT 'First value in it, hundredths of a point',
    high Int32 COMMENT 'Highest value in it, hundredths of a point',
    low Int32 COMMENT 'Lowest value in it, hundredths of a point',
    close Int32 COMMENT 'Last value in it, hundredths of a point',
    volume Int64 COMMENT 'Matched since the open up to its end, shares of all members',
    traded_value Int64 COMMENT 'Matched since the open up to its end, VND'
)
AS SELECT
    symbol, day, toDateTime64(toStartOfMinute(ts), 0, 'Asia/Ho_Chi_Minh') AS t, argMin(i.value, (ts, offset, idx)) AS open,
    max(i.value) AS high, min(i.value) AS low, argMax(i.value, (ts, offset, idx)) AS close, max(i.volume) AS volume,
    max(i.traded_value) AS traded_value
FROM indices AS i
GROUP BY symbol, day, t;

CREATE VIEW IF NOT EXISTS basis_1m
(
    underlying LowCardinality(String) COMMENT 'The index under it',
    symbol LowCardinality(String) COMMENT 'The contract, by its symbol on the feed',
    alias LowCardinality(Nullable(String)) COMMENT 'Rank among the listed contracts: VN30F1M is the front month',
    day Date COMMENT 'Trading day, Vietnam',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    open Int32 COMMENT 'First basis in it, hundredths of a point; stale ones are left out, here and below',
    high Int32 COMMENT 'Highest basis in it, hundredths of a point',
    low Int32 COMMENT 'Lowest basis in it, hundredths of a point',
    close Int32 COMMENT 'Last basis in it, hundredths of a point',
    price Int32 COMMENT 'Of the contract at its end, hundredths of a point',
    index_value Int32 COMMENT 'Of the index at its end, hundredths of a point'
)
AS SELECT
    underlying, symbol, argMax(b.alias, (ts, offset, idx)) AS alias, day,
    toDateTime64(toStartOfMinute(ts), 0, 'Asia/Ho_Chi_Minh') AS t, argMin(b.basis, (ts, offset, idx)) AS open, max(b.basis) AS high,
    min(b.basis) AS low, argMax(b.basis, (ts, offset, idx)) AS close, argMax(b.price, (ts, offset, idx)) AS price,
    argMax(b.index_value, (ts, offset, idx)) AS index_value
FROM basis AS b
WHERE NOT stale
GROUP BY underlying, symbol, day, t;
