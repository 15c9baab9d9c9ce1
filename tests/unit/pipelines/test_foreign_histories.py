"""Days that really happened, with restarts, corrections and mistakes of the feed, as two feeds bring them that lag and lose.

What the ledger comes to is what anybody would say who saw all that was delivered, in the order in which it happened:
:func:`ideal`, which shares no code with the ledger.
"""

from collections import Counter
from random import Random
from typing import NamedTuple

import pytest

from pipelines.core.feeds import Feeds
from pipelines.core.foreign import TOTALS, Arrival, ForeignTotals, advance, settle
from pipelines.core.suspects import Thresholds
from schemas.calendar import at
from schemas.structs import LedgerEntry
from schemas.units import Exchange, Side, UnixMs
from tests.builders import DAY, a_foreign
from tests.proof import usually

OPEN_MS = at(DAY, 9)
PRICE = 25_000
APART_S = 4


class Told(NamedTuple):
    """What SSI said in a second: a counter of shares bought, and its value."""

    second: int
    counter: int
    value: int


class Delivery(NamedTuple):
    """How a feed brought it."""

    arrives: float
    feed: str
    epoch: int
    told: Told


def a_day(rng: Random) -> list[Told]:
    """What SSI says of one symbol's day, and its mistakes.

    A fall or a mistake stands apart by more than any feed lags: what it was shows before the next one happens.
    """
    day: list[Told] = []
    second, counter = 0, rng.randrange(2_000, 20_000)
    for _ in range(rng.randrange(5, 40)):
        chance = rng.random() if day else 1.0
        if chance < 0.18:
            second += APART_S
            if chance < 0.06:
                # The counter begins at 0 again.
                counter = rng.randrange(100, 110 + counter // 20)
            elif chance < 0.12:
                counter -= rng.randrange(0, counter // 12 + 1)
            else:
                # A mistake: too low, or far too high at the value that it should have had.
                wrong = rng.choice([counter // 30, counter * 50 + 1_000_000])
                day.append(Told(second, wrong, counter * PRICE))
                second += APART_S
        else:
            second += rng.choice([0, 1, 1, 2, 5, 30, 400])
            counter += rng.randrange(0, counter // 8 + 3)
        day.append(Told(second, counter, counter * PRICE))
        if chance < 0.18:
            second += APART_S
    return day


def deliveries(day: list[Told], rng: Random) -> list[Delivery]:
    """What arrives of the day, in the order in which it does. Feed b lags; either loses some, and connects anew at times."""
    arriving = []
    for feed, lag in (("a", 0.0), ("b", rng.choice([0.0, 0.5, 1.5, 3.0]))):
        epoch, away, losing = 1, 0, rng.choice([0.0, 0.1, 0.4])
        for n, told in enumerate(day):
            if away:
                away -= 1
                if not away:
                    epoch += 1
                    # What SSI has cached may be what it said a while ago.
                    arriving.append(Delivery(told.second + lag, feed, epoch, day[max(n - rng.randrange(0, 4), 0)]))
                continue
            if n and rng.random() < 0.04:
                away = rng.randrange(1, 6)
            if n == 0 or rng.random() >= losing:
                arriving.append(Delivery(told.second + lag, feed, epoch, told))
                if rng.random() < 0.1:
                    arriving.append(Delivery(told.second + lag, feed, epoch, told))
    return sorted(arriving, key=lambda delivery: delivery.arrives)


def ideal(delivered: set[Told], thresholds: Thresholds) -> int:
    """What the day comes to, for somebody who knows all that was delivered."""
    earlier = mark = value = 0
    row = sorted(delivered)

    def is_odd(told: Told) -> bool:
        far_above = told.counter * thresholds.reset_percent > mark * 100 and mark > 0
        return far_above and told.value - value < (told.counter - mark) * PRICE * 60 // 140

    def confirmed(told: Told) -> bool:
        after = next((other for other in row if other.second > told.second), None)
        return after is not None and after.counter >= told.counter

    for n, told in enumerate(row):
        later = [other for other in row[n:] if other.second > told.second]
        if told.counter >= mark:
            if is_odd(told) and not confirmed(told):
                continue
        else:
            decider = next((other for other in later if not is_odd(other) or confirmed(other)), None)
            is_small = (mark - told.counter) * 100 <= mark * thresholds.correction_percent
            if decider is None and not is_small:
                continue
            if decider is not None and decider.counter >= mark:
                continue
            if not is_small and told.counter * 100 < mark * thresholds.reset_percent:
                earlier += mark
        mark, value = told.counter, told.value
    return earlier + mark


class Ledger:
    """The ledger of one symbol, and the feeds that bring its records."""

    def __init__(self) -> None:
        self.totals = ForeignTotals(symbol="SSI", exchange=Exchange.HOSE, day=DAY)
        self.feeds = Feeds(day=DAY)
        self.seen: Counter[tuple[str, int]] = Counter()
        self.booked = self.value = 0
        self.chains: dict[int, int] = {0: 0}

    def take(self, delivery: Delivery) -> None:
        connection = delivery.feed, delivery.epoch
        self.feeds.arrive(*connection, self.seen[connection])
        self.seen[connection] += 1
        _, counter, value = delivery.told
        ts_ms = UnixMs(OPEN_MS + delivery.told.second * 1000)
        record = a_foreign(
            "SSI", ts_ms, bought=counter, bought_value=value, sold=0, sold_value=0, current_room=10**9 - counter, total_room=0
        )
        now_ms = UnixMs(OPEN_MS + int(delivery.arrives * 1000))
        arrival = Arrival(*connection, self.feeds.mark, self.feeds.covered_since, UnixMs(0), UnixMs(OPEN_MS), now_ms)
        self._book(advance(self.totals, record, arrival, Thresholds()).entries)

    def settle(self) -> None:
        self._book(settle(self.totals, Thresholds()).entries)

    def store(self) -> None:
        self.totals = TOTALS.decode(TOTALS.encode(self.totals))

    def _book(self, entries: tuple[LedgerEntry, ...]) -> None:
        for entry in entries:
            assert entry.side is Side.BUY
            if entry.kind == "reset":
                assert entry.generation == max(self.chains) + 1
            assert entry.counter_from == self.chains.setdefault(entry.generation, 0)
            self.chains[entry.generation] = entry.counter
            self.booked += entry.volume
            self.value += entry.value


@pytest.mark.parametrize("block", range(usually(4, proving=200)))
def test_the_ledger_comes_to_what_was_delivered(block: int) -> None:
    for seed in range(block * 100, block * 100 + 100):
        rng = Random(seed)
        day = a_day(rng)
        arriving = deliveries(day, rng)
        ledger = Ledger()
        for delivery in arriving:
            if rng.random() < 0.2:
                ledger.store()
            ledger.take(delivery)
        ledger.settle()
        assert ledger.booked == ledger.totals.buy.volume, seed
        assert ledger.value == ledger.totals.buy.total_value, seed
        assert ledger.booked == ideal({delivery.told for delivery in arriving}, Thresholds()), seed
