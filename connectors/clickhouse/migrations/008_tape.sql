-- Lines of a symbol's session and trading status, lines that nobody can be sure of, and what a day's prints were worth.

ALTER TABLE trades
    ADD COLUMN IF NOT EXISTS ambiguous Bool DEFAULT false CODEC(ZSTD(1)) COMMENT 'Corrections and resets: nobody can tell that it was one' AFTER epoch,
    ADD COLUMN IF NOT EXISTS session LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Status: the session as SSI writes it, from now on' AFTER ambiguous,
    ADD COLUMN IF NOT EXISTS status LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Status: the trading status as SSI writes it, from now on' AFTER session;

ALTER TABLE trades
    COMMENT COLUMN IF EXISTS kind 'print, gap, fill, correction, reset or status; per symbol, day and generation anchored prints + gaps - fills + corrections = highest total, put_through left out';

ALTER TABLE prices_daily_state
    ADD COLUMN IF NOT EXISTS active_buy_value Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'What the prints of active_buy were worth, VND; null before release 0.3.0' AFTER repeats,
    ADD COLUMN IF NOT EXISTS active_sell_value Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'What the prints of active_sell were worth, VND; null before release 0.3.0' AFTER active_buy_value,
    ADD COLUMN IF NOT EXISTS neutral_value Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'What the prints of neutral were worth, VND; null before release 0.3.0' AFTER active_sell_value,
    ADD COLUMN IF NOT EXISTS put_through_value Nullable(Int64) CODEC(ZSTD(1)) COMMENT 'What was put through was worth, VND; null before release 0.3.0' AFTER neutral_value;

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
    open Nullable(Int32) COMMENT 'First price, same unit; null before the first match, and where nobody knows it',
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
    active_buy_value Nullable(Int64) COMMENT 'What the prints of active_buy were worth, VND; null before release 0.3.0',
    active_sell_value Nullable(Int64) COMMENT 'What the prints of active_sell were worth, VND; null before release 0.3.0',
    neutral_value Nullable(Int64) COMMENT 'What the prints of neutral were worth, VND; null before release 0.3.0',
    put_through_value Nullable(Int64) COMMENT 'What was put through was worth, VND; null before release 0.3.0',
    partition UInt16 COMMENT 'Kafka partition of market.daily',
    offset UInt64 COMMENT 'Kafka offset of the frame',
    idx UInt16 COMMENT 'Place in the frame, from 0'
)
AS SELECT
    symbol, exchange, day, ts, final, reference, ceiling, floor, open, high, low, close, total_volume, total_value, prints,
    printed_volume, missed_volume, active_buy, active_sell, neutral, put_through_volume, unanchored, repeats, active_buy_value,
    active_sell_value, neutral_value, put_through_value, partition, offset, idx
FROM prices_daily_state FINAL;
