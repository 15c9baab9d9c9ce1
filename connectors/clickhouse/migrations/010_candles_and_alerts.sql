-- The minutes as market.candles tells them: each once it is over, and again when a late print amends it. candles_1m is made of the
-- tape as it comes, and so has the running minute too.

CREATE TABLE IF NOT EXISTS candles_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    minute DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Start of the minute',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Market time at which it was told',
    revision UInt16 CODEC(ZSTD(1)) COMMENT 'How often it had been told before: 0 when it was over, more when late prints amended it',
    reference Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Reference price of the day: VND for stocks, hundredths of a point for futures; 0 unknown',
    opens Bool CODEC(ZSTD(1)) COMMENT 'Whether the first match of the day is in it',
    open Int32 CODEC(Delta, ZSTD(1)) COMMENT 'First price, same unit',
    high Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Highest price, same unit',
    low Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Lowest price, same unit',
    close Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Last price, same unit',
    volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares (contracts for futures)',
    value Int64 CODEC(ZSTD(1)) COMMENT 'VND',
    active_buy Int64 CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor sold',
    prints Int64 CODEC(ZSTD(1)) COMMENT 'Number of prints',
    usual_volume Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'Shares (contracts) that are usual in its five minutes, from 08:45 on; null unknown',
    usual_days Nullable(UInt16) CODEC(ZSTD(1)) COMMENT 'Of how many trading days that is the mean',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.candles',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0',
    version UInt64 MATERIALIZED bitShiftLeft(offset, 16) + idx CODEC(ZSTD(1)) COMMENT 'Order of what was told of a minute: the last wins'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, minute)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of candles: ask that view instead';

CREATE VIEW IF NOT EXISTS candles
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Market time at which it was told',
    revision UInt16 COMMENT 'How often it had been told before: 0 when it was over, more when late prints amended it',
    reference Int32 COMMENT 'Reference price of the day: VND for stocks, hundredths of a point for futures; 0 unknown',
    opens Bool COMMENT 'Whether the first match of the day is in it',
    open Int32 COMMENT 'First price, same unit',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Int64 COMMENT 'VND',
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints Int64 COMMENT 'Number of prints',
    usual_volume Nullable(Int64) COMMENT 'Shares (contracts) that are usual in its five minutes, from 08:45 on; null unknown',
    usual_days Nullable(UInt16) COMMENT 'Of how many trading days that is the mean',
    partition UInt16 COMMENT 'Kafka partition of market.candles',
    offset UInt64 COMMENT 'Kafka offset of the frame',
    idx UInt16 COMMENT 'Place in the frame, from 0'
)
AS SELECT
    symbol, exchange, day, minute, ts, revision, reference, opens, open, high, low, close, volume, value, active_buy, active_sell,
    prints, usual_volume, usual_days, partition, offset, idx
FROM candles_state FINAL;

-- What an alert says, in Vietnamese too.

ALTER TABLE alerts
    ADD COLUMN IF NOT EXISTS message_vi String DEFAULT '' CODEC(ZSTD(1)) COMMENT 'The same in Vietnamese; empty in alerts of releases before 0.3.0' AFTER message;

-- Whether a book is at the day's limit, with nobody on the other side.

ALTER TABLE quotes
    ADD COLUMN IF NOT EXISTS limit LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'ceiling: best bid there and nobody sells; floor: best ask there and nobody buys; null elsewhere and before release 0.3.0' AFTER session;
