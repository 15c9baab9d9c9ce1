"""The foreign ledger against the simulator's truth.

For each symbol and side the entries must form a chain: the first begins at 0, each begins where the one before it ends, and the
last reaches the highest counter that was delivered.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference, EventPosition


class TrueCounters(NamedTuple):
    """What foreigners had bought and sold of a symbol since the open, as one record of the simulator said, in shares and VND."""

    symbol: str
    due_ms: int
    """The market time at which its record was sent, or would have been if it was withheld."""
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


@dataclass
class LedgerReport:
    """What became of the foreign flow."""

    entries: int = 0
    bought: int = 0
    """Shares, over all symbols."""
    sold: int = 0
    differences: list[Difference] = field(default_factory=list)


def compare_ledger(
    truth: Iterable[TrueCounters],
    delivered: Mapping[str, tuple[int, int]],
    events: Iterable[tuple[EventPosition, LedgerEntry]],
    lost: Container[tuple[int, CounterKey]],
) -> LedgerReport:
    """Compare what foreigners did with what is on ``market.foreign``.

    Args:
        truth: Every step of the counters on the simulated market, in order.
        delivered: By symbol, the highest bought and sold on ``ssi.foreign`` for the day.
        events: All of ``market.foreign``, read committed, in order of each partition.
        lost: The records that were lost with a connection: the simulator's number of it, and what the record is known by.
    """
    report = LedgerReport()
    # The last step whose record arrived. One record may say the same as another that was lost: then the other brought it.
    last_sent: dict[str, TrueCounters] = {}
    for step in truth:
        was_lost = all((connection, step.key) in lost for connection in step.connections)
        if step.connections and not (was_lost and (step.bought, step.sold) > delivered.get(step.symbol, (0, 0))):
            last_sent[step.symbol] = step

    chains: dict[tuple[str, Side], list[tuple[EventPosition, LedgerEntry]]] = defaultdict(list)
    for position, entry in events:
        report.entries += 1
        chains[entry.symbol, entry.side].append((position, entry))
        if entry.kind in ("correction", "reset"):
            report.differences.append(
                Difference(f"unexpected_{entry.kind}", entry.symbol, "the simulator's counters never fall", position)
            )

    for symbol, side in sorted(chains.keys() | {(s, side) for s in last_sent for side in (Side.BUY, Side.SELL)}):
        chain = chains.get((symbol, side), [])
        said = last_sent.get(symbol)
        if said is None:
            expected, value = 0, 0
        elif side is Side.BUY:
            expected, value = said.bought, said.bought_value
        else:
            expected, value = said.sold, said.sold_value
        total = sum(entry.volume for _, entry in chain)
        if side is Side.BUY:
            report.bought += total
        else:
            report.sold += total
        report.differences += _check_chain(symbol, side, chain, expected, value)
    return report


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
