-- Five minutes and days are asked of the minutes from now on, instead of being written with every insert; and the start of a
-- candle is its `minute`. Its old name, `t`, made `toStartOfInterval(t, …) AS t, argMin(open, t)` a wrong answer without a word.

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
    value Int64 COMMENT 'VND',
    vwap Float64 COMMENT 'Average price by volume, same unit as the prices',
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after'
)
AS SELECT
    s.symbol AS symbol, toDate(s.t) AS day, s.t AS minute, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS active_buy, sum(s.sold) AS active_sell, sum(s.prints) AS prints, s.t AS t
FROM candles_1m_state AS s
GROUP BY s.symbol, s.t;

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
    value Int64 COMMENT 'VND',
    vwap Float64 COMMENT 'Average price by volume, same unit as the prices',
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after'
)
AS SELECT
    s.symbol AS symbol, toDate(minute) AS day, toDateTime64(toStartOfFiveMinutes(s.t), 0, 'Asia/Ho_Chi_Minh') AS minute,
    argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS active_buy, sum(s.sold) AS active_sell, sum(s.prints) AS prints, minute AS t
FROM candles_1m_state AS s
GROUP BY s.symbol, minute;

CREATE OR REPLACE VIEW candles_1d
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
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    s.symbol AS symbol, toDate(s.t) AS day, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS active_buy, sum(s.sold) AS active_sell, sum(s.prints) AS prints
FROM candles_1m_state AS s
GROUP BY s.symbol, day;

DROP VIEW IF EXISTS candles_1d_mv;
DROP VIEW IF EXISTS candles_5m_mv;
DROP TABLE IF EXISTS candles_1d_state;
DROP TABLE IF EXISTS candles_5m_state;

CREATE OR REPLACE VIEW foreign_1m
(
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    bought Int64 COMMENT 'Shares that foreigners bought',
    sold Int64 COMMENT 'Shares that foreigners sold',
    bought_value Int64 COMMENT 'VND',
    sold_value Int64 COMMENT 'VND',
    net_value Int64 COMMENT 'VND, bought_value - sold_value',
    entries UInt64 COMMENT 'Number of ledger entries',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after'
)
AS SELECT
    s.symbol AS symbol, toDate(s.t) AS day, s.t AS minute, sum(s.bought) AS bought, sum(s.sold) AS sold,
    sum(s.bought_value) AS bought_value, sum(s.sold_value) AS sold_value, sum(s.bought_value) - sum(s.sold_value) AS net_value,
    sum(s.entries) AS entries, s.t AS t
FROM foreign_1m_state AS s
GROUP BY s.symbol, s.t;

CREATE OR REPLACE VIEW indices_1m
(
    symbol LowCardinality(String) COMMENT 'The index: VNINDEX, VN30',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    open Int32 COMMENT 'First value in it, hundredths of a point',
    high Int32 COMMENT 'Highest value in it, hundredths of a point',
    low Int32 COMMENT 'Lowest value in it, hundredths of a point',
    close Int32 COMMENT 'Last value in it, hundredths of a point',
    volume Int64 COMMENT 'Matched since the open up to its end, shares of all members',
    traded_value Int64 COMMENT 'Matched since the open up to its end, VND',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after'
)
AS SELECT
    symbol, day, toDateTime64(toStartOfMinute(ts), 0, 'Asia/Ho_Chi_Minh') AS minute, argMin(i.value, (ts, offset, idx)) AS open,
    max(i.value) AS high, min(i.value) AS low, argMax(i.value, (ts, offset, idx)) AS close, max(i.volume) AS volume,
    max(i.traded_value) AS traded_value, minute AS t
FROM indices AS i
GROUP BY symbol, day, minute;

CREATE OR REPLACE VIEW basis_1m
(
    underlying LowCardinality(String) COMMENT 'The index under it',
    symbol LowCardinality(String) COMMENT 'The contract, by its symbol on the feed',
    alias LowCardinality(Nullable(String)) COMMENT 'Rank among the listed contracts: VN30F1M is the front month',
    day Date COMMENT 'Trading day, Vietnam',
    minute DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Start of the minute',
    open Int32 COMMENT 'First basis in it, hundredths of a point; stale ones are left out, here and below',
    high Int32 COMMENT 'Highest basis in it, hundredths of a point',
    low Int32 COMMENT 'Lowest basis in it, hundredths of a point',
    close Int32 COMMENT 'Last basis in it, hundredths of a point',
    price Int32 COMMENT 'Of the contract at its end, hundredths of a point',
    index_value Int32 COMMENT 'Of the index at its end, hundredths of a point',
    t DateTime64(0, 'Asia/Ho_Chi_Minh') COMMENT 'Name of minute before release 0.4.0; it goes with the release after'
)
AS SELECT
    underlying, symbol, argMax(b.alias, (ts, offset, idx)) AS alias, day,
    toDateTime64(toStartOfMinute(ts), 0, 'Asia/Ho_Chi_Minh') AS minute, argMin(b.basis, (ts, offset, idx)) AS open, max(b.basis) AS high,
    min(b.basis) AS low, argMax(b.basis, (ts, offset, idx)) AS close, argMax(b.price, (ts, offset, idx)) AS price,
    argMax(b.index_value, (ts, offset, idx)) AS index_value, minute AS t
FROM basis AS b
WHERE NOT stale
GROUP BY underlying, symbol, day, minute;
