"""A market day whose records come at rates of one's choice: so many a second for so long, one stretch after the other. Pure.

The records are those of a generated day, in its order. What it says before continuous trading begins is in SSI's cache by then,
and a subscription is answered with the last of it; from 09:15 on each record is due, and stamped, when the rates say. So counters
only rise and totals continue, as they do on the day itself, whatever the rates are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from connectors.ssi.simulator.core.market import MarketDay, MarketSize, SeededRandom, generate
from connectors.ssi.simulator.core.records import Foreign, SimulatedRecord
from schemas.calendar import at
from schemas.units import TradingDay

OPEN: Final = (9, 15)
"""When continuous trading begins, and the rates."""
_SESSIONS: Final = (((9, 15), (11, 30)), ((13, 0), (14, 30)))
"""When the day that the records are taken from trades continuously."""
PERIOD_MS: Final = 1_000
"""How much of the day is made at a time."""


class CounterFell(Exception):
    """A counter of the generated day is lower than before: what follows of it would not be the usual work of a ledger."""


class FeedRate(NamedTuple):
    """A part of a day."""

    seconds: float
    rate: float
    """Records a second."""


@dataclass(frozen=True)
class PacedDay(MarketDay):
    """The records of a generated day at other times."""

    source: MarketDay = field(repr=False, kw_only=True)
    stretches: tuple[FeedRate, ...] = field(kw_only=True)

    @property
    def records_due(self) -> int:
        """How many records the rates ask for."""
        return sum(round(stretch.seconds * stretch.rate) for stretch in self.stretches)

    @property
    def ends_ms(self) -> int:
        """When the last stretch is over, in Unix milliseconds."""
        return at(self.day, *OPEN) + round(sum(stretch.seconds for stretch in self.stretches) * 1_000)

    def periods(self) -> Iterator[list[SimulatedRecord]]:
        """What SSI has in its cache, then the records of one second after the other.

        Raises:
            CounterFell: A foreign counter of the day is lower than before.
        """
        open_ms = at(self.day, *OPEN)
        earlier: list[SimulatedRecord] = []
        later = _trading(self.source, open_ms, earlier)
        # The first record of the trading is asked for only once all before it have been seen.
        first = next(later, None)
        rising = _Rising(at(self.day, 0))
        for record in earlier:
            rising.see(record)
        yield earlier
        if first is None:
            return
        # What is due at the very start is in the cache already.
        dues = self._dues(open_ms + 1)
        waiting: list[SimulatedRecord] = []
        ends_ms = open_ms + PERIOD_MS
        for record, due_ms in zip(_from(first, later), dues, strict=False):
            if due_ms >= ends_ms:
                yield waiting
                waiting, ends_ms = [], due_ms - due_ms % PERIOD_MS + PERIOD_MS
            rising.see(record)
            waiting.append(msgspec.structs.replace(record, due_ms=due_ms, ts_ms=due_ms - due_ms % 1_000))
        yield waiting

    def _dues(self, begins_ms: float) -> Iterator[int]:
        for stretch in self.stretches:
            count = round(stretch.seconds * stretch.rate)
            for number in range(count):
                yield int(begins_ms + number * stretch.seconds * 1_000 / count)
            begins_ms += stretch.seconds * 1_000


class _Rising:
    """Sees to it that the foreign counters of a trading day only rise."""

    def __init__(self, begins_ms: int) -> None:
        self._begins_ms = begins_ms
        self._told: dict[str, tuple[int, int]] = {}

    def see(self, record: SimulatedRecord) -> None:
        if isinstance(record, Foreign) and record.ts_ms >= self._begins_ms:
            bought, sold = self._told.get(record.listing.symbol, (0, 0))
            if record.bought < bought or record.sold < sold:
                raise CounterFell(f"{record.listing.symbol}: {record.bought} after {bought}, {record.sold} after {sold}")
            self._told[record.listing.symbol] = record.bought, record.sold


def paced_day(day: TradingDay, seed: int, seeded: SeededRandom, size: MarketSize, stretches: Sequence[FeedRate]) -> PacedDay:
    """The day of ``seed`` at the rates of ``stretches``; a day of ``size`` has to have so many records while it trades.

    Args:
        day: Its date.
        seed: Which day of many.
        seeded: ``random.Random``.
        size: How much happens in the day that the records are of.
        stretches: The rates, from 09:15 on.
    """
    source = generate(seed, day, seeded, size)
    return PacedDay(day, seed, source.universe, source.stories, size, seeded, source=source, stretches=tuple(stretches))


def first_records(paced: PacedDay, count: int) -> list[SimulatedRecord]:
    """The first ``count`` records of the trading, at their times."""
    periods = paced.periods()
    next(periods)
    return list(islice((record for period in periods for record in period), count))


def cached(paced: PacedDay) -> list[SimulatedRecord]:
    """What SSI has in its cache when the trading begins: of each day up to then all that was said, in its order."""
    return next(paced.periods())


def _trading(source: MarketDay, open_ms: int, earlier: list[SimulatedRecord]) -> Iterator[SimulatedRecord]:
    """The records of continuous trading; those before it are put into ``earlier``."""
    spans = [(at(source.day, *begin), at(source.day, *end)) for begin, end in _SESSIONS]
    for period in source.periods():
        for record in period:
            if record.due_ms < open_ms:
                earlier.append(record)
            elif any(begin <= record.ts_ms and record.due_ms < end for begin, end in spans):
                yield record


def _from(first: SimulatedRecord, others: Iterator[SimulatedRecord]) -> Iterator[SimulatedRecord]:
    yield first
    yield from others
