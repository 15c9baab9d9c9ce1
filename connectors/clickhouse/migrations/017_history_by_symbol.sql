-- Which days of a symbol the stream has is looked up for the symbols and days that are asked for, not for all that history has:
-- ClickHouse hands a condition on a join's keys to both its sides, and none to the set of a NOT IN. Otherwise views as in 016.

CREATE OR REPLACE VIEW minutes
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Market time at which it was told; of history, the time of its last match',
    revision Nullable(UInt16) COMMENT 'How often it had been told before: 0 when it was over, more when late prints amended it; null in history',
    reference Nullable(Int32) COMMENT 'Reference price of the day: VND for stocks, hundredths of a point for futures; 0 unknown; null in history',
    opens Bool COMMENT 'Whether the first match of the day is in it',
    open Int32 COMMENT 'First price, same unit',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Nullable(Int64) COMMENT 'VND; null in history',
    active_buy Nullable(Int64) COMMENT 'Shares of prints whose aggressor bought; null in history',
    active_sell Nullable(Int64) COMMENT 'Shares of prints whose aggressor sold; null in history',
    prints Nullable(Int64) COMMENT 'Number of prints; null in history',
    usual_volume Nullable(Int64) COMMENT 'Shares (contracts) that are usual in its five minutes, from 08:45 on; null unknown',
    usual_days Nullable(UInt16) COMMENT 'Of how many trading days that is the mean',
    partition Nullable(UInt16) COMMENT 'Kafka partition of market.candles; null in history',
    offset Nullable(UInt64) COMMENT 'Kafka offset of the frame; null in history',
    idx Nullable(UInt16) COMMENT 'Place in the frame, from 0; null in history',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    c.symbol AS symbol, c.exchange AS exchange, c.day AS day, c.minute AS minute, c.ts AS ts, toNullable(c.revision) AS
    revision, toNullable(c.reference) AS reference, c.opens AS opens, c.open AS open, c.high AS high, c.low AS low, c.close AS
    close, c.volume AS volume, toNullable(c.value) AS value, toNullable(c.active_buy) AS active_buy, toNullable(c.active_sell)
    AS active_sell, toNullable(c.prints) AS prints, c.usual_volume AS usual_volume, c.usual_days AS usual_days,
    toNullable(c.partition) AS partition, toNullable(c.offset) AS offset, toNullable(c.idx) AS idx, toLowCardinality('stream')
    AS source
FROM candles_state AS c FINAL
UNION ALL
SELECT
    h.symbol AS symbol, h.exchange AS exchange, h.day AS day, h.minute AS minute, h.ts AS ts, CAST(NULL AS Nullable(UInt16))
    AS revision, CAST(NULL AS Nullable(Int32)) AS reference, h.opens AS opens, h.open AS open, h.high AS high, h.low AS low,
    h.close AS close, h.volume AS volume, CAST(NULL AS Nullable(Int64)) AS value, CAST(NULL AS Nullable(Int64)) AS active_buy,
    CAST(NULL AS Nullable(Int64)) AS active_sell, CAST(NULL AS Nullable(Int64)) AS prints, CAST(NULL AS Nullable(Int64)) AS
    usual_volume, CAST(NULL AS Nullable(UInt16)) AS usual_days, CAST(NULL AS Nullable(UInt16)) AS partition, CAST(NULL AS
    Nullable(UInt64)) AS offset, CAST(NULL AS Nullable(UInt16)) AS idx, toLowCardinality('history') AS source
FROM history_minutes AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, day AS streamed_day FROM candles_state
    WHERE day IN (SELECT day FROM history_asked WHERE what = 'minutes' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day;

CREATE OR REPLACE VIEW candles_1m
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    open Int32 COMMENT 'First price: VND for stocks, hundredths of a point for futures',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Nullable(Int64) COMMENT 'VND; null in history',
    vwap Nullable(Float64) COMMENT 'Average price by volume, same unit as the prices; null in history',
    active_buy Nullable(Int64) COMMENT 'Shares of prints whose aggressor bought; null in history',
    active_sell Nullable(Int64) COMMENT 'Shares of prints whose aggressor sold; null in history',
    prints Nullable(UInt64) COMMENT 'Number of prints; null in history',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    s.symbol AS symbol, toDate(s.t) AS day, s.t AS minute, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, toNullable(sum(s.value)) AS value, toNullable(sum(s.price_volume) / sum(s.volume)) AS vwap,
    toNullable(sum(s.bought)) AS active_buy, toNullable(sum(s.sold)) AS active_sell, toNullable(sum(s.prints)) AS prints,
    s.t AS t, toLowCardinality('stream') AS source
FROM candles_1m_state AS s
GROUP BY s.symbol, s.t
UNION ALL
SELECT
    h.symbol AS symbol, h.day AS day, toDateTime64(h.minute, 0, 'Asia/Ho_Chi_Minh') AS minute, h.open AS open, h.high AS high, h.low AS low,
    h.close AS close, h.volume AS volume, CAST(NULL AS Nullable(Int64)) AS value, CAST(NULL AS Nullable(Float64)) AS vwap, CAST(NULL AS Nullable(Int64)) AS active_buy,
    CAST(NULL AS Nullable(Int64)) AS active_sell, CAST(NULL AS Nullable(UInt64)) AS prints,
    toDateTime64(h.minute, 0, 'Asia/Ho_Chi_Minh') AS t, toLowCardinality('history') AS source
FROM history_minutes AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, toDate(t) AS streamed_day FROM candles_1m_state
    WHERE toDate(t) IN (SELECT day FROM history_asked WHERE what = 'minutes' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day;

CREATE OR REPLACE VIEW candles_5m
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the five minutes',
    open Int32 COMMENT 'First price: VND for stocks, hundredths of a point for futures',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Nullable(Int64) COMMENT 'VND; null in history',
    vwap Nullable(Float64) COMMENT 'Average price by volume, same unit as the prices; null in history',
    active_buy Nullable(Int64) COMMENT 'Shares of prints whose aggressor bought; null in history',
    active_sell Nullable(Int64) COMMENT 'Shares of prints whose aggressor sold; null in history',
    prints Nullable(UInt64) COMMENT 'Number of prints; null in history',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    s.symbol AS symbol, toDate(minute) AS day, toDateTime64(toStartOfFiveMinutes(s.t), 0, 'Asia/Ho_Chi_Minh') AS minute, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, toNullable(sum(s.value)) AS value, toNullable(sum(s.price_volume) / sum(s.volume)) AS vwap,
    toNullable(sum(s.bought)) AS active_buy, toNullable(sum(s.sold)) AS active_sell, toNullable(sum(s.prints)) AS prints,
    minute AS t, toLowCardinality('stream') AS source
FROM candles_1m_state AS s
GROUP BY s.symbol, minute
UNION ALL
SELECT
    h.symbol AS symbol, h.day AS day, toDateTime64(toStartOfInterval(h.minute, toIntervalMinute(5)), 0, 'Asia/Ho_Chi_Minh') AS minute,
    argMin(h.open, h.minute) AS open, max(h.high) AS high, min(h.low) AS low, argMax(h.close, h.minute) AS close,
    sum(h.volume) AS volume, CAST(NULL AS Nullable(Int64)) AS value, CAST(NULL AS Nullable(Float64)) AS vwap, CAST(NULL AS Nullable(Int64)) AS active_buy,
    CAST(NULL AS Nullable(Int64)) AS active_sell, CAST(NULL AS Nullable(UInt64)) AS prints,
    minute AS t, toLowCardinality('history') AS source
FROM history_minutes AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, toDate(t) AS streamed_day FROM candles_1m_state
    WHERE toDate(t) IN (SELECT day FROM history_asked WHERE what = 'minutes' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day
GROUP BY h.symbol, h.day, minute;

CREATE OR REPLACE VIEW candles_1d
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    open Int32 COMMENT 'First price: VND for stocks, hundredths of a point for futures',
    high Int32 COMMENT 'Highest price, same unit',
    low Int32 COMMENT 'Lowest price, same unit',
    close Int32 COMMENT 'Last price, same unit',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value Nullable(Int64) COMMENT 'VND',
    vwap Nullable(Float64) COMMENT 'Average price by volume, same unit as the prices; null for futures in history',
    active_buy Nullable(Int64) COMMENT 'Shares of prints whose aggressor bought; null in history',
    active_sell Nullable(Int64) COMMENT 'Shares of prints whose aggressor sold; null in history',
    prints Nullable(UInt64) COMMENT 'Number of prints; null in history',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    s.symbol AS symbol, toDate(s.t) AS day, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, toNullable(sum(s.value)) AS value, toNullable(sum(s.price_volume) / sum(s.volume)) AS vwap,
    toNullable(sum(s.bought)) AS active_buy, toNullable(sum(s.sold)) AS active_sell, toNullable(sum(s.prints)) AS prints,
    toLowCardinality('stream') AS source
FROM candles_1m_state AS s
GROUP BY s.symbol, day
UNION ALL
SELECT
    h.symbol AS symbol, h.day AS day, assumeNotNull(h.open) AS open, assumeNotNull(h.high) AS high, assumeNotNull(h.low) AS low,
    assumeNotNull(h.close) AS close, h.volume AS volume, toNullable(h.value) AS value,
    if(h.exchange = 'DER', NULL, h.value / h.volume) AS vwap, CAST(NULL AS Nullable(Int64)) AS active_buy,
    CAST(NULL AS Nullable(Int64)) AS active_sell, CAST(NULL AS Nullable(UInt64)) AS prints, toLowCardinality('history') AS source
FROM history_days AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, toDate(t) AS streamed_day FROM candles_1m_state
    WHERE toDate(t) IN (SELECT day FROM history_asked WHERE what = 'days' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day
WHERE h.volume > 0 AND isNotNull(h.open) AND isNotNull(h.high) AND isNotNull(h.low) AND isNotNull(h.close);

CREATE OR REPLACE VIEW day_summary
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    reference Nullable(Decimal(18, 2)) COMMENT 'Reference price: VND for stocks, points for futures; null where SSI does not say',
    open Nullable(Decimal(18, 2)) COMMENT 'First price, same unit; null before the first match, and where nobody knows it',
    high Nullable(Decimal(18, 2)) COMMENT 'Highest price, same unit',
    low Nullable(Decimal(18, 2)) COMMENT 'Lowest price, same unit',
    close Nullable(Decimal(18, 2)) COMMENT 'Last price so far, same unit',
    change_pct Nullable(Float64) COMMENT 'close against reference, per cent',
    matched_volume Int64 COMMENT 'Shares (contracts for futures) in prints, without what was put through',
    put_through_volume Nullable(Int64) COMMENT 'Shares put through; null where SSI does not say',
    missed_volume Int64 COMMENT 'Shares of which no print tells; 0 in history',
    put_through_vnd Nullable(Int64) COMMENT 'What was put through was worth, VND; null before release 0.3.0',
    final Bool COMMENT 'Made at or after the close',
    close_adjusted Nullable(Decimal(18, 2)) COMMENT 'The close less dividends and splits since, as SSI said when it was asked; null where the stream tells of the day',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    symbol, exchange, day, toNullable(toDecimal64(d.reference, 2) / if(exchange = 'DER', 100, 1)) AS reference,
    toDecimal64(d.open, 2) / if(exchange = 'DER', 100, 1) AS open, toDecimal64(d.high, 2) / if(exchange = 'DER', 100, 1) AS high,
    toDecimal64(d.low, 2) / if(exchange = 'DER', 100, 1) AS low, toDecimal64(d.close, 2) / if(exchange = 'DER', 100, 1) AS close,
    if(d.reference > 0, 100 * (d.close - d.reference) / d.reference, NULL) AS change_pct, d.printed_volume AS matched_volume,
    toNullable(d.put_through_volume) AS put_through_volume, d.missed_volume AS missed_volume, d.put_through_value AS put_through_vnd,
    final, CAST(NULL AS Nullable(Decimal(18, 2))) AS close_adjusted, toLowCardinality('stream') AS source
FROM prices_daily AS d
UNION ALL
SELECT
    symbol, exchange, day, toDecimal64(h.reference, 2) / if(exchange = 'DER', 100, 1) AS reference,
    toDecimal64(h.open, 2) / if(exchange = 'DER', 100, 1) AS open, toDecimal64(h.high, 2) / if(exchange = 'DER', 100, 1) AS high,
    toDecimal64(h.low, 2) / if(exchange = 'DER', 100, 1) AS low, toDecimal64(h.close, 2) / if(exchange = 'DER', 100, 1) AS close,
    if(h.reference > 0, 100 * (h.close - h.reference) / h.reference, NULL) AS change_pct, h.volume AS matched_volume,
    h.put_through_volume AS put_through_volume, toInt64(0) AS missed_volume, h.put_through_value AS put_through_vnd,
    true AS final, toDecimal64(h.close_adjusted, 2) / if(exchange = 'DER', 100, 1) AS close_adjusted, toLowCardinality('history') AS source
FROM history_days AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, day AS streamed_day FROM prices_daily_state
    WHERE day IN (SELECT day FROM history_asked WHERE what = 'days' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day;

CREATE OR REPLACE VIEW foreign_daily
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    bought Int64 COMMENT 'Shares that foreigners bought',
    sold Int64 COMMENT 'Shares that foreigners sold',
    bought_vnd Int64 COMMENT 'What that was worth, VND',
    sold_vnd Int64 COMMENT 'What that was worth, VND',
    net_vnd Int64 COMMENT 'bought_vnd - sold_vnd',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    s.symbol AS symbol, toDate(s.t) AS day, sum(s.bought) AS bought, sum(s.sold) AS sold, sum(s.bought_value) AS bought_vnd,
    sum(s.sold_value) AS sold_vnd, bought_vnd - sold_vnd AS net_vnd, toLowCardinality('stream') AS source
FROM foreign_1m_state AS s
GROUP BY s.symbol, day
UNION ALL
SELECT
    h.symbol AS symbol, h.day AS day, assumeNotNull(h.foreign_bought) AS bought, assumeNotNull(h.foreign_sold) AS sold,
    assumeNotNull(h.foreign_bought_value) AS bought_vnd, assumeNotNull(h.foreign_sold_value) AS sold_vnd,
    bought_vnd - sold_vnd AS net_vnd, toLowCardinality('history') AS source
FROM history_days AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, toDate(t) AS streamed_day FROM foreign_1m_state
    WHERE toDate(t) IN (SELECT day FROM history_asked WHERE what = 'days' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day
WHERE isNotNull(h.foreign_bought) AND isNotNull(h.foreign_sold) AND isNotNull(h.foreign_bought_value)
    AND isNotNull(h.foreign_sold_value);

CREATE OR REPLACE VIEW indices_daily
(
    symbol LowCardinality(String) COMMENT 'The index: VNINDEX, VN30',
    day Date COMMENT 'Trading day, Vietnam',
    close Decimal(18, 2) COMMENT 'Its last value, points',
    change_pct Nullable(Float64) COMMENT 'Against the close of the day before, per cent; null where SSI does not say',
    volume Int64 COMMENT 'Matched, shares of all members',
    value_vnd Int64 COMMENT 'Matched, VND',
    put_through_volume Int64 COMMENT 'Put through, shares',
    put_through_vnd Int64 COMMENT 'Put through, VND',
    advances UInt32 COMMENT 'Members above their reference, without those at the ceiling; 0, as all counts, where SSI counts none',
    no_changes UInt32 COMMENT 'Members at their reference',
    declines UInt32 COMMENT 'Members below their reference, without those at the floor',
    ceilings UInt32 COMMENT 'Members at their ceiling',
    floors UInt32 COMMENT 'Members at their floor',
    source LowCardinality(String) COMMENT 'stream, or history: what SSI''s REST said of a day that the stream did not book'
)
AS SELECT
    symbol, day, toDecimal64(argMax(i.value, (ts, offset, idx)), 2) / 100 AS close,
    argMax(if(ifNull(i.prior_value, 0) > 0, 100 * (i.value - i.prior_value) / i.prior_value, NULL), (ts, offset, idx)) AS change_pct,
    max(i.volume) AS volume, max(i.traded_value) AS value_vnd, max(i.put_through_volume) AS put_through_volume,
    max(i.put_through_value) AS put_through_vnd,
    argMax(i.advances, (ts, offset, idx)) AS advances, argMax(i.no_changes, (ts, offset, idx)) AS no_changes,
    argMax(i.declines, (ts, offset, idx)) AS declines, argMax(i.ceilings, (ts, offset, idx)) AS ceilings, argMax(i.floors,
    (ts, offset, idx)) AS floors, toLowCardinality('stream') AS source
FROM indices AS i
GROUP BY symbol, day
UNION ALL
SELECT
    h.symbol AS symbol, h.day AS day, toDecimal64(h.value, 2) / 100 AS close, h.change_pct AS change_pct, h.volume AS volume,
    h.traded_value AS value_vnd, h.put_through_volume AS put_through_volume, h.put_through_value AS put_through_vnd,
    h.advances AS advances, h.no_changes AS no_changes, h.declines AS declines, h.ceilings AS ceilings, h.floors AS floors,
    toLowCardinality('history') AS source
FROM history_indices AS h FINAL
LEFT ANTI JOIN
(
    SELECT DISTINCT symbol AS streamed_symbol, day AS streamed_day FROM indices
    WHERE day IN (SELECT day FROM history_asked WHERE what = 'indices' AND rows > 0)
) AS streamed ON streamed_symbol = h.symbol AND streamed_day = h.day;
