"""How old a tick was when a client first saw it, or a newer one of its symbol. Pure.

A tick's age counts from when the connector received it. What a client sees of a symbol is its newest row; that says which frame
of records it was folded from, so it shows every tick up to there.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class SeenTick(NamedTuple):
    """A record, as it lies on ``ssi.ticks``."""

    src: int
    """The offset of its frame."""
    recv_us: int
    """When the connector received the frame's first record, in Unix microseconds."""


class ShownRow(NamedTuple):
    """A row of a symbol on ``state.prices``."""

    offset: int
    src: int
    """The offset of the frame that it was folded from."""
    appended_us: int
    """When it was written to Kafka, in Unix microseconds."""


@dataclass
class MarketLog:
    """What was on Kafka while it was measured; symbols by themselves, each in the order of its partition."""

    ticks: dict[str, list[SeenTick]] = field(default_factory=dict)
    rows: dict[str, list[ShownRow]] = field(default_factory=dict)
    partitions: dict[str, int] = field(default_factory=dict)
    """Of ``state.prices``, by symbol."""

    def src_at(self, symbol: str, offset: int) -> int | None:
        """Which frame the newest row of ``symbol`` up to an offset was folded from; None where there is no row."""
        rows = self.rows.get(symbol, [])
        place = bisect_right(rows, offset, key=lambda row: row.offset)
        return rows[place - 1].src if place else None


class RowsSeen(NamedTuple):
    """A message with rows, as a client got it."""

    seen_us: int
    """When, in Unix microseconds."""
    offsets: Mapping[int, int]
    """Up to where ``state.prices`` is in it, by partition: the message's cursor."""
    symbols: Sequence[str]
    """Whose rows it has."""


class TickAge(NamedTuple):
    """A tick that was seen."""

    recv_us: int
    age_us: int


@dataclass
class Ages:
    """Of all ticks that one client was to see."""

    seen: list[TickAge] = field(default_factory=list)
    missing: int = 0
    """Ticks whose rows are on Kafka and that never came: a gap."""

    def millis(self) -> list[float]:
        """The ages in milliseconds, ascending."""
        return sorted(age.age_us / 1_000 for age in self.seen)


def ages_of_client(log: MarketLog, deliveries: Iterable[RowsSeen], since_us: int, until_us: int) -> Ages:
    """The ages of the ticks that were received between two moments, by what one client got of the gateway."""
    reached: dict[str, list[tuple[int, int]]] = {}
    for delivery in deliveries:
        for symbol in delivery.symbols:
            partition = log.partitions.get(symbol)
            offset = None if partition is None else delivery.offsets.get(partition)
            src = None if offset is None else log.src_at(symbol, offset)
            if src is not None:
                reached.setdefault(symbol, []).append((delivery.seen_us, src))
    return ages(log, reached, since_us, until_us)


def ages(log: MarketLog, reached: Mapping[str, Sequence[tuple[int, int]]], since_us: int, until_us: int) -> Ages:
    """The same, by when a client had seen rows of which frame, symbol by symbol and in the order of time."""
    found = Ages()
    for symbol, ticks in log.ticks.items():
        rows = log.rows.get(symbol)
        if not rows:
            # Nothing shows it: the row of a future, which another topic's records make.
            continue
        # A tick that changes nothing has no row: the next one shows it, whenever that comes.
        newest = max((row.src for row in rows if row.appended_us <= until_us), default=-1)
        begin = bisect_left(ticks, since_us, key=lambda tick: tick.recv_us)
        waiting = [tick for tick in ticks[begin:] if tick.recv_us <= until_us and tick.src <= newest]
        place = 0
        for seen_us, src in reached.get(symbol, ()):
            while place < len(waiting) and waiting[place].src <= src:
                tick = waiting[place]
                # A snapshot may have shown it before it was subscribed.
                found.seen.append(TickAge(tick.recv_us, max(seen_us - tick.recv_us, 0)))
                place += 1
        found.missing += len(waiting) - place
    return found


def quantile(ascending: Sequence[float], part: float) -> float:
    """The value that ``part`` of them do not exceed, the nearest; of none it is an error.

    Raises:
        ValueError: There are none: nothing was measured.
    """
    if not ascending:
        raise ValueError("nothing was seen, so there is no age")
    return ascending[min(int(part * len(ascending)), len(ascending) - 1)]
