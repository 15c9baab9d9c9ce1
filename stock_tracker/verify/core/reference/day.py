"""What the feeds said of a day, sorted by symbol: the ground that the reference stands on."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.position import Position
from schemas.structs import (
    ClockTick,
    ForeignRecord,
    Frame,
    IndexRecord,
    ProfileRecord,
    QuoteRecord,
    ReferenceRecord,
    SnapshotRecord,
    TradeRecord,
)
from schemas.topics import SSI_FOREIGN
from stock_tracker.verify.core.reference.seconds import ForeignSeconds

Heard = tuple[str, QuoteRecord | SnapshotRecord]
"""A book, and the feed that told it."""


class ToldBy(NamedTuple):
    """How much had been told of a symbol when a second of the market's clock ended, in the order of its partition."""

    second_ms: int
    trades: int
    snapshots: int


@dataclass
class ToldDay:
    """The newest trading day in some records, in the order in which each topic's partition has them."""

    day: int = 0
    until_ms: int = 0
    """The last second of market time, by topic and partition the earliest."""
    feeds: set[str] = field(default_factory=set)
    trades: dict[str, list[TradeRecord]] = field(default_factory=lambda: defaultdict(list))
    snapshots: dict[str, list[SnapshotRecord]] = field(default_factory=lambda: defaultdict(list))
    books: dict[str, list[Heard]] = field(default_factory=lambda: defaultdict(list))
    foreign: dict[str, list[ForeignRecord]] = field(default_factory=lambda: defaultdict(list))
    foreign_seconds: ForeignSeconds = field(default_factory=ForeignSeconds)
    indices: dict[str, list[IndexRecord]] = field(default_factory=lambda: defaultdict(list))
    index_feeds: dict[str, dict[str, list[IndexRecord]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    """The same by symbol and feed: only what the leading feed says of an index counts, and records do not tell which leads."""
    references: dict[str, ReferenceRecord] = field(default_factory=dict)
    profiles: dict[str, list[ProfileRecord]] = field(default_factory=lambda: defaultdict(list))
    """What each symbol usually trades; each profile once."""
    seconds: dict[str, list[ToldBy]] = field(default_factory=lambda: defaultdict(list))
    """By symbol, each second of the market's clock that ended after something was told of it."""
    earlier_indices: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Values of earlier days, which stand in for an index until it is live."""

    def limits(self, symbol: str) -> tuple[int, int]:
        """The floor and the ceiling of a symbol as told last; 1 and a price beyond all markets where nobody said them."""
        said = (record for record in reversed(self.trades.get(symbol, ())) if record.floor and record.ceiling)
        last = next(said, None)
        return (last.floor, last.ceiling) if last is not None else (1, 10**12)

    def waiting(self, symbol: str) -> list[TradeRecord]:
        """The trade records of a symbol that no second of the market's clock has followed yet."""
        by = self.seconds.get(symbol)
        return self.trades.get(symbol, [])[by[-1].trades if by else 0 :]

    def traded_ms(self, symbol: str) -> int | None:
        """The second of the market's clock by which it was first told that a symbol was traded; None if it was not by the end."""
        place = next((place for place, record in enumerate(self.trades.get(symbol, ())) if record.total_volume), None)
        if place is None:
            return None
        return next((by.second_ms for by in self.seconds[symbol] if by.trades > place), None)

    def until(self, symbol: str, second_ms: int) -> "ToldDay":
        """The day of one symbol as it had been told when a second of the market's clock ended."""
        by = [told for told in self.seconds[symbol] if told.second_ms <= second_ms]
        trades, snapshots = (by[-1].trades, by[-1].snapshots) if by else (0, 0)
        so_far = ToldDay(day=self.day, until_ms=second_ms, feeds=self.feeds)
        so_far.trades[symbol] = self.trades[symbol][:trades]
        so_far.snapshots[symbol] = self.snapshots[symbol][:snapshots]
        return so_far


def gather(records: Iterable[tuple[Position, Frame]]) -> ToldDay:
    """Sort the records of the newest day in ``records``; of earlier days only the values of indices are kept."""
    frames = list(records)
    told = ToldDay(day=max((record.trading_day for _, frame in frames for record in frame.records
                            if isinstance(record, ClockTick)), default=0))  # fmt: skip
    reached: dict[tuple[str, int], int] = {}
    touched: dict[tuple[str, int], set[str]] = defaultdict(set)
    for at, frame in frames:
        told.feeds.add(frame.feed)
        for record in frame.records:
            if isinstance(record, IndexRecord) and record.trading_day < told.day:
                told.earlier_indices[record.symbol].add(record.value)
            if record.trading_day != told.day:
                continue
            if at.topic == SSI_FOREIGN.name:
                told.foreign_seconds.take(record)
            if isinstance(record, ClockTick):
                place = at.topic, at.partition
                if record.ts_ms > reached.get(place, 0):
                    reached[place] = record.ts_ms
                    for symbol in touched.pop(place, ()):
                        by = ToldBy(record.ts_ms, len(told.trades[symbol]), len(told.snapshots[symbol]))
                        told.seconds[symbol].append(by)
            else:
                _take(told, frame.feed, record)
                if isinstance(record, TradeRecord | SnapshotRecord):
                    touched[at.topic, at.partition].add(record.symbol)
    told.until_ms = min(reached.values(), default=0)
    return told


def _take(told: ToldDay, feed: str, record: object) -> None:
    if isinstance(record, TradeRecord):
        told.trades[record.symbol].append(record)
    elif isinstance(record, QuoteRecord):
        told.books[record.symbol].append((feed, record))
    elif isinstance(record, SnapshotRecord):
        told.snapshots[record.symbol].append(record)
        told.books[record.symbol].append((feed, record))
    elif isinstance(record, ForeignRecord):
        told.foreign[record.symbol].append(record)
    elif isinstance(record, IndexRecord):
        told.indices[record.symbol].append(record)
        told.index_feeds[record.symbol][feed].append(record)
    elif isinstance(record, ReferenceRecord):
        told.references[record.symbol] = record
    elif isinstance(record, ProfileRecord):
        known = told.profiles[record.symbol]
        if not any((record.days, record.volumes) == (other.days, other.volumes) for other in known):
            known.append(record)
