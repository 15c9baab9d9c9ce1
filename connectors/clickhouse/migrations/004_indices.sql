-- Indices, and the futures on them against them.

CREATE TABLE IF NOT EXISTS indices
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'The index: VNINDEX, VN30',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Exchange time; it has one-second steps',
    value Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Hundredths of a point',
    prior_value Int32 CODEC(ZSTD(1)) COMMENT 'Yesterday''s close, hundredths of a point',
    volume Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Matched since the open, shares of all members',
    traded_value Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Matched since the open, VND',
    put_through_volume Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Put through since the open, shares',
    put_through_value Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Put through since the open, VND',
    advances UInt32 CODEC(ZSTD(1)) COMMENT 'Members above their reference, without those at the ceiling',
    no_changes UInt32 CODEC(ZSTD(1)) COMMENT 'Members at their reference',
    declines UInt32 CODEC(ZSTD(1)) COMMENT 'Members below their reference, without those at the floor',
    ceilings UInt32 CODEC(ZSTD(1)) COMMENT 'Members at their ceiling',
    floors UInt32 CODEC(ZSTD(1)) COMMENT 'Members at their floor',
    session LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Trading session as SSI sent it',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.indices',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Every index as the feed said it';

CREATE TABLE IF NOT EXISTS basis
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'The contract, by its symbol on the feed',
    underlying LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'The index under it',
    month UInt32 CODEC(ZSTD(1)) COMMENT 'Delivery month, YYYYMM',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Exchange time; it has one-second steps',
    price Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Of the contract, hundredths of a point',
    index_value Int32 CODEC(Delta, ZSTD(1)) COMMENT 'Of the index, hundredths of a point',
    basis Int32 CODEC(Delta, ZSTD(1)) COMMENT 'price - index_value, hundredths of a point: positive is a premium',
    basis_pct Float64 CODEC(ZSTD(1)) COMMENT 'basis / index_value, per cent, four decimals',
    days_to_expiry Int16 CODEC(ZSTD(1)) COMMENT 'Calendar days to the last trading day; 0 on it',
    stale Bool CODEC(ZSTD(1)) COMMENT 'The index was not live: before 09:15, at lunch, after the close, or silent for 15 s',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.basis',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (underlying, symbol, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Futures against their index, at each print of the one and each tick of the other';
