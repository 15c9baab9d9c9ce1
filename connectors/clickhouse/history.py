"""What SSI's REST said of days that are over, in tables of its own beside what the stream booked.

Rows go in first, then the marks that say of which days SSI was asked. A load that is killed between the two asks again and stores
the same rows under the same keys, of which the tables show one. So the archive itself knows where to go on.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.calendar import as_date, as_day
from schemas.history import HistoryDay, HistoryIndex, HistoryKind, HistoryMark, HistoryMinute, TradedDay
from schemas.units import Exchange, Symbol, TradingDay, UnixMs

SymbolDay = tuple[str, TradingDay]
"""A symbol or an index, and a day."""

_TABLES: Final[dict[type[Any], str]] = {
    HistoryDay: "history_days",
    HistoryMinute: "history_minutes",
    HistoryIndex: "history_indices",
    HistoryMark: "history_asked",
}
_TIMES: Final = ("minute", "ts", "asked_at")
_SETTINGS: Final = {"async_insert": 0, "max_insert_block_size": 1_048_576, "min_insert_block_size_rows": 1_048_576}
_BOOKED: Final[dict[HistoryKind, tuple[str, ...]]] = {
    # A summary without a match, or matches without a summary yet: the stream was there.
    "days": (
        "SELECT symbol, day FROM prices_daily_state WHERE {0}",
        "SELECT symbol, toDate(t) AS day FROM candles_1m_state WHERE {1}",
    ),
    "minutes": (
        "SELECT symbol, day FROM candles_state WHERE {0}",
        "SELECT symbol, toDate(t) AS day FROM candles_1m_state WHERE {1}",
    ),
    "indices": ("SELECT symbol, day FROM indices WHERE {0}",),
}


def booked(archive: Client, what: HistoryKind, first: TradingDay, last: TradingDay) -> set[SymbolDay]:
    """Of which symbols and days the stream has told; history never takes their place."""
    selects = [
        select.format("day BETWEEN {first:Date} AND {last:Date}", "toDate(t) BETWEEN {first:Date} AND {last:Date}")
        for select in _BOOKED[what]
    ]
    return _symbol_days(archive, " UNION DISTINCT ".join(selects), first, last)


def asked(archive: Client, what: HistoryKind, first: TradingDay, last: TradingDay) -> set[SymbolDay]:
    """Of which subjects and days SSI has been asked, and what came of it is stored."""
    where = "what = {what:String} AND day BETWEEN {first:Date} AND {last:Date}"
    return _symbol_days(archive, f"SELECT DISTINCT subject, day FROM history_asked WHERE {where}", first, last, what=what)  # noqa: S608


def traded(archive: Client, first: TradingDay, last: TradingDay) -> list[TradedDay]:
    """The days on which instruments were traded, as history or the stream's summaries say; by symbol and day."""
    where = "day BETWEEN {first:Date} AND {last:Date}"
    found = archive.query(
        f"SELECT symbol, any(exchange), day FROM (SELECT symbol, exchange, day FROM history_days WHERE {where} AND volume > 0"  # noqa: S608
        f" UNION ALL SELECT symbol, exchange, day FROM prices_daily_state WHERE {where} AND total_volume > 0)"
        " GROUP BY symbol, day ORDER BY symbol, day",
        parameters={"first": as_date(first), "last": as_date(last)},
    ).result_rows
    return [TradedDay(Symbol(symbol), Exchange(exchange), as_day(day)) for symbol, exchange, day in found]


def store(
    archive: Client,
    rows: Sequence[HistoryDay | HistoryMinute | HistoryIndex],
    marks: Sequence[HistoryMark],
    asked_at: UnixMs,
) -> None:
    """Store rows, and then that SSI was asked for them. May be repeated.

    Args:
        archive: Opened on the archive's database, by a user who may write.
        rows: What SSI said, all of one kind.
        marks: Of which days it was asked for them.
        asked_at: When that was.

    Raises:
        clickhouse_connect.driver.exceptions.Error: Some of it may be stored; without its mark it is asked for again.
    """
    _insert(archive, rows, asked_at)
    _insert(archive, marks, asked_at)


def forget(archive: Client, what: HistoryKind, subjects: Iterable[str], first: TradingDay, last: TradingDay) -> None:
    """Have SSI asked again of some subjects and days. What is stored of them stays until SSI has answered."""
    archive.command(
        "DELETE FROM history_asked WHERE what = {what:String} AND subject IN {subjects:Array(String)}"
        " AND day BETWEEN {first:Date} AND {last:Date}",
        parameters={"what": what, "subjects": list(subjects), "first": as_date(first), "last": as_date(last)},
    )


def _insert(archive: Client, rows: Sequence[Any], asked_at: UnixMs) -> None:
    if not rows:
        return
    names = (*rows[0]._fields, "asked_at")
    columns = [[_stored(name, value) for value in values] for name, values in zip(names, zip(*rows, strict=True), strict=False)]
    columns.append([_moment(asked_at)] * len(rows))
    archive.insert(_TABLES[type(rows[0])], columns, column_names=names, column_oriented=True, settings=_SETTINGS)


def _stored(name: str, value: Any) -> Any:
    if name == "day":
        return as_date(value)
    if name in _TIMES:
        return _moment(value)
    return value.value if isinstance(value, Exchange) else value


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _symbol_days(archive: Client, select: str, first: TradingDay, last: TradingDay, **more: Any) -> set[SymbolDay]:
    days: dict[date, TradingDay] = {}
    parameters = {"first": as_date(first), "last": as_date(last), **more}
    found: set[SymbolDay] = set()
    with archive.query_row_block_stream(select, parameters) as blocks:
        for block in blocks:
            found.update((symbol, days.setdefault(day, as_day(day))) for symbol, day in block)
    return found
