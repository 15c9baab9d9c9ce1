"""The latest values against the truth: the rows that the gateway shows say what the delivered records said last.

The rows of ``state.*`` are read as the gateway reads them: uncommitted, and of each symbol the one with the greatest (day, src).
Rows that an aborted transaction left behind are read too; none of them may be the one that is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.structs import FlowRow, ForeignRecord, IndexRecord, QuoteRecord
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.tape import PrintKey, TruePrint

LatestRows = Mapping[str, tuple[EventPosition, Any]]
"""By symbol or scope, the row that a reader of a ``state.*`` topic ends on, and its position."""


class Book(NamedTuple):
    """The newest order book that was delivered: price and volume of each level in turn, best first."""

    ts_ms: int
    bids: list[int]
    asks: list[int]


@dataclass
class NewestRecords:
    """The newest record of each symbol on the ``ssi.*`` topics, of the kinds that the simulator's truth only counts."""

    books: dict[str, Book] = field(default_factory=dict)
    indices: dict[str, IndexRecord] = field(default_factory=dict)
    foreign: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The highest bought and sold of the day, in shares, by symbol."""
    fallen: set[str] = field(default_factory=set)
    """Symbols of which a newer record said less: SSI's counters may begin again, or be corrected."""
    _foreign_ms: dict[str, int] = field(default_factory=dict)

    @property
    def steady_foreign(self) -> dict[str, tuple[int, int]]:
        """Of :attr:`foreign` those that never fell: of the others the reference for the numbers says what the day comes to."""
        return {symbol: counters for symbol, counters in self.foreign.items() if symbol not in self.fallen}

    def see(self, record: object) -> None:
        """Take note of a record of the day. Call it in the order of each partition."""
        if isinstance(record, QuoteRecord):
            if record.symbol not in self.books or record.ts_ms >= self.books[record.symbol].ts_ms:
                self.books[record.symbol] = Book(record.ts_ms, record.bids, record.asks)
        elif isinstance(record, IndexRecord):
            known = self.indices.get(record.symbol)
            if known is None or (record.ts_ms, record.volume) >= (known.ts_ms, known.volume):
                self.indices[record.symbol] = record
        elif isinstance(record, ForeignRecord):
            bought, sold = self.foreign.get(record.symbol, (0, 0))
            newest_ms = self._foreign_ms.get(record.symbol, 0)
            if record.ts_ms > newest_ms and (record.bought < bought or record.sold < sold):
                self.fallen.add(record.symbol)
            self._foreign_ms[record.symbol] = max(newest_ms, record.ts_ms)
            self.foreign[record.symbol] = (max(bought, record.bought), max(sold, record.sold))


def latest(rows: Iterable[tuple[EventPosition, Any]]) -> dict[str, tuple[EventPosition, Any]]:
    """By symbol or scope, the row that a reader ends on: the first with the greatest (day, src)."""
    kept: dict[str, tuple[EventPosition, Any]] = {}
    for position, row in rows:
        key = row.scope if isinstance(row, FlowRow) else row.symbol
        known = kept.get(key)
        if known is None or (row.day, row.src) > (known[1].day, known[1].src):
            kept[key] = (position, row)
    return kept


def compare_prices(
    day: int, truth: Iterable[TruePrint], delivered: Mapping[PrintKey, object], books: Mapping[str, Book], rows: LatestRows
) -> Iterator[Difference]:
    """Compare the rows of ``state.prices`` with the prints whose record was delivered, and with the newest book.

    Args:
        day: The trading day.
        truth: Every print that the simulator made, in order of each symbol.
        delivered: The prints whose record is on an ``ssi.*`` topic.
        books: By symbol, the newest order book there.
        rows: Of ``state.prices``.
    """
    prints: dict[str, list[TruePrint]] = {}
    for true in truth:
        if true.key in delivered:
            prints.setdefault(true.symbol, []).append(true)
    for symbol in sorted(prints.keys() | books.keys()):
        expected: dict[str, object] = {"day": day}
        if symbol in prints:
            last = max(prints[symbol], key=lambda true: true.total_volume)
            expected |= {
                "last": last.price,
                "last_volume": last.last_volume,
                "total_volume": last.total_volume,
                "prints": len(prints[symbol]),
                "missed_volume": last.total_volume - sum(true.last_volume for true in prints[symbol]),
            }
        if symbol in books:
            expected |= {"bids": books[symbol].bids, "asks": books[symbol].asks}
        yield from _compare("state.prices", symbol, expected, rows)


def compare_foreign(day: int, counters: Mapping[str, tuple[int, int]], rows: LatestRows) -> Iterator[Difference]:
    """Compare foreign rows with the highest counters that were delivered, in shares."""
    for symbol, (bought, sold) in sorted(counters.items()):
        expected = {"day": day, "bought": bought, "sold": sold, "net_volume": bought - sold}
        yield from _compare("state.foreign", symbol, expected, rows)


def compare_indices(day: int, newest: Mapping[str, IndexRecord], rows: LatestRows) -> Iterator[Difference]:
    """Compare index rows with the newest record of each index."""
    breadth = ("advances", "no_changes", "declines", "ceilings", "floors")
    for symbol, record in sorted(newest.items()):
        expected: dict[str, object] = {"day": day, "prior_value": record.prior_value or None}
        expected |= {name: getattr(record, name) for name in ("value", "volume", "traded_value")}
        # Zeros alone are how SSI says that it does not count the members.
        counts = [getattr(record, name) for name in breadth]
        expected |= dict(zip(breadth, counts, strict=True)) if any(counts) else dict.fromkeys(breadth)
        yield from _compare("state.indices", symbol, expected, rows)


def _compare(topic: str, symbol: str, expected: Mapping[str, object], rows: LatestRows) -> Iterator[Difference]:
    if symbol not in rows:
        yield Difference("missing_state", symbol, f"{topic} has no row of it", None, topic)
        return
    position, row = rows[symbol]
    wrong = {name: found for name, value in expected.items() if (found := getattr(row, name)) != value}
    if wrong:
        detail = ", ".join(f"{name} is {found}, not {expected[name]}" for name, found in wrong.items())
        yield Difference("wrong_state", symbol, detail, position, fields=tuple(wrong))
