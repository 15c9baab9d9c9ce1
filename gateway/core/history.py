"""What can be asked of the archive over REST, as SQL with parameters (pure).

Every answer is of one trading day or, for daily figures, of a range of days; it comes in pages, in an order that never changes
or in its reverse, and a page says where the next one begins. No text of a client ever becomes a part of a statement: it is a
parameter, of a type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from schemas.calendar import as_date
from schemas.units import TradingDay

LIMIT: Final = 1_000
"""Rows of a page, unless it is said otherwise."""
MOST: Final = 10_000
"""Rows of a page at most."""


class BadQuestion(Exception):
    """A parameter that cannot be used; the text says which values can."""


@dataclass(frozen=True, slots=True)
class ArchiveQuestion:
    """Something that can be asked: a table or view, and the order of its rows."""

    table: str
    """Its name, or a subquery."""
    order: tuple[tuple[str, str], ...]
    """Columns that order the rows of one answer, each with its ClickHouse type; together they name a row."""
    does: str
    has_symbol: bool = False
    """Whether it is asked of one symbol, which is the last part of the path."""
    filters: tuple[str, ...] = ()
    """Text columns that an answer may be restricted to."""
    is_daily: bool = False
    """Whether it has one row a day, so that a range of days is asked for."""


_IN_KAFKA: Final = (("partition", "UInt16"), ("offset", "UInt64"), ("idx", "UInt16"))
_IN_TIME: Final = (("ts", "DateTime64(3, 'Asia/Ho_Chi_Minh')"),)
_MINUTE: Final = (("minute", "DateTime('Asia/Ho_Chi_Minh')"),)
_TOLD_MINUTE: Final = (("minute", "DateTime64(3, 'Asia/Ho_Chi_Minh')"),)
_BY_SYMBOL: Final = (("symbol", "String"),)

_PARTS: Final = "generation, kind, phase, cause, late, clipped, anchored"
"""What tells the lines of a tape apart that are added up: see ``schemas.events.TradeEvent``."""
_VOLUME: Final = f"""(
    SELECT day, symbol, {_PARTS}, count() AS lines, sum(t.volume) AS volume FROM (
        SELECT day, symbol, generation, kind, ifNull(l.phase, '') AS phase, ifNull(l.cause, '') AS cause, late, clipped, anchored,
            l.volume AS volume
        FROM trades AS l
    ) AS t GROUP BY day, symbol, {_PARTS}
)"""  # noqa: S608 - of our own words only
_DEALS: Final = "(SELECT * FROM trades WHERE kind = 'print' AND phase = 'put_through')"
NEWEST: Final = "newest"

QUESTIONS: Final[Mapping[str, ArchiveQuestion]] = {
    "candles": ArchiveQuestion("minutes", _TOLD_MINUTE, "a symbol's minutes, amended ones as they are now", has_symbol=True),
    "candles/daily": ArchiveQuestion("candles_1d", (("day", "Date"),), "a symbol's days", has_symbol=True, is_daily=True),
    "trades": ArchiveQuestion("trades", _IN_KAFKA, "a symbol's tape: prints, gaps, fills, corrections", True, ("kind", "side")),
    "volume": ArchiveQuestion(
        _VOLUME,
        (("generation", "UInt16"), *((name, "String") for name in ("kind", "phase", "cause")),
         *((name, "Bool") for name in ("late", "clipped", "anchored"))),
        "what a symbol's volume is made of: the lines of its tape added up by what they are",
        has_symbol=True,
    ),
    "deals": ArchiveQuestion(_DEALS, _IN_TIME + _IN_KAFKA, "put-through deals", filters=("symbol",)),
    "flow": ArchiveQuestion(
        "foreign_by_scope", (*_IN_TIME, ("scope", "String")), "what foreigners traded in a scope, by minute", filters=("scope",)
    ),
    "foreign": ArchiveQuestion("foreign_ledger", _IN_KAFKA, "what foreigners traded of a symbol", True, ("kind", "side")),
    "foreign/daily": ArchiveQuestion("foreign_daily", _BY_SYMBOL, "what foreigners traded of each symbol on a day"),
    "index": ArchiveQuestion("indices_1m", _MINUTE + _BY_SYMBOL, "indices, by the minute", filters=("symbol",)),
    "basis": ArchiveQuestion("basis_1m", _MINUTE + _BY_SYMBOL, "futures against their index", filters=("symbol",)),
    "alerts": ArchiveQuestion("alerts", _IN_KAFKA, "what fired", filters=("symbol", "rule", "kind", "severity")),
}  # fmt: skip
"""By the path under ``/api/v1/``, without the symbol that may follow."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL, and the values of its parameters."""

    sql: str
    parameters: Mapping[str, str]
    limit: int


def statement(question: ArchiveQuestion, symbol: str | None, asked: Mapping[str, str]) -> Statement:
    """What to ask the archive.

    Args:
        question: Of :data:`QUESTIONS`.
        symbol: Whose rows; None where the question is not of a symbol.
        asked: The parameters of the request: ``day``, or ``from`` and ``to``; ``order``; ``limit``; ``after``; and filters.

    Raises:
        BadQuestion: One of them cannot be used.
    """
    allowed = {"order", "limit", "after", *(("from", "to") if question.is_daily else ("day",)), *question.filters}
    if unknown := sorted(asked.keys() - allowed):
        raise BadQuestion(f"{', '.join(unknown)[:100]}: the parameters are {', '.join(sorted(allowed))}")
    where, parameters = [], {}
    if question.is_daily:
        for name, sign in (("from", ">="), ("to", "<=")):
            if name in asked:
                where.append(f"day {sign} {{{name}:Date}}")
                parameters[name] = _day(name, asked[name])
    else:
        if "day" not in asked:
            raise BadQuestion("day: say which trading day, as 20261120")
        where.append("day = {day:Date}")
        parameters["day"] = _day("day", asked["day"])
    if symbol is not None:
        where.append("symbol = {symbol:String}")
        parameters["symbol"] = symbol
    for name in question.filters:
        if name in asked:
            where.append(f"{name} = {{{name}:String}}")
            parameters[name] = asked[name]
    limit = _limit(asked.get("limit"))
    if asked.get("order", NEWEST) != NEWEST:
        raise BadQuestion(f"order: {NEWEST} for the last ones first, or leave it away")
    sign, way = ("<", " DESC") if "order" in asked else (">", "")
    columns = ", ".join(name for name, _ in question.order)
    if "after" in asked:
        places = asked["after"].split("~")
        if len(places) != len(question.order):
            raise BadQuestion("after: repeat the `next` of the page before")
        names = [f"after_{name}" for name, _ in question.order]
        where.append(
            f"({columns}) {sign} ({', '.join(f'{{{n}:{kind}}}' for n, (_, kind) in zip(names, question.order, strict=True))})"
        )
        parameters |= dict(zip(names, places, strict=True))
    order = ", ".join(f"{name}{way}" for name, _ in question.order)
    text = f"SELECT * FROM {question.table} WHERE {' AND '.join(where) or '1'} ORDER BY {order} LIMIT {limit + 1}"  # noqa: S608
    return Statement(f"{text} FORMAT JSONCompact", parameters, limit)


def page(question: ArchiveQuestion, limit: int, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """A page of an answer, of which ``rows`` has one more than ``limit`` if there is another page."""
    shown = rows[:limit]
    places = [columns.index(name) for name, _ in question.order]
    follows = len(rows) > limit
    return {
        "cols": list(columns),
        "rows": shown,
        "next": "~".join(str(shown[-1][place]) for place in places) if follows else None,
    }


def _day(name: str, text: str) -> str:
    try:
        day: date = as_date(TradingDay(int(text)))
    except ValueError:
        raise BadQuestion(f"{name}: write a trading day as 20261120") from None
    return day.isoformat()


def _limit(text: str | None) -> int:
    if text is None:
        return LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST:
        raise BadQuestion(f"limit: from 1 to {MOST}")
    return int(text)
