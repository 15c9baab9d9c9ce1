-- `bought` and `sold` meant what aggressors traded here and what foreigners traded elsewhere. What aggressors traded is called
-- active_buy and active_sell from now on, in the candles as well.
--
-- prices_daily_state keeps the old columns for sinks of the release before: what these write shows under the new names.

ALTER TABLE prices_daily_state
    ADD COLUMN IF NOT EXISTS active_buy Int64 DEFAULT bought CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor bought' AFTER missed_volume,
    ADD COLUMN IF NOT EXISTS active_sell Int64 DEFAULT sold CODEC(ZSTD(1)) COMMENT 'Shares of prints whose aggressor sold' AFTER active_buy;

ALTER TABLE prices_daily_state
    MODIFY COLUMN IF EXISTS bought Int64 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'Name of active_buy before release 0.2.0; 0 in newer rows',
    MODIFY COLUMN IF EXISTS sold Int64 DEFAULT 0 CODEC(ZSTD(1)) COMMENT 'Name of active_sell before release 0.2.0; 0 in newer rows';

CREATE OR REPLACE VIEW prices_daily
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
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
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
    printed_volume, missed_volume, active_buy, active_sell, neutral, put_through_volume, unanchored, repeats, partition, offset, idx
FROM prices_daily_state FINAL;

CREATE OR REPLACE VIEW candles_1m
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
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    symbol, t, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS active_buy, sum(s.sold) AS active_sell, sum(s.prints) AS prints
FROM candles_1m_state AS s
GROUP BY symbol, t;

CREATE OR REPLACE VIEW candles_5m
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
    active_buy Int64 COMMENT 'Shares of prints whose aggressor bought',
    active_sell Int64 COMMENT 'Shares of prints whose aggressor sold',
    prints UInt64 COMMENT 'Number of prints'
)
AS SELECT
    symbol, t, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS active_buy, sum(s.sold) AS active_sell, sum(s.prints) AS prints
FROM candles_5m_state AS s
GROUP BY symbol, t;

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
    symbol, day, argMinMerge(s.open) AS open, max(s.high) AS high, min(s.low) AS low, argMaxMerge(s.close) AS close,
    sum(s.volume) AS volume, sum(s.value) AS value, sum(s.price_volume) / sum(s.volume) AS vwap,
    sum(s.bought) AS active_buy, sum(s.sold) AS active_sell, sum(s.prints) AS prints
FROM candles_1d_state AS s
GROUP BY symbol, day;
