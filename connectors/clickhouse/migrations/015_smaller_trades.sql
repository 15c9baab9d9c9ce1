-- not additive: the tape is stored in trades_state, without what follows from its other columns; trades is a view of it now
-- A print's interval ends at its total, its value is price x volume and the match is what it booked, but for exceptions. So `start`,
-- `value` and `last_volume` are stored as what they differ by, which is nearly always 0: the half of a row. Rows are in the order of
-- days now: a day of all symbols lies together, and a symbol's day is still one piece.

CREATE TABLE IF NOT EXISTS trades_state
(
    kind LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'print, gap, fill, correction, reset or status; per symbol, day and generation anchored prints + gaps - fills + corrections = highest total, put_through left out',
    symbol LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'What the exchange calls the instrument: VNM, 41I1GC000',
    exchange LowCardinality(String) CODEC(ZSTD(1)) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date CODEC(Delta, ZSTD(1)) COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') CODEC(GCD, Delta, ZSTD(1)) COMMENT 'Exchange time; it has one-second steps',
    since Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')) CODEC(Delta, ZSTD(1)) COMMENT 'Gaps: time of the record before it, it happened in [since, ts]',
    generation UInt16 CODEC(ZSTD(1)) COMMENT 'How often the feed''s counter has restarted today',
    start Int64 EPHEMERAL 0 COMMENT 'Taken on insert, kept as start_shift',
    total_volume Int64 CODEC(GCD, Delta, ZSTD(1)) COMMENT 'Feed''s day total after it, shares (contracts for futures)',
    volume Int64 CODEC(GCD, ZSTD(1)) COMMENT 'Shares (contracts for futures); negative in corrections that take back',
    value Int64 EPHEMERAL 0 COMMENT 'Taken on insert, kept as value_shift',
    price Nullable(Int32) CODEC(Delta, ZSTD(1)) COMMENT 'VND for stocks, hundredths of a point for futures',
    last_volume Nullable(Int64) EPHEMERAL NULL COMMENT 'Taken on insert, kept as last_volume_shift',
    side LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: aggressor, buy, sell or neutral',
    side_source LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: who decided the side: feed, quote, auction or none',
    phase LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: ato, continuous, atc, post_close, put_through or odd_lot',
    limit LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Prints: ceiling or floor when the price was the day''s limit',
    late Bool CODEC(ZSTD(1)) COMMENT 'Arrived after later prints, booked at its own time',
    clipped Bool CODEC(ZSTD(1)) COMMENT 'Prints: booked less than last_volume, as earlier prints covered a part of it or its total was less',
    anchored Bool CODEC(ZSTD(1)) COMMENT 'False for prints without a total: no identity, counted apart',
    cause LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Gaps: before_start, lost or unseen',
    epoch Nullable(Int64) CODEC(Delta, ZSTD(1)) COMMENT 'Gaps: UTC milliseconds of the connect whose record showed it',
    ambiguous Bool DEFAULT false CODEC(ZSTD(1)) COMMENT 'Corrections and resets: nobody can tell that it was one',
    session LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Status: the session as SSI writes it, from now on',
    status LowCardinality(Nullable(String)) CODEC(ZSTD(1)) COMMENT 'Status: the trading status as SSI writes it, from now on',
    partition UInt16 CODEC(ZSTD(1)) COMMENT 'Kafka partition of market.trades',
    offset UInt64 CODEC(Delta, ZSTD(1)) COMMENT 'Kafka offset of the frame',
    idx UInt16 CODEC(ZSTD(1)) COMMENT 'Place in the frame, from 0',
    start_shift Int64 MATERIALIZED total_volume - volume - start CODEC(ZSTD(1)) COMMENT 'total_volume - volume - start, shares',
    value_shift Int64 MATERIALIZED value - ifNull(price, 0) * volume * if(exchange = 'DER', 1000, 1) CODEC(ZSTD(1)) COMMENT 'value - price x volume, VND; a hundredth of a point of a contract is 1,000 VND',
    last_volume_shift Nullable(Int64) MATERIALIZED last_volume - volume CODEC(ZSTD(1)) COMMENT 'last_volume - volume, shares',
    INDEX ts_minmax ts TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(day)
ORDER BY (day, symbol, ts, offset, idx)
SETTINGS non_replicated_deduplication_window = 10000
COMMENT 'Storage of trades: ask that view instead';

-- What is there already is not copied again: days that are whole are left out, and of the others the rows that are there.
INSERT INTO trades_state (
    kind, symbol, exchange, day, ts, since, generation, start, total_volume, volume, value, price, last_volume, side, side_source,
    phase, limit, late, clipped, anchored, cause, epoch, ambiguous, session, status, partition, offset, idx
)
WITH whole AS
(
    SELECT day FROM (SELECT day, count() AS rows FROM trades GROUP BY day) AS old
    INNER JOIN (SELECT day, count() AS rows FROM trades_state GROUP BY day) AS new USING (day, rows)
)
SELECT
    kind, symbol, exchange, day, ts, since, generation, start, total_volume, volume, value, price, last_volume, side, side_source,
    phase, limit, late, clipped, anchored, cause, epoch, ambiguous, session, status, partition, offset, idx
FROM trades
WHERE day NOT IN (SELECT day FROM whole)
    AND (partition, offset, idx) NOT IN (SELECT partition, offset, idx FROM trades_state WHERE day NOT IN (SELECT day FROM whole));

CREATE OR REPLACE VIEW trades
(
    kind LowCardinality(String) COMMENT 'print, gap, fill, correction, reset or status; per symbol, day and generation anchored prints + gaps - fills + corrections = highest total, put_through left out',
    symbol LowCardinality(String) COMMENT 'What the exchange calls the instrument: VNM, 41I1GC000',
    exchange LowCardinality(String) COMMENT 'HOSE, HNX, UPCOM, DER or HNXBOND',
    day Date COMMENT 'Trading day, Vietnam',
    ts DateTime64(3, 'Asia/Ho_Chi_Minh') COMMENT 'Exchange time; it has one-second steps',
    since Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh')) COMMENT 'Gaps: time of the record before it, it happened in [since, ts]',
    generation UInt16 COMMENT 'How often the feed''s counter has restarted today',
    start Int64 COMMENT 'Feed''s day total before it, shares (contracts for futures)',
    total_volume Int64 COMMENT 'Feed''s day total after it, shares (contracts for futures)',
    volume Int64 COMMENT 'Shares (contracts for futures); negative in corrections that take back',
    value Int64 COMMENT 'VND; for a gap the growth of the feed''s total value that it leaves over',
    price Nullable(Int32) COMMENT 'VND for stocks, hundredths of a point for futures',
    last_volume Nullable(Int64) COMMENT 'Prints: shares of the match as the feed said it',
    side LowCardinality(Nullable(String)) COMMENT 'Prints: aggressor, buy, sell or neutral',
    side_source LowCardinality(Nullable(String)) COMMENT 'Prints: who decided the side: feed, quote, auction or none',
    phase LowCardinality(Nullable(String)) COMMENT 'Prints: ato, continuous, atc, post_close, put_through or odd_lot',
    limit LowCardinality(Nullable(String)) COMMENT 'Prints: ceiling or floor when the price was the day''s limit',
    late Bool COMMENT 'Arrived after later prints, booked at its own time',
    clipped Bool COMMENT 'Prints: booked less than last_volume, as earlier prints covered a part of it or its total was less',
    anchored Bool COMMENT 'False for prints without a total: no identity, counted apart',
    cause LowCardinality(Nullable(String)) COMMENT 'Gaps: before_start, lost or unseen',
    epoch Nullable(Int64) COMMENT 'Gaps: UTC milliseconds of the connect whose record showed it',
    ambiguous Bool COMMENT 'Corrections and resets: nobody can tell that it was one',
    session LowCardinality(Nullable(String)) COMMENT 'Status: the session as SSI writes it, from now on',
    status LowCardinality(Nullable(String)) COMMENT 'Status: the trading status as SSI writes it, from now on',
    partition UInt16 COMMENT 'Kafka partition of market.trades',
    offset UInt64 COMMENT 'Kafka offset of the frame',
    idx UInt16 COMMENT 'Place in the frame, from 0'
)
AS SELECT
    kind, symbol, exchange, day, ts, since, generation, s.total_volume - s.volume - s.start_shift AS start, total_volume, volume,
    ifNull(s.price, 0) * s.volume * if(s.exchange = 'DER', 1000, 1) + s.value_shift AS value, price,
    s.volume + s.last_volume_shift AS last_volume, side, side_source, phase, limit, late, clipped, anchored, cause, epoch, ambiguous,
    session, status, partition, offset, idx
FROM trades_state AS s;

DROP VIEW IF EXISTS candles_1m_mv;

-- A key orders the prints of a day: second of the day (17 bits), offset (36), place in the frame (11). A symbol's day is on one
-- partition: how many there are changes between days only.
CREATE MATERIALIZED VIEW IF NOT EXISTS candles_1m_state_mv TO candles_1m_state AS
SELECT
    symbol,
    toDateTime64(toStartOfMinute(p.ts), 0, 'Asia/Ho_Chi_Minh') AS t,
    argMinState(p.paid, p.key) AS open,
    max(p.paid) AS high,
    min(p.paid) AS low,
    argMaxState(p.paid, p.key) AS close,
    sum(p.volume) AS volume,
    sum(p.worth) AS value,
    sum(p.paid * p.volume) AS price_volume,
    sumIf(p.volume, p.side = 'buy') AS bought,
    sumIf(p.volume, p.side = 'sell') AS sold,
    count() AS prints
FROM
(
    SELECT
        symbol, ts, volume, ifNull(side, '') AS side, assumeNotNull(price) AS paid,
        paid * volume * if(exchange = 'DER', 1000, 1) + value_shift AS worth,
        bitShiftLeft(toUInt64(intDiv(toUnixTimestamp64Milli(ts), 1000) % 86400), 47) + bitShiftLeft(offset, 11) + idx AS key
    FROM trades_state
    WHERE kind = 'print' AND anchored AND price IS NOT NULL AND ifNull(phase, '') NOT IN ('put_through', 'odd_lot')
) AS p
GROUP BY symbol, t;

-- What was told last of a day or a minute is what the market's clock says, whichever partition and offset it came from: a topic that
-- was made anew begins at 0 again.
ALTER TABLE prices_daily_state
    MODIFY COLUMN IF EXISTS version UInt64 MATERIALIZED bitShiftLeft(toUInt64(toUnixTimestamp(ts)), 32) + bitShiftLeft(offset % 4194304, 10) + idx % 1024 CODEC(ZSTD(1)) COMMENT 'Order of the summaries of a day: the last one wins';

ALTER TABLE candles_state
    MODIFY COLUMN IF EXISTS version UInt64 MATERIALIZED bitShiftLeft(toUInt64(toUnixTimestamp(ts)), 32) + bitShiftLeft(offset % 4194304, 10) + idx % 1024 CODEC(ZSTD(1)) COMMENT 'Order of what was told of a minute: the last wins';
