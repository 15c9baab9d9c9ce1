"""The archive's tables of minutes and days, made anew in plain Python of the events that they are views of.

What ClickHouse keeps of them is made block by block, as the sink inserts; here each is made of the whole log at once.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.topics import MARKET_BASIS, MARKET_FOREIGN, MARKET_INDICES, MARKET_TRADES, Topic
from schemas.units import Side
from stock_tracker.verify.core.archive import Row
from stock_tracker.verify.core.differences import Difference, EventPosition

Placed = tuple[EventPosition, Any]
"""An event with its place."""
_MINUTE_MS = 60_000


@dataclass(frozen=True)
class Derived:
    """A table that is made of another one."""

    view: str
    """The name that people query."""
    topic: Topic[Any]
    """The topic whose table it is made of."""
    key: tuple[str, ...]
    """The columns that name a row, beginning with the symbol; times as milliseconds, days as YYYYMMDD."""
    takes: Callable[[Any], bool]
    """Whether an event counts."""
    key_of: Callable[[Any], tuple[Any, ...]]
    """The row that an event belongs to."""
    make: Callable[[list[Any]], dict[str, Any]]
    """The other columns of a row, from its events in the order of (time, offset, idx)."""
    has_history: bool = False
    """Whether people see SSI's history there, too, of which no event tells."""


def rows_of(table: Derived, events: Iterable[Placed]) -> dict[tuple[Any, ...], tuple[EventPosition, Row]]:
    """Every row that a table must have, with the position of the last event in it.

    Args:
        table: Which.
        events: Those of its topic in a partition, all of them.
    """
    groups: dict[tuple[Any, ...], list[Placed]] = defaultdict(list)
    for at, event in events:
        if table.takes(event):
            groups[table.key_of(event)].append((at, event))
    made: dict[tuple[Any, ...], tuple[EventPosition, Row]] = {}
    for key, placed in groups.items():
        placed.sort(key=lambda one: (one[1].ts_ms, one[0].message.offset, one[0].idx))
        made[key] = placed[-1][0], table.make([event for _, event in placed])
    return made


def compare(table: Derived, events: Iterable[Placed], rows: Iterable[Row]) -> Iterator[Difference]:
    """Compare the rows of a table with those that its events come to.

    Args:
        table: Which.
        events: Those of its topic in a partition, all of them.
        rows: The table's rows of the same symbols.
    """
    expected = rows_of(table, events)
    seen = set()
    for row in rows:
        key = tuple(row[name] for name in table.key)
        name = _name(table, key)
        if key in seen:
            yield Difference("doubled_row", key[0], f"{table.view} has {name} more than once", None, table.view)
        elif key not in expected:
            yield Difference("unknown_row", key[0], f"{table.view} has {name}, of which no event tells", None, table.view)
        else:
            at, figures = expected[key]
            wrong = [column for column, value in figures.items() if not _same(row[column], value)]
            if wrong:
                said = ", ".join(f"{column} is {row[column]!r}, not {figures[column]!r}" for column in wrong)
                yield Difference("wrong_row", key[0], f"{table.view}, {name}: {said}", at, fields=tuple(wrong))
        seen.add(key)
    for key in sorted(expected.keys() - seen):
        at, _ = expected[key]
        yield Difference("missing_row", key[0], f"{table.view} lacks {_name(table, key)}", at)


def _name(table: Derived, key: tuple[Any, ...]) -> str:
    return ", ".join(f"{column} {value}" for column, value in zip(table.key[1:], key[1:], strict=True))


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, float):
        # The engine divides sums that a double may not hold to the last digit.
        return isinstance(found, float) and math.isclose(found, expected, rel_tol=1e-12)
    return bool(found == expected)


def _is_match(line: Any) -> bool:
    return line.kind == "print" and line.anchored and line.price is not None and line.phase not in ("put_through", "odd_lot")


def _candle(prints: list[Any]) -> dict[str, Any]:
    prices = [line.price for line in prints]
    volume = sum(line.volume for line in prints)
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": volume,
        "value": sum(line.value for line in prints),
        "vwap": sum(line.price * line.volume for line in prints) / volume if volume else math.nan,
        "active_buy": sum(line.volume for line in prints if line.side is Side.BUY),
        "active_sell": sum(line.volume for line in prints if line.side is Side.SELL),
        "prints": len(prints),
    }


def _foreign(entries: list[Any]) -> dict[str, Any]:
    sums = {
        (side, name): sum(getattr(entry, name) for entry in entries if entry.side is side)
        for side in (Side.BUY, Side.SELL)
        for name in ("volume", "value")
    }
    return {
        "bought": sums[Side.BUY, "volume"],
        "sold": sums[Side.SELL, "volume"],
        "bought_value": sums[Side.BUY, "value"],
        "sold_value": sums[Side.SELL, "value"],
        "net_value": sums[Side.BUY, "value"] - sums[Side.SELL, "value"],
        "entries": len(entries),
    }


def _index(events: list[Any]) -> dict[str, Any]:
    values = [event.value for event in events]
    return {
        "open": values[0],
        "high": max(values),
        "low": min(values),
        "close": values[-1],
        "volume": max(event.volume for event in events),
        "traded_value": max(event.traded_value for event in events),
    }


def _basis(events: list[Any]) -> dict[str, Any]:
    bases = [event.basis for event in events]
    aliases = [event.alias for event in events if event.alias is not None]
    return {
        "underlying": events[-1].underlying,
        # An event that does not know the alias does not take it away from the minute.
        "alias": aliases[-1] if aliases else None,
        "open": bases[0],
        "high": max(bases),
        "low": min(bases),
        "close": bases[-1],
        "price": events[-1].price,
        "index_value": events[-1].index_value,
    }


def _start(ts_ms: int, minutes: int) -> int:
    # Vietnam's offset to UTC is whole hours: minutes begin there as here.
    return ts_ms // (minutes * _MINUTE_MS) * minutes * _MINUTE_MS


def _any(_event: Any) -> bool:
    return True


DERIVED: Final = (
    Derived(
        "candles_1m",
        MARKET_TRADES,
        ("symbol", "t_ms"),
        _is_match,
        lambda e: (e.symbol, _start(e.ts_ms, 1)),
        _candle,
        has_history=True,
    ),
    Derived(
        "candles_5m",
        MARKET_TRADES,
        ("symbol", "t_ms"),
        _is_match,
        lambda e: (e.symbol, _start(e.ts_ms, 5)),
        _candle,
        has_history=True,
    ),
    Derived("candles_1d", MARKET_TRADES, ("symbol", "day"), _is_match, lambda e: (e.symbol, e.day), _candle, has_history=True),
    Derived("foreign_1m", MARKET_FOREIGN, ("symbol", "t_ms"), _any, lambda e: (e.symbol, _start(e.ts_ms, 1)), _foreign),
    Derived(
        "indices_1m", MARKET_INDICES, ("symbol", "day", "t_ms"), _any, lambda e: (e.symbol, e.day, _start(e.ts_ms, 1)), _index
    ),
    Derived(
        "basis_1m",
        MARKET_BASIS,
        ("symbol", "day", "t_ms"),
        lambda e: not e.stale,
        lambda e: (e.symbol, e.day, _start(e.ts_ms, 1)),
        _basis,
    ),
)
"""Every table of the archive that is made of another one; docs/archive.md describes them."""
MADE_OF: Final[Mapping[str, tuple[Derived, ...]]] = {
    topic.name: tuple(table for table in DERIVED if table.topic is topic)
    for topic in (MARKET_TRADES, MARKET_FOREIGN, MARKET_INDICES, MARKET_BASIS)
}
"""The same by the name of the topic."""
