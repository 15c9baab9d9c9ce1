-- What is listed, day by day: so that foreigners' money can be asked for by sector, and prices for the members of VN30 alone.
-- ssi.reference keeps the last word on a symbol only; here each day keeps its own.

CREATE TABLE IF NOT EXISTS reference_state
(
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    name Nullable(String) CODEC(ZSTD(1)) COMMENT 'Its name; null where SSI does not say',
    groups Array(LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'Indices that it was a member of, sorted; empty also where SSI did not say',
    sector LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'As SSI says; null where it does not',
    lot Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Shares (contracts) in a round lot',
    tick Nullable(Int32) CODEC(ZSTD(1)) COMMENT 'Price step: VND for stocks, hundredths of a point for futures; null on HOSE, where it is 10 below 10,000 VND, 50 below 50,000, else 100, and 10 for funds and warrants',
    underlying LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Futures: the index under it',
    month Nullable(UInt32) CODEC(ZSTD(1)) COMMENT 'Futures: delivery month, YYYYMM',
    expiry Nullable(Date) CODEC(ZSTD(1)) COMMENT 'Futures: last trading day, as SSI says or the third Thursday',
    as_of Nullable(Date) CODEC(ZSTD(1)) COMMENT 'The earlier day on which SSI said so; null when it said so on the day itself',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of ssi.reference',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the message',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Always 0',
    version UInt64 MATERIALIZED offset CODEC(ZSTD(1)) COMMENT 'Order of what was said of a day: the last wins'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(day)
ORDER BY (symbol, day)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of reference: ask that view instead';

CREATE TABLE IF NOT EXISTS terms
(
    pipeline LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'The pipeline that adopted them',
    found_topic LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'The topic that it folds with them',
    found_partition UInt16 CODEC(ZSTD(1)) COMMENT 'The partition of that topic',
    found_offset UInt64 CODEC(ZSTD(1)) COMMENT 'The first message there that was folded with them',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day on which they were adopted, Vietnam',
    reason LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'first, next_day, release or forced',
    release LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'Release of the code that folds',
    sectors Map(LowCardinality(String), LowCardinality(String)) CODEC(ZSTD(1)) COMMENT 'Sector of each symbol where SSI does not say; empty where the pipeline does not ask',
    terms String CODEC(ZSTD(1)) COMMENT 'All of them, as JSON',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of pipelines.terms',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the message',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Always 0'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (pipeline, day, offset)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Thresholds, sectors and rules that the pipelines fold with, and since when';

CREATE VIEW IF NOT EXISTS reference
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    name Nullable(String) COMMENT 'Its name; null where SSI does not say',
    groups Array(LowCardinality(String)) COMMENT 'Indices that it was a member of, sorted; empty also where SSI did not say',
    sector LowCardinality(Nullable(String)) COMMENT 'As SSI says; null where it does not: instruments has what the pipelines'' terms say then',
    lot Nullable(Int32) COMMENT 'Shares (contracts) in a round lot',
    tick Nullable(Int32) COMMENT 'Price step: VND for stocks, hundredths of a point for futures; null on HOSE, where it is 10 below 10,000 VND, 50 below 50,000, else 100, and 10 for funds and warrants',
    underlying LowCardinality(Nullable(String)) COMMENT 'Futures: the index under it',
    month Nullable(UInt32) COMMENT 'Futures: delivery month, YYYYMM',
    expiry Nullable(Date) COMMENT 'Futures: last trading day, as SSI says or the third Thursday',
    as_of Nullable(Date) COMMENT 'The earlier day on which SSI said so; null when it said so on the day itself',
    partition UInt16 COMMENT 'Kafka partition of ssi.reference',
    offset UInt64 COMMENT 'Kafka offset of the message',
    idx UInt16 COMMENT 'Always 0'
)
AS SELECT symbol, exchange, day, name, groups, sector, lot, tick, underlying, month, expiry, as_of, partition, offset, idx
FROM reference_state FINAL;

-- The sector that held on a day is that of the newest terms up to that day, whatever earlier ones said of a symbol.
CREATE VIEW IF NOT EXISTS instruments
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    name Nullable(String) COMMENT 'Its name; null where SSI does not say',
    groups Array(LowCardinality(String)) COMMENT 'Indices that it was a member of, sorted; empty also where SSI did not say',
    sector String COMMENT 'As SSI says, else the pipelines'' terms; empty where neither does',
    lot Nullable(Int32) COMMENT 'Shares (contracts) in a round lot',
    tick Nullable(Decimal(18, 2)) COMMENT 'Price step: VND for stocks, points for futures; null on HOSE, where it is 10 below 10,000 VND, 50 below 50,000, else 100, and 10 for funds and warrants',
    underlying LowCardinality(Nullable(String)) COMMENT 'Futures: the index under it',
    month Nullable(UInt32) COMMENT 'Futures: delivery month, YYYYMM',
    expiry Nullable(Date) COMMENT 'Futures: last trading day, as SSI says or the third Thursday'
)
AS SELECT
    i.symbol AS symbol, i.exchange AS exchange, i.day AS day, i.name AS name, i.groups AS groups,
    ifNull(toString(i.sector), toString(s.sector)) AS sector, i.lot AS lot,
    toDecimal64(i.tick, 2) / if(i.exchange = 'DER', 100, 1) AS tick, i.underlying AS underlying, i.month AS month, i.expiry AS expiry
FROM reference AS i
LEFT JOIN
(
    SELECT d.day AS day, a.since AS since
    FROM (SELECT DISTINCT 1 AS one, day FROM reference_state) AS d
    ASOF LEFT JOIN (SELECT DISTINCT 1 AS one, day AS since FROM terms WHERE notEmpty(sectors)) AS a
        ON d.one = a.one AND d.day >= a.since
) AS adopted ON i.day = adopted.day
LEFT JOIN
(
    SELECT t.day AS since, symbol, argMax(sector, t.offset) AS sector
    FROM terms AS t ARRAY JOIN mapKeys(t.sectors) AS symbol, mapValues(t.sectors) AS sector
    GROUP BY since, symbol
) AS s ON adopted.since = s.since AND i.symbol = s.symbol;

-- A day on which no instrument has a group is one of which SSI did not say: it ends no membership.
CREATE VIEW IF NOT EXISTS group_members
(
    `group` LowCardinality(String) COMMENT 'The index: VN30',
    symbol LowCardinality(String) COMMENT 'Its member',
    first_day Date COMMENT 'First trading day in it, as far as the archive goes back',
    last_day Nullable(Date) COMMENT 'Last trading day in it; null while it is a member'
)
AS SELECT
    `group`, symbol, min(m.day) AS first_day, if(max(m.day) = any(m.newest), NULL, max(m.day)) AS last_day
FROM
(
    SELECT
        e.symbol AS symbol, e.day AS day, e.newest AS newest, `group`,
        e.n - row_number() OVER (PARTITION BY e.symbol, `group` ORDER BY e.day) AS island
    FROM
    (
        SELECT symbol, day, groups, dense_rank() OVER (ORDER BY day) AS n, max(day) OVER () AS newest
        FROM reference
        WHERE day IN (SELECT day FROM reference WHERE notEmpty(groups))
    ) AS e
    ARRAY JOIN e.groups AS `group`
) AS m
GROUP BY `group`, symbol, m.island;

CREATE VIEW IF NOT EXISTS foreign_minutes
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM or DER, here and below as last said up to that day',
    sector String COMMENT 'Its sector; empty where nobody says',
    groups Array(LowCardinality(String)) COMMENT 'Indices that it was a member of, sorted',
    bought Int64 COMMENT 'Shares that foreigners bought',
    sold Int64 COMMENT 'Shares that foreigners sold',
    bought_vnd Int64 COMMENT 'What that was worth, VND',
    sold_vnd Int64 COMMENT 'What that was worth, VND',
    net_vnd Int64 COMMENT 'bought_vnd - sold_vnd'
)
AS SELECT
    f.symbol AS symbol, f.day AS day, f.minute AS minute, i.exchange AS exchange, i.sector AS sector, i.groups AS groups,
    f.bought AS bought, f.sold AS sold, f.bought_value AS bought_vnd, f.sold_value AS sold_vnd, f.net_value AS net_vnd
FROM foreign_1m AS f
ASOF LEFT JOIN instruments AS i ON f.symbol = i.symbol AND f.day >= i.day;
