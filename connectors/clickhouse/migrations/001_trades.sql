-- The tape: every event of market.trades, and the candles that it makes.
-- (partition, offset, idx) is a row's place in Kafka: its identity, and the order inside a second.

CREATE TABLE IF NOT EXISTS trades
(
    kind LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'print, gap, fill, correction or reset; per symbol and day anchored prints + gaps - fills + corrections = highest total',
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument: VNM, 41I1GC000',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Exchange time; it has one-second steps',
    since Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')) CODEC(Delta, ZSTD(1)) COMMENT 'Gaps: time of the record before it, it happened in [since, ts]',
    generation UInt16 CODEC(ZSTD(1)) COMMENT 'How often the feed''s counter has restarted today',
    start Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Feed''s day total before it, shares (contracts for futures)',
    total_volume Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Feed''s day total after it, shares (contracts for futures)',
    volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures); negative in corrections that take back',
    value Int64 CODEC(ZSTD(1)) COMMENT 'VND; for a gap the growth of the feed''s total value that it leaves over',
    price Nullable(Int32) CODEC(Delta, ZSTD(1)) COMMENT 'VND for stocks, hundredths of a point for futures',
    last_volume Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'Prints: shares of the match as the feed said it',
    side LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: aggressor, buy, sell or neutral',
    side_source LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: who decided the side: feed, quote, auction or none',
    phase LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: ato, continuous, atc, post_close, put_through or odd_lot',
    limit LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: ceiling or floor when the price was the day''s limit',
    late Bool CODEC(ZSTD(1)) COMMENT 'Arrived after later prints, booked at its own time',
    clipped Bool CODEC(ZSTD(1)) COMMENT 'Its total was less than its volume, cut to fit',
    anchored Bool CODEC(ZSTD(1)) COMMENT 'False for prints without a total: no identity, counted apart',
    cause LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Gaps: before_start, lost or unseen',
    epoch Nullable(Int64) CODEC(Delta, ZSTD(1)) COMMENT 'Gaps: UTC milliseconds of the connect whose record showed it',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.trades',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0',
    INDEX ts_minmax ts TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'The tape: prints, gaps, fills, corrections and resets of every symbol';

-- Candles hold anchored prints of the ordinary book. A key orders the prints of a day: second of the day (17 bits), offset (36),
-- place in the frame (11); the cascade compares these numbers only, which is what makes it fast.
CREATE TABLE IF NOT EXISTS candles_1m_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Start of the minute',
    open AggregateFunction(argMin, Int32, UInt64) CODEC(ZSTD(1)) COMMENT 'State of the first price (VND; hundredths of a point for futures)',
    high SimpleAggregateFunction(max, Int32) CODEC(ZSTD(1)) COMMENT 'Highest price',
    low SimpleAggregateFunction(min, Int32) CODEC(ZSTD(1)) COMMENT 'Lowest price',
    close AggregateFunction(argMax, Int32, UInt64) CODEC(ZSTD(1)) COMMENT 'State of the last price',
    volume SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures)',
    value SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'VND',
    price_volume SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Sum of price x volume, in the units of the two; vwap = price_volume / volume',
    bought SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor bought',
    sold SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor sold',
    prints SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)) COMMENT 'Number of prints'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (symbol, t)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of candles_1m: ask that view instead';

CREATE TABLE IF NOT EXISTS candles_5m_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Start of the five minutes',
    open AggregateFunction(argMin, Int32, UInt64) CODEC(ZSTD(1)) COMMENT 'State of the first price (VND; hundredths of a point for futures)',
    high SimpleAggregateFunction(max, Int32) CODEC(ZSTD(1)) COMMENT 'Highest price',
    low SimpleAggregateFunction(min, Int32) CODEC(ZSTD(1)) COMMENT 'Lowest price',
    close AggregateFunction(argMax, Int32, UInt64) CODEC(ZSTD(1)) COMMENT 'State of the last price',
    volume SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures)',
    value SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'VND',
    price_volume SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Sum of price x volume, in the units of the two',
    bought SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor bought',
    sold SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor sold',
    prints SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)) COMMENT 'Number of prints'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (symbol, t)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of candles_5m: ask that view instead';

CREATE TABLE IF NOT EXISTS candles_1d_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    open AggregateFunction(argMin, Int32, UInt64) CODEC(ZSTD(1)) COMMENT 'State of the first price (VND; hundredths of a point for futures)',
    high SimpleAggregateFunction(max, Int32) CODEC(ZSTD(1)) COMMENT 'Highest price',
    low SimpleAggregateFunction(min, Int32) CODEC(ZSTD(1)) COMMENT 'Lowest price',
    close AggregateFunction(argMax, Int32, UInt64) CODEC(ZSTD(1)) COMMENT 'State of the last price',
    volume SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures)',
    value SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'VND',
    price_volume SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Sum of price x volume, in the units of the two',
    bought SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor bought',
    sold SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor sold',
    prints SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)) COMMENT 'Number of prints'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYear(day)
ORDER BY (symbol, day)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of candles_1d: ask that view instead';

CREATE MATERIALIZED VIEW IF NOT EXISTS candles_1m_mv TO candles_1m_state AS
SELECT
    symbol,
    toDateTime64(toStartOfMinute(p.ts), 0, 'Asia/Ho_Chi_Minh') AS t,
    argMinState(p.paid, p.key) AS open,
    max(p.paid) AS high,
    min(p.paid) AS low,
    argMaxState(p.paid, p.key) AS close,
    sum(p.volume) AS volume,
    sum(p.value) AS value,
    sum(p.paid * p.volume) AS price_volume,
    sumIf(p.volume, p.side = 'buy') AS bought,
    sumIf(p.volume, p.side = 'sell') AS sold,
    count() AS prints
FROM
(
    SELECT
        symbol, ts, volume, value, ifNull(side, '') AS side,
        assumeNotNull(price) AS paid,
        bitShiftLeft(toUInt64(intDiv(toUnixTimestamp64Milli(ts), 1000) % 86400), 47) + bitShiftLeft(offset, 11) + idx AS key
    FROM trades
    WHERE kind = 'print' AND anchored AND price IS NOT NULL AND ifNull(phase, '') NOT IN ('put_through', 'odd_lot')
) AS p
GROUP BY symbol, t;

CREATE MATERIALIZED VIEW IF NOT EXISTS candles_5m_mv TO candles_5m_state AS
SELECT
    symbol,
    toDateTime64(toStartOfFiveMinutes(minutes.t), 0, 'Asia/Ho_Chi_Minh') AS t,
    argMinMergeState(minutes.open) AS open,
    max(minutes.high) AS high,
    min(minutes.low) AS low,
    argMaxMergeState(minutes.close) AS close,
    sum(minutes.volume) AS volume,
    sum(minutes.value) AS value,
    sum(minutes.price_volume) AS price_volume,
    sum(minutes.bought) AS bought,
    sum(minutes.sold) AS sold,
    sum(minutes.prints) AS prints
FROM candles_1m_state AS minutes
GROUP BY symbol, t;

CREATE MATERIALIZED VIEW IF NOT EXISTS candles_1d_mv TO candles_1d_state AS
SELECT
    symbol,
    toDate(fives.t) AS day,
    argMinMergeState(fives.open) AS open,
    max(fives.high) AS high,
    min(fives.low) AS low,
    argMaxMergeState(fives.close) AS close,
    sum(fives.volume) AS volume,
    sum(fives.value) AS value,
    sum(fives.price_volume) AS price_volume,
    sum(fives.bought) AS bought,
    sum(fives.sold) AS sold,
    sum(fives.prints) AS prints
FROM candles_5m_state AS fives
GROUP BY symbol, day;

CREATE VIEW IF NOT EXISTS candles_1m
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    open Int32 COMMENT 'First price: VND for stocks, hundredths of a point for futures',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Int64 COMMENT 'VND',
    vwap Float64 COMMENT 'Average price by volume, same unit as the prices',
    bought Int64 COMMENT 'Shares of prints whose aggressor bought',
    sold Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    symbol, t, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS bought, sum(s.sold) AS sold, sum(s.prints) AS prints
FROM candles_1m_state AS s
GROUP BY symbol, t;

CREATE VIEW IF NOT EXISTS candles_5m
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the five minutes',
    open Int32 COMMENT 'First price: VND for stocks, hundredths of a point for futures',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Int64 COMMENT 'VND',
    vwap Float64 COMMENT 'Average price by volume, same unit as the prices',
    bought Int64 COMMENT 'Shares of prints whose aggressor bought',
    sold Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    symbol, t, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS bought, sum(s.sold) AS sold, sum(s.prints) AS prints
FROM candles_5m_state AS s
GROUP BY symbol, t;

CREATE VIEW IF NOT EXISTS candles_1d
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    open Int32 COMMENT 'First price: VND for stocks, hundredths of a point for futures',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Int64 COMMENT 'VND',
    vwap Float64 COMMENT 'Average price by volume, same unit as the prices',
    bought Int64 COMMENT 'Shares of prints whose aggressor bought',
    sold Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    symbol, day, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS bought, sum(s.sold) AS sold, sum(s.prints) AS prints
FROM candles_1d_state AS s
GROUP BY symbol, day;
