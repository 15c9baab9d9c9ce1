"""The foreign ledger against the truth: per symbol and side the lines form a chain from 0 to the last counter delivered."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference, Position
from stock_tracker.verify.core.tape import Ended


class TrueCounters(NamedTuple):
    """What foreigners had bought and sold of a symbol when the simulator said so."""

    symbol: str
    due_ms: int
    """When it was sent, or would have been: market time."""
    bought: int
    sold: int
    bought_value: int
    sold_value: int
    connections: tuple[int, ...]
    """On which connections it was put; empty when on none."""


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
    events: Iterable[tuple[Position, LedgerEntry]],
    ended: Ended,
) -> LedgerReport:
    """Compare what foreigners did with what is on ``market.foreign``.

    Args:
        truth: Every step that the simulator made, in order.
        delivered: By symbol, the highest bought and sold on ``ssi.foreign`` for the day.
        events: All of ``market.foreign``, read committed, in order of each partition.
        ended: Connections that have ended.
    """
    report = LedgerReport()
    last_sent: dict[str, TrueCounters] = {}
    for step in truth:
        if step.connections and not (
            all(ended.could_take(c, step.due_ms) for c in step.connections)
            and (step.bought, step.sold) > delivered.get(step.symbol, (0, 0))
        ):
            last_sent[step.symbol] = step

    chains: dict[tuple[str, Side], list[tuple[Position, LedgerEntry]]] = defaultdict(list)
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
    symbol: str, side: Side, chain: list[tuple[Position, LedgerEntry]], expected: int, value: int
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
