-- What foreign investors did: the ledger, its minutes, and the flow of whole scopes.

CREATE TABLE IF NOT EXISTS foreign_ledger
(
    kind LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'delta, catch_up, correction or reset; a day total is the sum of all',
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Exchange time; it has one-second steps',
    since DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'When the volume began to accrue: in [since, ts]',
    side LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'buy or sell: which counter of theirs moved',
    generation UInt16 CODEC(ZSTD(1)) COMMENT 'How often this side''s counter has restarted today',
    counter_from Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Feed''s counter before it, shares',
    counter Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Feed''s counter after it, shares',
    volume Int64 CODEC(ZSTD(1)) COMMENT 'Shares; negative when the feed took volume back',
    value Int64 CODEC(ZSTD(1)) COMMENT 'VND, growth of the side''s value; may be negative on its own',
    room Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Shares that foreigners may still buy, as the feed says',
    ambiguous Bool CODEC(ZSTD(1)) COMMENT 'A fall between 10 % and half of the mark: booked as a correction, to be looked at',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.foreign',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Foreign ledger: each growth of what foreigners bought and sold';

CREATE TABLE IF NOT EXISTS foreign_1m_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Start of the minute',
    bought SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares',
    sold SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'Shares',
    bought_value SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'VND',
    sold_value SimpleAggregateFunction(sum, Int64) CODEC(ZSTD(1)) COMMENT 'VND',
    entries SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)) COMMENT 'Number of ledger entries'
)
ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(t)
ORDER BY (symbol, t)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of foreign_1m: ask that view instead';

CREATE MATERIALIZED VIEW IF NOT EXISTS foreign_1m_mv TO foreign_1m_state AS
SELECT
    symbol,
    toDateTime64(toStartOfMinute(ts), 0, 'Asia/Ho_Chi_Minh') AS t,
    sumIf(volume, side = 'buy') AS bought,
    sumIf(volume, side = 'sell') AS sold,
    sumIf(value, side = 'buy') AS bought_value,
    sumIf(value, side = 'sell') AS sold_value,
    count() AS entries
FROM foreign_ledger
GROUP BY symbol, t;

CREATE VIEW IF NOT EXISTS foreign_1m
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    bought Int64 COMMENT 'Shares that foreigners bought',
    sold Int64 COMMENT 'Shares that foreigners sold',
    bought_value Int64 COMMENT 'VND',
    sold_value Int64 COMMENT 'VND',
    net_value Int64 COMMENT 'VND, bought_value - sold_value',
    entries UInt64 COMMENT 'Number of ledger entries'
)
AS SELECT
    symbol, t, sum(s.bought) AS bought, sum(s.sold) AS sold, sum(s.bought_value) AS bought_value, sum(s.sold_value) AS sold_value,
    sum(s.bought_value) - sum(s.sold_value) AS net_value, sum(s.entries) AS entries
FROM foreign_1m_state AS s
GROUP BY symbol, t;

CREATE TABLE IF NOT EXISTS flow
(
    scope LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'market, an exchange (HOSE), a group (VN30) or a sector (sector:Banks)',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(Delta, ZSTD(1)) COMMENT 'Market minute up to which it counts',
    bought Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Shares that foreigners bought since the open',
    sold Int64 CODEC(Delta, ZSTD(1)) COMMENT 'Shares that foreigners sold since the open',
    bought_value Int64 CODEC(Delta, ZSTD(1)) COMMENT 'VND since the open',
    sold_value Int64 CODEC(Delta, ZSTD(1)) COMMENT 'VND since the open',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.flow',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (scope, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Foreign flow of whole scopes, cumulative: the last of a day is its total';
