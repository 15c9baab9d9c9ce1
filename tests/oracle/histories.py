"""Days of one symbol that really happened, and what two bad connections make of them. The generator knows the truth.

A history is made from a seed: what the exchange said (:class:`Match` on the tape, :class:`Count` of foreign investors), whether
each of it was true, and what came of it over the wire, in the order in which it arrived (:class:`Heard`). Between the records
stand the clock ticks and connections of each feed. Nothing here knows of pipelines: numbers, seconds of the morning, text.

What may go wrong is a list of traits (:data:`TRAITS`), so that one kind of trouble can be looked at alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Generic, Literal, NamedTuple, TypeVar

TROUBLES = ("restart", "correction", "glitch", "spike")
"""What the exchange's counter does: begins again at 0, is taken back a little, is told too low once, is told too high once."""
TRAITS = (
    *TROUBLES, "put_through_own", "put_through_shared", "exchange", "two_feeds", "lag", "reorder", "repeats", "drops",
    "reconnects", "outages", "spike_from_nothing",
)  # fmt: skip
"""All that a history may have. The two wires of put-through deals exclude one another; ``spike_from_nothing`` says whether a
counter may be told too high before anything was counted, when no price of the day is known either."""

PRICE, FLOOR, CEILING = 60_000, 55_800, 64_200
"""VND: the reference of the day and its limits on HOSE."""
FIRST_S = 9 * 3600 + 20 * 60
"""The first second at which something may happen: 09:20:00, seconds since midnight in Vietnam."""

Kind = Literal["print", "told", "glitch", "spike", "put_through"]
"""``told``: a true total without a match of its own. ``glitch`` and ``spike`` are false."""


@dataclass(frozen=True, slots=True)
class Match:
    """A record of the tape as the exchange said it."""

    kind: Kind
    second: int
    """Since midnight."""
    generation: int
    """How often the counter had truly begun again by then."""
    stretch: int
    """How often it had truly fallen by then, for whatever reason."""
    total: int
    volume: int
    price: int
    value: int
    """Of the day so far, VND."""
    exchange: str = "HOSE"

    @property
    def is_true(self) -> bool:
        """Whether the total was what had been traded."""
        return self.kind not in ("glitch", "spike")


@dataclass(frozen=True, slots=True)
class Count:
    """A record of foreign investors as the exchange said it: bought, sold and their values, each with its own troubles."""

    second: int
    counters: tuple[int, int]
    values: tuple[int, int]
    generations: tuple[int, int]
    stretches: tuple[int, int]
    false: tuple[bool, bool]
    """Whether a side's counter was wrong."""
    exchange: str = "HOSE"


class Counted(NamedTuple):
    """What a record truly said of one counter."""

    second: int
    total: int
    generation: int
    stretch: int
    is_true: bool
    arrived: int
    """Its place in the order of first arrivals."""


S = TypeVar("S", Match, Count)


@dataclass(frozen=True, slots=True)
class Heard(Generic[S]):
    """What one connection brought: a record, or a clock tick where ``said`` is None."""

    at_ms: int
    """When it arrived, milliseconds since midnight."""
    feed: str
    epoch: int
    said: S | None
    is_up: bool = True
    """Of a clock tick: the health of its feed."""
    loses: bool = False
    """Whether a frame of this connection was lost just before."""


@dataclass(frozen=True, slots=True)
class History(Generic[S]):
    """A day, as it was said and as it was heard."""

    seed: int
    traits: frozenset[str]
    said: tuple[S, ...]
    heard: tuple[Heard[S], ...]
    """In order of arrival."""
    moved_from: str | None
    """The exchange that a previous day's record at the start names, if there is one."""

    @property
    def told(self) -> list[S]:
        """The records that arrived, in that order, repeats included."""
        return [heard.said for heard in self.heard if heard.said is not None]

    @property
    def delivered(self) -> tuple[tuple[int, S], ...]:
        """What arrived at least once, in the order in which it was said, with its place in the order of first arrivals."""
        arrived: dict[int, int] = {}
        for heard in self.heard:
            arrived.setdefault(id(heard.said), len(arrived))
        return tuple((arrived[id(said)], said) for said in self.said if id(said) in arrived)


def a_tape(seed: int, without: Iterable[str] = ()) -> History[Match]:
    """The matches of a symbol; ``without`` leaves traits out."""
    random = Random(seed)
    traits = _traits(random, without)
    said = _Tape(random, traits).play()
    return _delivered(seed, random, traits, _moving(random, traits, said))


def a_flow(seed: int, without: Iterable[str] = ()) -> History[Count]:
    """The counters of foreign investors in a symbol; ``without`` leaves traits out."""
    random = Random(seed)
    traits = _traits(random, without)
    said = _flow(random, traits)
    return _delivered(seed, random, traits, _moving(random, traits, said))


def _traits(random: Random, without: Iterable[str]) -> frozenset[str]:
    """Some of the traits; every draw is made, so that leaving some out leaves the others as they are."""
    chosen = {trait for trait in TRAITS if random.random() < (0.25 if trait in TROUBLES else 0.45)}
    chosen.add("spike_from_nothing")
    if "put_through_own" in chosen:
        chosen.discard("put_through_shared")
    return frozenset(chosen - set(without))


def _pauses(random: Random, steps: int) -> list[int]:
    return [random.choice((0, 0, 0, 1, 1, 2, 3, 5, 20)) for _ in range(steps)]


def _planned(random: Random, traits: frozenset[str], steps: int) -> dict[int, str]:
    """At which steps the counter gets into which trouble: one to three times a day, never at the very beginning or end.

    Something true is said in between: two wrong totals in a row would confirm one another.
    """
    able = [trouble for trouble in TROUBLES if trouble in traits]
    if not able:
        return {}
    places = random.sample(range(1, (steps - 2) // 2), k=min(random.choice((1, 1, 2, 3)), (steps - 2) // 2 - 1))
    return {2 * place: random.choice(able) for place in places}


def _least_pause(trouble: str | None, before: str | None) -> int:
    """Seconds before a step: a counter that falls and grows within one second nobody could put in order."""
    return int(trouble is not None or before in ("glitch", "spike"))


class _Counter:
    """A counter of the exchange while its day is played."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.total = 0
        self.value = 0
        self.generation = 0
        self.stretch = 0

    def grow(self, volume: int, price: int) -> None:
        self.total += volume
        self.value += volume * price

    def restart(self) -> None:
        self.total = self.value = 0
        self.generation += 1
        self.stretch += 1

    def take_back(self, price: int) -> None:
        volume = self.total * self.random.randint(1, 8) // 100
        if volume:
            self.total -= volume
            self.value -= volume * price
            self.stretch += 1

    def too_low(self) -> int:
        return self.total * self.random.choice((0, 1, 5, 30, 45, 70, 93, 97)) // 100

    def too_high(self) -> int:
        return self.total * 1_000 + 9_000_000 + self.random.randint(0, 999_999)


def _trouble(traits: frozenset[str], planned: str | None, counter: _Counter) -> str | None:
    """What becomes of the trouble that was planned for a step."""
    is_possible = planned != "spike" or counter.total or "spike_from_nothing" in traits
    return planned if is_possible else None


class _Tape:
    """The exchange, while it plays the matches of a symbol."""

    def __init__(self, random: Random, traits: frozenset[str]) -> None:
        self._random = random
        self._traits = traits
        self._counter = _Counter(random)
        self._deals = _Counter(random)
        self._second = FIRST_S
        self._price = PRICE
        self._said: list[Match] = []

    def play(self) -> list[Match]:
        random = self._random
        steps = random.randint(8, 28)
        planned = _planned(random, self._traits, steps)
        for step, pause in enumerate(_pauses(random, steps)):
            trouble = _trouble(self._traits, planned.get(step), self._counter)
            self._second += max(pause, _least_pause(trouble, planned.get(step - 1)))
            if trouble is not None:
                self._get_into(trouble)
            else:
                self._trade()
        return self._said

    def _trade(self) -> None:
        random = self._random
        wire = next((trait for trait in self._traits if trait.startswith("put_through")), None)
        if wire is not None and random.random() < 0.15:
            counter = self._deals if wire == "put_through_own" else self._counter
            price = random.choice((FLOOR, self._price, CEILING))
            volume = random.choice((2_300, 51_000, 520_000))
            counter.grow(volume, price)
            self._say("put_through", counter.total, volume, price, counter.value)
            return
        self._price = min(max(self._price + 100 * random.randint(-3, 3), FLOOR), CEILING)
        if random.random() < 0.1:
            self._counter.grow(random.randint(1, 50), self._price)  # SSI dropped the match itself
        volume = random.choice((1, 10, 100, 100, 500, 2_000))
        self._counter.grow(volume, self._price)
        self._say("print", self._counter.total, volume, self._price, self._counter.value)

    def _get_into(self, trouble: str) -> None:
        counter, last = self._counter, self._said[-1] if self._said else None
        volume = last.volume if last is not None and last.kind == "print" else 100
        if trouble == "glitch" and counter.total:
            self._say("glitch", counter.too_low(), self._random.choice((0, volume)), self._price, counter.value)
        elif trouble == "spike":
            self._say("spike", counter.too_high(), volume, self._price, counter.value)
        else:
            if trouble == "restart":
                counter.restart()
            elif trouble == "correction":
                counter.take_back(self._price)
            if self._random.random() < 0.4:
                self._say("told", counter.total, 0, self._price, counter.value)
            else:
                self._trade()

    def _say(self, kind: Kind, total: int, volume: int, price: int, value: int) -> None:
        counter = self._counter
        self._said.append(Match(kind, self._second, counter.generation, counter.stretch, total, volume, price, value))


def _flow(random: Random, traits: frozenset[str]) -> list[Count]:
    steps = random.randint(8, 28)
    plans = [_planned(random, traits, steps) for _ in range(2)]
    counters = [_Counter(random), _Counter(random)]
    second, said = FIRST_S, list[Count]()
    for step, pause in enumerate(_pauses(random, steps)):
        second += max(pause, *(_least_pause(plan.get(step), plan.get(step - 1)) for plan in plans))
        shown: list[tuple[int, bool]] = []
        for plan, counter in zip(plans, counters, strict=True):
            trouble = _trouble(traits, plan.get(step), counter)
            if trouble == "restart":
                counter.restart()
            elif trouble == "correction":
                counter.take_back(PRICE)
            if trouble in (None, "restart", "correction") and random.random() < 0.7:
                counter.grow(random.choice((1, 10, 100, 1_000, 20_000)), random.choice((59_000, PRICE, 61_000)))
            told = {"glitch": counter.too_low, "spike": counter.too_high}.get(trouble or "", lambda now=counter.total: now)()
            shown.append((told, told != counter.total))
        (bought, bought_false), (sold, sold_false) = shown
        one, other = counters
        said.append(
            Count(
                second, (bought, sold), (one.value, other.value), (one.generation, other.generation),
                (one.stretch, other.stretch), (bought_false, sold_false),
            )
        )  # fmt: skip
    return said


def _moving(random: Random, traits: frozenset[str], said: list[S]) -> list[S]:
    """``said`` of a symbol that changed its exchange in the middle of the day, or over night."""
    if "exchange" not in traits or random.random() < 0.5:
        return said
    place = random.randint(1, len(said) - 1)
    second = said[place].second
    return [replace(record, exchange="HNX") if record.second < second else record for record in said]


# -- what can be known


def is_tellable(counted: Sequence[Counted]) -> bool:
    """Whether what was delivered of a counter shows each of its troubles for what it was, by the rules of design §5.

    An outage may hide a restart until the new count has passed the old, and a wrong total may be the last that was heard.

    Args:
        counted: What was delivered of it at least once, in the order in which it was said.
    """
    seconds: dict[int, list[Counted]] = {}
    for one in counted:
        seconds.setdefault(one.second, []).append(one)
    groups = list(seconds.values())
    mark = stretch = generation = 0
    for group, following in zip(groups, [*groups, []][1:], strict=True):
        first, then = group[0], max((one.total for one in following), default=None)
        is_decided = then is not None and all(one.is_true for one in following)
        if not all(one.is_true for one in group):
            passes_for_growth = mark <= first.total < mark + 1_000_000
            if passes_for_growth or not is_decided or then is None or not mark <= then < max(first.total, mark + 1_000_000):
                return False
            continue
        if first.stretch != stretch:
            is_restart = first.generation == generation + 1
            totals = [one.total * 100 for one in group]
            fits = max(totals) < 50 * mark if is_restart else 90 * mark <= min(totals) and max(totals) < 100 * mark
            if first.stretch != stretch + 1 or not fits or not is_decided or then is None or then >= mark:
                return False
            if any(one.stretch != first.stretch for one in (*group, *following)):
                return False
            if min(one.arrived for one in group) > min(one.arrived for one in following):
                return False
            mark, stretch, generation = 0, first.stretch, first.generation
        mark = max(mark, *(one.total for one in group))
    return True


# -- the wire


@dataclass(slots=True)
class _Wire:
    """A feed's day: when it was connected, and as which connection."""

    epochs: list[tuple[int, int | None]]
    """Milliseconds at which each connection was made and ended; None if it never did."""

    def epoch_at(self, at_ms: int) -> int | None:
        """The connection that was open; None when there was none."""
        for number, (made_ms, ended_ms) in enumerate(self.epochs, 1):
            if made_ms <= at_ms and (ended_ms is None or at_ms < ended_ms):
                return number
        return None


def _wire(random: Random, traits: frozenset[str], first_ms: int, last_ms: int) -> _Wire:
    cuts: list[tuple[int, int]] = []
    if "reconnects" in traits:
        cuts += [(at, at) for at in random.sample(range(first_ms, last_ms + 1), k=random.randint(0, 2))]
    if "outages" in traits:
        begun = random.randint(first_ms, last_ms)
        cuts.append((begun, begun + random.choice((2_000, 8_000, 40_000))))
    made, epochs = 0, list[tuple[int, int | None]]()
    for down, up in sorted(cuts):
        if down <= made:
            continue
        epochs.append((made, down))
        made = up
    return _Wire([*epochs, (made, None)])


def _delivered(seed: int, random: Random, traits: frozenset[str], said: Sequence[S]) -> History[S]:
    first_ms, last_ms = said[0].second * 1000, said[-1].second * 1000 + 1
    heard: list[Heard[S]] = []
    for feed in ("a", "b") if "two_feeds" in traits else ("a",):
        wire = _wire(random, traits, first_ms, last_ms)
        heard += _arrivals(random, traits, feed, wire, said)
        heard += _ticks(random, feed, wire, first_ms, last_ms)
    heard.sort(key=lambda one: one.at_ms)
    moved_from = "UPCOM" if "exchange" in traits and said[0].exchange == "HOSE" else None
    return History(seed, traits, tuple(said), tuple(heard), moved_from)


def _arrivals(random: Random, traits: frozenset[str], feed: str, wire: _Wire, said: Sequence[S]) -> list[Heard[S]]:
    lag = random.randint(0, 3_000) if "lag" in traits else 0
    is_late: Callable[[], int] = (lambda: random.choice((0, 0, 0, 400, 1_200, 2_500))) if "reorder" in traits else (lambda: 0)
    heard: list[Heard[S]] = []
    loses = False
    for place, record in enumerate(said):
        copies = 1 + ("repeats" in traits and random.random() < 0.2) - ("drops" in traits and random.random() < 0.15)
        loses |= copies == 0 and random.random() < 0.5
        for _ in range(max(copies, 0)):
            # A thousandth apart for each, so that the feed's own order is that of its records unless it reorders them.
            at_ms = record.second * 1000 + place + lag + is_late()
            epoch = wire.epoch_at(at_ms)
            if epoch is not None:
                heard.append(Heard(at_ms, feed, epoch, record, loses=loses))
                loses = False
    for number, (made_ms, _) in enumerate(wire.epochs[1:], 2):
        known = [record for record in said if record.second * 1000 + lag < made_ms]
        if known and random.random() < 0.7:
            heard.append(Heard(made_ms, feed, number, known[-min(random.randint(1, 3), len(known))]))
    return heard


def _ticks(random: Random, feed: str, wire: _Wire, first_ms: int, last_ms: int) -> list[Heard[S]]:
    step_ms, says_down = random.choice((1_000, 3_000, 5_000, 5_000)), random.random() < 0.5
    ticks: list[Heard[S]] = []
    for at_ms in range(first_ms - 2_000, last_ms + 8_000, step_ms):
        epoch = wire.epoch_at(at_ms)
        if epoch is not None:
            ticks.append(Heard(at_ms, feed, epoch, None))
        elif says_down:
            before = max(number for number, (made_ms, _) in enumerate(wire.epochs, 1) if made_ms <= at_ms)
            ticks.append(Heard(at_ms, feed, before, None, is_up=False))
    return ticks
