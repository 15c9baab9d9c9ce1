-- The top of the book on change, and each symbol's day.

CREATE TABLE IF NOT EXISTS quotes
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Exchange time; it has one-second steps',
    bid Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Best bid: VND for stocks, hundredths of a point for futures; 0 when there is none',
    bid_volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures) at the best bid',
    ask Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Best ask, same unit; 0 when there is none',
    ask_volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures) at the best ask',
    session LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Trading session as SSI sent it: ATO, LO, ATC, C',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.quotes',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, ts, offset, idx)
TTL day + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Top of the book, when it changed; kept for 90 days';

CREATE TABLE IF NOT EXISTS prices_daily_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Market time of the summary',
    final Bool CODEC(ZSTD(1)) COMMENT 'Made at or after the close',
    reference Int32 CODEC(ZSTD(1)) COMMENT 'Reference price: VND for stocks, hundredths of a point for futures',
    ceiling Int32 CODEC(ZSTD(1)) COMMENT 'Highest price allowed, same unit',
    floor Int32 CODEC(ZSTD(1)) COMMENT 'Lowest price allowed, same unit',
    open Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'First price, same unit; null before the first match',
    high Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Highest price, same unit',
    low Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Lowest price, same unit',
    close Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Last price so far, same unit',
    total_volume Int64 CODEC(ZSTD(1)) COMMENT 'Feed''s highest total, restarts added up, shares (contracts for futures)',
    total_value Int64 CODEC(ZSTD(1)) COMMENT 'VND',
    prints Int64 CODEC(ZSTD(1)) COMMENT 'Number of prints',
    printed_volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares in prints',
    missed_volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares in gaps that are still open',
    bought Int64 CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor bought',
    sold Int64 CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor sold',
    neutral Int64 CODEC(ZSTD(1)) COMMENT 'Shares of prints without an aggressor',
    put_through_volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares put through',
    unanchored Int64 CODEC(ZSTD(1)) COMMENT 'Number of prints without a total',
    repeats Int64 CODEC(ZSTD(1)) COMMENT 'Number of records that booked nothing new',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.daily',
    offset UInt64 CODEC(ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0',
    version UInt64 MATERIALIZED bitShiftLeft(offset, 16) + idx CODEC(ZSTD(1)) COMMENT 'Order of the summaries of a day: the last one wins'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, day)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of prices_daily: ask that view instead';

CREATE VIEW IF NOT EXISTS prices_daily
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Market time of the summary',
    final Bool COMMENT 'Made at or after the close',
    reference Int32 COMMENT 'Reference price: VND for stocks, hundredths of a point for futures',
    ceiling Int32 COMMENT 'Highest price allowed, same unit',
    floor Int32 COMMENT 'Lowest price allowed, same unit',
    open Nullable(Int32) COMMENT 'First price, same unit; null before the first match',
    high Nullable(Int32) COMMENT 'Highest price, same unit',
    low Nullable(Int32) COMMENT 'Lowest price, same unit',
    close Nullable(Int32) COMMENT 'Last price so far, same unit',
    total_volume Int64 COMMENT 'Feed''s highest total, restarts added up, shares (contracts for futures)',
    total_value Int64 COMMENT 'VND',
    prints Int64 COMMENT 'Number of prints',
    printed_volume Int64 COMMENT 'Shares in prints',
    missed_volume Int64 COMMENT 'Shares in gaps that are still open',
    bought Int64 COMMENT 'Shares of prints whose aggressor bought',
    sold Int64 COMMENT 'Shares of prints whose aggressor sold',
    neutral Int64 COMMENT 'Shares of prints without an aggressor',
    put_through_volume Int64 COMMENT 'Shares put through',
    unanchored Int64 COMMENT 'Number of prints without a total',
    repeats Int64 COMMENT 'Number of records that booked nothing new',
    partition UInt16 COMMENT 'Kafka partition of market.daily',
    offset UInt64 COMMENT 'Kafka offset of the frame',
    idx UInt16 COMMENT 'Place in the frame, from 0'
)
AS SELECT
    symbol, exchange, day, ts, final, reference, ceiling, floor, open, high, low, close, total_volume, total_value, prints,
    printed_volume, missed_volume, bought, sold, neutral, put_through_volume, unanchored, repeats, partition, offset, idx
FROM prices_daily_state FINAL;
