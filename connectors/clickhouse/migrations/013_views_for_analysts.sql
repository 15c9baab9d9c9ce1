-- Questions that are asked often, ready to use. Prices are in VND for stocks and in points for indices and futures here, not in
-- hundredths; money is in VND and says so in its name.

CREATE OR REPLACE VIEW candles_of AS
SELECT
    symbol, exchange, day, toDateTime64(toStartOfInterval(c.minute, toIntervalMinute({minutes:UInt16})), 0, 'Asia/Ho_Chi_Minh')
        AS minute,
    toDecimal64(argMin(c.open, c.minute), 2) / if(exchange = 'DER', 100, 1) AS open,
    toDecimal64(max(c.high), 2) / if(exchange = 'DER', 100, 1) AS high,
    toDecimal64(min(c.low), 2) / if(exchange = 'DER', 100, 1) AS low,
    toDecimal64(argMax(c.close, c.minute), 2) / if(exchange = 'DER', 100, 1) AS close,
    sum(c.volume) AS volume, sum(c.value) AS value_vnd, sum(c.active_buy) AS active_buy, sum(c.active_sell) AS active_sell,
    sum(c.prints) AS prints
FROM candles_state AS c FINAL
GROUP BY symbol, exchange, day, minute;

CREATE OR REPLACE VIEW vwap_by_session
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    session String COMMENT 'ato, morning, afternoon, atc or post_close',
    vwap Decimal(18, 2) COMMENT 'Average price by volume, cut to hundredths: VND for stocks, points for futures',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    value_vnd Int64 COMMENT 'What that was worth, VND',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    symbol, exchange, day,
    multiIf(p.phase = 'continuous' AND toHour(p.ts) < 12, 'morning', p.phase = 'continuous', 'afternoon', ifNull(p.phase, '')) AS session,
    toDecimal64(toDecimal128(sum(toInt128(assumeNotNull(p.price)) * p.volume), 4) / sum(p.volume) / if(exchange = 'DER', 100, 1), 2) AS vwap,
    sum(p.volume) AS volume, sum(p.value) AS value_vnd, count() AS prints
FROM trades AS p
WHERE kind = 'print' AND anchored AND p.price IS NOT NULL AND ifNull(p.phase, '') NOT IN ('put_through', 'odd_lot')
GROUP BY symbol, exchange, day, session;

CREATE OR REPLACE VIEW spreads
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Since when the book has been so',
    bid Decimal(18, 2) COMMENT 'Best bid: VND for stocks, points for futures',
    ask Decimal(18, 2) COMMENT 'Best ask, same unit',
    mid Decimal(18, 3) COMMENT 'Half way between the two, same unit',
    spread Decimal(18, 2) COMMENT 'ask - bid, same unit',
    spread_bps Float64 COMMENT 'spread / mid, hundredths of a per cent'
)
AS SELECT
    symbol, exchange, day, ts, toDecimal64(q.bid, 2) / if(exchange = 'DER', 100, 1) AS bid,
    toDecimal64(q.ask, 2) / if(exchange = 'DER', 100, 1) AS ask,
    toDecimal64(q.bid + q.ask, 3) / if(exchange = 'DER', 200, 2) AS mid,
    toDecimal64(q.ask - q.bid, 2) / if(exchange = 'DER', 100, 1) AS spread,
    20000 * (q.ask - q.bid) / (q.ask + q.bid) AS spread_bps
FROM quotes AS q
WHERE q.bid > 0 AND q.ask > 0;

CREATE OR REPLACE VIEW gap_audit
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    since Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')) COMMENT 'Time of the record before it: it happened in [since, until]',
    until DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Time of the record that showed it',
    cause LowCardinality(String) COMMENT 'before_start, lost or unseen',
    volume Int64 COMMENT 'Shares (contracts for futures) of which no print tells',
    value_vnd Int64 COMMENT 'Growth of the feed''s total value that it leaves over, VND'
)
AS SELECT symbol, exchange, day, since, ts AS until, ifNull(g.cause, '') AS cause, volume, value AS value_vnd
FROM trades AS g
WHERE kind = 'gap';

CREATE OR REPLACE VIEW foreign_by_scope
(
    scope LowCardinality(String) COMMENT 'market, an exchange (HOSE), a group (VN30) or a sector (sector:Banks)',
    day Date COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'End of the minute',
    bought_vnd Int64 COMMENT 'What foreigners bought in it, VND',
    sold_vnd Int64 COMMENT 'What foreigners sold in it, VND',
    net_vnd Int64 COMMENT 'bought_vnd - sold_vnd'
)
AS SELECT
    scope, day, ts, f.bought_value - lagInFrame(f.bought_value, 1, 0) OVER minutes AS bought_vnd,
    f.sold_value - lagInFrame(f.sold_value, 1, 0) OVER minutes AS sold_vnd, bought_vnd - sold_vnd AS net_vnd
FROM flow AS f
WINDOW minutes AS (PARTITION BY scope, day ORDER BY ts, offset, idx ROWS BETWEEN 1 PRECEDING AND CURRENT ROW);

CREATE OR REPLACE VIEW day_summary
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    reference Decimal(18, 2) COMMENT 'Reference price: VND for stocks, points for futures',
    open Nullable(Decimal(18, 2)) COMMENT 'First price, same unit; null before the first match, and where nobody knows it',
    high Nullable(Decimal(18, 2)) COMMENT 'Highest price, same unit',
    low Nullable(Decimal(18, 2)) COMMENT 'Lowest price, same unit',
    close Nullable(Decimal(18, 2)) COMMENT 'Last price so far, same unit',
    change_pct Nullable(Float64) COMMENT 'close against reference, per cent',
    matched_volume Int64 COMMENT 'Shares (contracts for futures) in prints, without what was put through',
    put_through_volume Int64 COMMENT 'Shares put through',
    missed_volume Int64 COMMENT 'Shares of which no print tells',
    put_through_vnd Nullable(Int64) COMMENT 'What was put through was worth, VND; null before release 0.3.0',
    final Bool COMMENT 'Made at or after the close'
)
AS SELECT
    symbol, exchange, day, toDecimal64(d.reference, 2) / if(exchange = 'DER', 100, 1) AS reference,
    toDecimal64(d.open, 2) / if(exchange = 'DER', 100, 1) AS open, toDecimal64(d.high, 2) / if(exchange = 'DER', 100, 1) AS high,
    toDecimal64(d.low, 2) / if(exchange = 'DER', 100, 1) AS low, toDecimal64(d.close, 2) / if(exchange = 'DER', 100, 1) AS close,
    if(d.reference > 0, 100 * (d.close - d.reference) / d.reference, NULL) AS change_pct, d.printed_volume AS matched_volume,
    d.put_through_volume AS put_through_volume, d.missed_volume AS missed_volume, d.put_through_value AS put_through_vnd, final
FROM prices_daily AS d;

CREATE OR REPLACE VIEW quotes_at_trades
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Exchange time of the print; it has one-second steps',
    price Decimal(18, 2) COMMENT 'Of the print: VND for stocks, points for futures',
    volume Int64 COMMENT 'Shares (contracts for futures)',
    side LowCardinality(Nullable(String)) COMMENT 'Aggressor: buy, sell or neutral',
    bid Decimal(18, 2) COMMENT 'Best bid as it was before that second, same unit as the price; 0 when there was none',
    ask Decimal(18, 2) COMMENT 'Best ask then, same unit; 0 when there was none',
    quoted DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Since when the book had been so'
)
AS SELECT
    p.symbol AS symbol, p.exchange AS exchange, p.day AS day, p.ts AS ts,
    toDecimal64(assumeNotNull(p.price), 2) / if(p.exchange = 'DER', 100, 1) AS price, p.volume AS volume, p.side AS side,
    toDecimal64(q.bid, 2) / if(p.exchange = 'DER', 100, 1) AS bid, toDecimal64(q.ask, 2) / if(p.exchange = 'DER', 100, 1) AS ask,
    q.ts AS quoted
FROM (SELECT * FROM trades WHERE kind = 'print' AND price IS NOT NULL) AS p
ASOF LEFT JOIN quotes AS q ON p.symbol = q.symbol AND p.day = q.day AND p.ts > q.ts;

CREATE OR REPLACE VIEW alert_outcomes
(
    alert_id String COMMENT 'Of the alert',
    rule LowCardinality(String) COMMENT 'Name of the rule that fired',
    symbol LowCardinality(String) COMMENT 'What it was about',
    direction LowCardinality(String) COMMENT 'up or down, buy or sell, empty where it has none',
    day Date COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Exchange time of the event that made it fire',
    after_1m_pct Nullable(Float64) COMMENT 'How far the price had moved a minute later, per cent; null where no price is known',
    after_5m_pct Nullable(Float64) COMMENT 'The same five minutes later',
    after_15m_pct Nullable(Float64) COMMENT 'The same fifteen minutes later; after the close its last price counts'
)
AS SELECT
    o.alert_id AS alert_id, any(o.rule) AS rule, any(o.symbol) AS symbol, any(o.direction) AS direction, any(o.day) AS day,
    any(o.ts) AS ts,
    100 * (maxIf(o.close, o.minutes = 1) / nullIf(maxIf(o.close, o.minutes = 0), 0) - 1) AS after_1m_pct,
    100 * (maxIf(o.close, o.minutes = 5) / nullIf(maxIf(o.close, o.minutes = 0), 0) - 1) AS after_5m_pct,
    100 * (maxIf(o.close, o.minutes = 15) / nullIf(maxIf(o.close, o.minutes = 0), 0) - 1) AS after_15m_pct
FROM
(
    SELECT a.alert_id, a.rule, a.symbol, a.direction, a.day, a.ts, a.minutes, c.close
    FROM
    (
        SELECT alert_id, rule, symbol, direction, day, ts, arrayJoin([0, 1, 5, 15]) AS minutes, addMinutes(ts, minutes) AS at
        FROM alerts
    ) AS a
    ASOF LEFT JOIN (SELECT symbol, day, addMinutes(minute, 1) AS over, close FROM candles_1m) AS c
        ON a.symbol = c.symbol AND a.day = c.day AND a.at >= c.over
) AS o
GROUP BY o.alert_id;
