"""The foreign ledger against the simulator's truth.

For each symbol and side the entries must form a chain: the first begins at 0, each begins where the one before it ends, and the
last reaches the highest counter that was delivered. The ledger of a symbol whose counters a fault altered is compared with what
was put on the sockets instead (:mod:`stock_tracker.verify.core.altered_ledger`).
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.altered_ledger import CounterStep, check_altered, is_exact
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.numbers import NotJudged


class TrueCounters(NamedTuple):
    """What foreigners had bought and sold of a symbol since the open, as one record of the simulator said, in shares and VND."""

    symbol: str
    ts_ms: int
    """The time that its record tells, of one-second steps."""
    bought: int
    sold: int
    bought_value: int
    sold_value: int
    connections: tuple[int, ...]
    """The simulator's numbers of the connections on which its record was put; empty when on none."""

    @property
    def key(self) -> "CounterKey":
        """What its record is known by."""
        return self.symbol, self.bought, self.sold


CounterKey = tuple[str, int, int]
"""Symbol, bought, sold."""


class AlteredCounters(NamedTuple):
    """What a fault made of a record on one connection, in shares."""

    symbol: str
    ts_ms: int
    """The time that the record tells: that of its :class:`TrueCounters`."""
    connection: int
    """The simulator's number of it."""
    bought: int
    sold: int

    @property
    def key(self) -> CounterKey:
        """What the record is known by, as it was sent."""
        return self.symbol, self.bought, self.sold


@dataclass
class LedgerReport:
    """What became of the foreign flow."""

    entries: int = 0
    bought: int = 0
    """Shares, over all symbols."""
    sold: int = 0
    differences: list[Difference] = field(default_factory=list)
    not_judged: list[NotJudged] = field(default_factory=list)
    """Sides whose total the truth only bounds, because a fault lowered their counter; the reference judges them."""

    def add(self, other: "LedgerReport") -> None:
        """Add what is said of other symbols; their differences are left to who has that report."""
        self.entries += other.entries
        self.bought += other.bought
        self.sold += other.sold
        self.not_judged += other.not_judged


def compare_ledger(
    truth: Iterable[TrueCounters],
    delivered: Mapping[str, tuple[int, int]],
    events: Iterable[tuple[EventPosition, LedgerEntry]],
    lost: Container[tuple[int, CounterKey]],
    altered: Iterable[AlteredCounters],
) -> LedgerReport:
    """Compare what foreigners did with what is on ``market.foreign``.

    Args:
        truth: Every step of the counters on the simulated market, in order.
        delivered: By symbol, the highest bought and sold on ``ssi.foreign`` for the day.
        events: All of ``market.foreign``, read committed, in order of each partition.
        lost: The records that were lost with a connection: the simulator's number of it, and what the record is known by.
        altered: What faults made of records.
    """
    report = LedgerReport()
    changed: dict[str, dict[int, list[AlteredCounters]]] = defaultdict(lambda: defaultdict(list))
    for one in altered:
        changed[one.symbol][one.ts_ms].append(one)
    # The last step whose record arrived. One record may say the same as another that was lost: then the other brought it.
    last_sent: dict[str, TrueCounters] = {}
    steps: dict[tuple[str, Side], list[CounterStep]] = defaultdict(list)
    for step in truth:
        others = changed[step.symbol][step.ts_ms] if step.symbol in changed else []
        was_lost = all(
            any((connection, key) in lost for key in [step.key, *(one.key for one in others if one.connection == connection)])
            for connection in step.connections
        )
        if step.symbol in changed:
            for side in (Side.BUY, Side.SELL):
                steps[step.symbol, side].append(_step(step, side, others, is_lost=was_lost))
        elif step.connections and not (was_lost and (step.bought, step.sold) > delivered.get(step.symbol, (0, 0))):
            last_sent[step.symbol] = step

    chains: dict[tuple[str, Side], list[tuple[EventPosition, LedgerEntry]]] = defaultdict(list)
    for position, entry in events:
        report.entries += 1
        if entry.side is Side.BUY:
            report.bought += entry.volume
        else:
            report.sold += entry.volume
        chains[entry.symbol, entry.side].append((position, entry))
        if entry.kind in ("correction", "reset") and entry.symbol not in changed:
            report.differences.append(
                Difference(f"unexpected_{entry.kind}", entry.symbol, "no fault lowered what the simulator counts", position)
            )

    sides = {(symbol, side) for symbol in last_sent for side in (Side.BUY, Side.SELL)}
    for symbol, side in sorted(chains.keys() | sides | steps.keys()):
        chain = chains.get((symbol, side), [])
        if symbol in changed:
            highest = delivered.get(symbol, (0, 0))[side is Side.SELL]
            report.differences += check_altered(symbol, side, chain, steps[symbol, side], highest)
            if not is_exact(steps[symbol, side], highest):
                reason = f"{side}: a fault lowered its counter, so the truth only bounds its total; the reference judges it"
                report.not_judged.append(NotJudged("market.foreign", symbol, reason))
            continue
        said = last_sent.get(symbol)
        if said is None:
            expected, value = 0, 0
        elif side is Side.BUY:
            expected, value = said.bought, said.bought_value
        else:
            expected, value = said.sold, said.sold_value
        report.differences += _check_chain(symbol, side, chain, expected, value)
    return report


def _step(step: TrueCounters, side: Side, altered: Sequence[AlteredCounters], *, is_lost: bool) -> CounterStep:
    is_buy = side is Side.BUY
    true, value = (step.bought, step.bought_value) if is_buy else (step.sold, step.sold_value)
    told = {one.bought if is_buy else one.sold for one in altered}
    if not told or set(step.connections) - {one.connection for one in altered}:
        told.add(true)
    return CounterStep(true, value, frozenset(told), is_put=bool(step.connections), is_lost=is_lost)


def _check_chain(
    symbol: str, side: Side, chain: list[tuple[EventPosition, LedgerEntry]], expected: int, value: int
) -> Iterable[Difference]:
    reached = 0
    for position, entry in chain:
        if entry.counter_from > reached:
            yield Difference("missing_entry", symbol, f"{side}: from {reached} to {entry.counter_from} is in no entry", position)
        elif entry.counter_from < reached:
            yield Difference(
                "doubled_entry", symbol, f"{side}: from {entry.counter_from} to {reached} is in two entries", position
            )
        if entry.volume != entry.counter - entry.counter_from:
            yield Difference(
                "wrong_entry", symbol, f"{side}: {entry.volume} between {entry.counter_from} and {entry.counter}", position
            )
        reached = max(reached, entry.counter)
    last = chain[-1][0] if chain else None
    booked = sum(entry.value for _, entry in chain)
    if reached == expected and booked != value:
        yield Difference("wrong_value", symbol, f"{side}: the ledger holds {booked} VND, the simulator said {value}", last)
    if reached != expected:
        kind = "missing_entry" if reached < expected else "unknown_entry"
        yield Difference(kind, symbol, f"{side}: the ledger reaches {reached}, the simulator said {expected}", last)
