"""Days of a market, generated in ClickHouse itself: as many prints as one likes, at the engine's own speed, the same each time.

Like the tape of a real day: a few symbols have most of the prints; prices walk along their steps, and jump between bid and ask
with the aggressor; volumes are round lots with a long tail; times have one-second steps; a print continues the total of the print
before it, but for a gap now and then; a message of Kafka holds the prints of a moment, of several symbols.
"""

from datetime import date, timedelta

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.tables import TABLES

SYMBOLS = 1_600
FIRST_DAY = date(2026, 6, 1)
PARTITIONS = 6

# Of symbol number s on day d: how many prints; and of each its place n, a hash of its own, its second, volume, price and total.
_TAPE = """
SELECT
    s, concat(char(65 + intDiv(s, 676) % 26, 65 + intDiv(s, 26) % 26, 65 + s % 26), if(s >= 1000, '1', '')) AS symbol,
    multiIf(s % 4 = 0, 'HNX', s % 4 = 1, 'UPCOM', 'HOSE') AS exchange,
    arrayJoin(arrayZip(ns, seconds, volumes, prices, totals, hashes)) AS p
FROM
(
    SELECT
        number AS s, toUInt64({prints} / 7.96 / (s + 1)) + 5 AS count, range(count) AS ns,
        arrayMap(n -> cityHash64({day_number}, s, n), ns) AS hashes,
        arraySort(arrayMap(h -> toUInt32(if(h % 100 < 55, h % 9000, 13500 + h % 6300)), hashes)) AS seconds,
        arrayMap(h -> toInt64(100 * (1 + toUInt64(pow(intDiv(h, 1000) % 1000 / 180, 3)))), hashes) AS volumes,
        if(s % 7 < 4, 50, 100) AS step,
        arrayCumSum(arrayMap(h -> multiIf(h % 64 = 0, 1, h % 64 = 1, -1, 0), hashes)) AS walk,
        arrayMap((w, h) -> toInt32(step * (200 + s % 300 + w + (h % 100 < 48))), walk, hashes) AS prices,
        arrayCumSum(arrayMap((v, h) -> v + if(intDiv(h, 7) % 50 = 0, 300, 0), volumes, hashes)) AS totals
    FROM numbers({symbols})
)
"""
_TRADES = """
INSERT INTO {table} ({columns})
SELECT
    'print', symbol, exchange, toDate('{day}'), at, NULL, 0, total - volume, total, volume, price * volume, price, volume,
    multiIf(hash % 100 < 48, 'buy', hash % 100 < 96, 'sell', 'neutral'), if(exchange = 'HOSE', 'feed', 'quote'), 'continuous',
    NULL, false, false, true, NULL, NULL, false, NULL, NULL, part, {first_offset} + intDiv(place, 4), place % 4
FROM
(
    SELECT
        symbol, exchange, p.2 AS second, p.3 AS volume, p.4 AS price, p.5 AS total, p.6 AS hash,
        cityHash64(symbol) % {partitions} AS part,
        addSeconds(toDateTime64('{day} 09:15:00', 3, 'Asia/Ho_Chi_Minh'), second) AS at,
        row_number() OVER (PARTITION BY part ORDER BY second, cityHash64(hash)) - 1 AS place
    FROM ({tape})
)
"""


def fill(client: Client, table: str, days: int, prints: int) -> int:
    """Insert so many days of about so many prints each into a table of the tape; how many prints that was.

    Args:
        client: Of the table's database.
        table: Its name: ``trades_state``, or ``trades`` as releases before 0.3.0 had it.
        days: The first is :data:`FIRST_DAY`; no day is left out.
        prints: Of one day.
    """
    columns = ", ".join(f"`{name}`" for name in TABLES["market.trades"].names)
    for n in range(days):
        tape = _TAPE.format(prints=prints, day_number=n, symbols=SYMBOLS)
        day = FIRST_DAY + timedelta(days=n)
        said = {"table": table, "columns": columns, "day": day, "tape": tape, "partitions": PARTITIONS}
        client.command(_TRADES.format(first_offset=n * 10_000_000, **said), settings={"insert_deduplicate": 0})
    return int(str(client.command(f"SELECT count() FROM {table}")))


def stored_bytes(client: Client, table: str) -> int:
    """What a table takes on disk, once its parts are merged."""
    client.command(f"OPTIMIZE TABLE {table} FINAL")
    return int(
        str(
            client.command(
                f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = '{table}' AND database = currentDatabase()"
            )
        )
    )


def fill_others(client: Client) -> None:
    """Make the other tables of the tape that is there: as many rows of each as a market has beside so many prints, about."""
    # Its days are older than quotes are kept.
    client.command("ALTER TABLE quotes REMOVE TTL")
    for statement in _OTHERS:
        client.command(statement, settings={"insert_deduplicate": 0})


def forget_history(client: Client) -> None:
    """Empty the tables of history."""
    for table in ("history_minutes", "history_asked"):
        client.command(f"TRUNCATE TABLE {table}")


def add_history(client: Client, days_before: int) -> None:
    """Make history of the minutes that are there, so many days before each; 0: of the same days, which then are told of twice."""
    for statement in _HISTORY:
        client.command(statement.format(shift=days_before), settings={"insert_deduplicate": 0})


_HISTORY = (
    """
INSERT INTO history_minutes (symbol, exchange, day, minute, ts, opens, open, high, low, close, volume, asked_at)
SELECT
    symbol, exchange, day - {shift}, subtractDays(minute, {shift}), subtractDays(minute, {shift}), false, open, high, low, close,
    volume, now64(3)
FROM candles_state
""",
    """
INSERT INTO history_asked (what, subject, day, rows, volume, unusable, asked_at)
SELECT 'minutes', symbol, day - {shift}, count(), sum(volume), 0, now64(3) FROM candles_state GROUP BY symbol, day
""",
)


_OTHERS = (
    # The book changes about as often as somebody trades.
    """
INSERT INTO quotes (symbol, exchange, day, ts, bid, bid_volume, ask, ask_volume, session, partition, offset, idx)
SELECT
    symbol, exchange, day, addSeconds(ts, -1), price - 50 * (side = 'buy'), 100 + 100 * (offset % 50),
    price + 50 * (side != 'buy'), 100 + 100 * (offset % 70), 'LO', partition, offset, idx
FROM trades_state
""",
    """
INSERT INTO foreign_ledger (kind, symbol, exchange, day, ts, since, side, volume, value, partition, offset, idx)
SELECT 'delta', symbol, exchange, day, ts, ts, if(side = 'buy', 'buy', 'sell'), volume, price * volume, partition, offset, idx
FROM trades WHERE cityHash64(offset, idx) % 10 = 0
""",
    """
INSERT INTO candles_state (
    symbol, exchange, day, minute, ts, open, high, low, close, volume, value, active_buy, active_sell, prints, offset
)
SELECT
    symbol, if(symbol LIKE '%A', 'HNX', 'HOSE'), day, minute, addSeconds(minute, 75), open, high, low, close, volume, value,
    active_buy, active_sell, prints, rowNumberInAllBlocks()
FROM candles_1m
""",
    """
INSERT INTO prices_daily_state (symbol, exchange, day, ts, final, reference, open, high, low, close, printed_volume)
SELECT
    symbol, any(exchange), day, max(ts), true, assumeNotNull(min(price)), argMin(price, (ts, offset, idx)), max(price),
    min(price), argMax(price, (ts, offset, idx)), sum(volume)
FROM trades_state GROUP BY symbol, day
""",
    """
INSERT INTO reference_state (symbol, exchange, day, groups, sector, lot)
SELECT
    symbol, any(exchange), day, if(cityHash64(symbol) % 50 = 0, ['VN30'], []),
    ['Banks', 'Food', 'Property', 'Steel', 'Brokers'][1 + cityHash64(symbol) % 5], 100
FROM trades_state GROUP BY symbol, day
""",
    """
INSERT INTO alerts (alert_id, rule, kind, severity, symbol, direction, day, ts, partition, offset, idx)
SELECT
    toString(cityHash64(day, offset, idx, partition)), ['burst', 'large', 'wall'][1 + offset % 3], 'volume', 'info', symbol,
    if(side = 'buy', 'up', 'down'), day, ts, partition, offset, idx
FROM trades_state WHERE cityHash64(offset, idx, day) % 1000 = 0
""",
    """
INSERT INTO trades_state (
    kind, symbol, exchange, day, ts, since, total_volume, volume, value, cause, anchored, partition, offset, idx
)
SELECT
    'gap', symbol, exchange, day, ts, ts, total_volume, 300, 300, if(idx = 0, 'lost', 'unseen'), true, partition, offset, idx + 8
FROM trades_state WHERE kind = 'print' AND cityHash64(offset, idx, symbol) % 50 = 0
""",
    """
INSERT INTO basis (symbol, underlying, alias, day, ts, price, index_value, basis, stale, offset)
SELECT
    '41I1GC000', 'VN30', 'VN30F1M', day, addSeconds(toDateTime64(concat(toString(day), ' 09:15:00'), 3, 'Asia/Ho_Chi_Minh'), n),
    130000 + n % 700, 130000, n % 700 - 300, false, n
FROM (SELECT DISTINCT day FROM trades_state) ARRAY JOIN range(16000) AS n
""",
)
