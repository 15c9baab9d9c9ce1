"""The tape against the simulator's truth: a print whose record reached Kafka is booked once, every other share is in a gap.

A print is an interval of its symbol's counter, from the total volume before it to the total volume after it. One of four things
became of each print of the truth:

- *booked*: its record is on an ``ssi.*`` topic, so ``market.trades`` must have it, once, with all its shares;
- *withheld*: the simulator never put its record on a connection, as SSI's feed drops records too;
- *lost with its connection*: the comparison of records found that it was lost there, on each connection on which it was put, and
  excused that (:mod:`stock_tracker.verify.core.records`);
- none of these: we have lost it, and that is a difference.

Shares that were withheld or lost must be in gaps, as far as they lie below the symbol's highest total: a gap shows only when
a later record arrives.

Where a symbol's put-through deals have one total with its prints, a deal is a hole between two of them. One that was never sent
has to be in a gap; another may be, as long as the pipelines have not learnt that the total is shared.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.instruments import contract_of
from schemas.structs import TradeEvent
from schemas.units import FUTURES_MULTIPLIER_VND, POINT
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.intervals import Interval, size, subtract, union


class TruePrint(NamedTuple):
    """A match that the simulator made."""

    symbol: str
    ts_ms: int
    due_ms: int
    """The market time at which its record was sent, or would have been if it was withheld."""
    price: int
    """The price of the match, in the unit of :class:`schemas.units.Price`."""
    last_volume: int
    total_volume: int
    connections: tuple[int, ...]
    """The simulator's numbers of the connections on which its record was put, in a snapshot or alone; empty when on none."""

    @property
    def key(self) -> "PrintKey":
        """What tells it from every other print of the day."""
        return self.symbol, self.total_volume, self.last_volume

    @property
    def interval(self) -> Interval:
        """Its shares, as the part of the symbol's counter that it moved."""
        return self.total_volume - self.last_volume, self.total_volume


PrintKey = tuple[str, int, int]
"""Symbol, total volume, last volume."""


Lost = Container[tuple[int, PrintKey]]
"""Records that were lost with a connection: the simulator's number of it, and what tells the print."""


@dataclass
class TapeReport:
    """What became of the prints."""

    sent: int = 0
    """Prints whose record was put on at least one connection."""
    booked: int = 0
    withheld: int = 0
    lost: int = 0
    """Prints whose record was lost with its connection."""
    gaps: int = 0
    """Gap events."""
    fills: int = 0
    """Fill events: late prints that fell into a gap."""
    missed_volume: int = 0
    """Shares in gaps that no late print filled."""
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: "TapeReport") -> None:
        """Add the figures of other symbols; their differences are left to who has that report."""
        for name in ("sent", "booked", "withheld", "lost", "gaps", "fills", "missed_volume"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def compare_tape(
    truth: Iterable[TruePrint],
    delivered: Mapping[PrintKey, EventPosition],
    events: Iterable[tuple[EventPosition, TradeEvent]],
    lost: Lost,
    shared: Mapping[str, Sequence[TruePrint]],
) -> TapeReport:
    """Compare what happened with what is on ``market.trades``.

    Args:
        truth: Every print that the simulator made, in order.
        delivered: The prints whose record is on an ``ssi.*`` topic, each with the first that told of it.
        events: All of ``market.trades``, read committed, in order of each partition.
        lost: The prints whose record was lost with a connection.
        shared: By symbol the put-through deals that are counted in one total with its prints.
    """
    report = TapeReport()
    prints: dict[PrintKey, list[tuple[EventPosition, TradeEvent]]] = defaultdict(list)
    gaps: dict[str, list[Interval]] = defaultdict(list)
    fills: dict[str, list[Interval]] = defaultdict(list)
    filled_by_deals: dict[str, list[Interval]] = defaultdict(list)
    tops: dict[str, int] = defaultdict(int)
    for position, event in events:
        if event.kind == "status":
            continue
        if event.phase == "put_through":
            # No part of the counted volume, but a deal can be what a gap was.
            if event.kind == "fill":
                filled_by_deals[event.symbol].append((event.start, event.total_volume))
            continue
        tops[event.symbol] = max(tops[event.symbol], event.total_volume)
        if event.kind == "print" and event.anchored:
            prints[event.symbol, event.total_volume, event.last_volume or 0].append((position, event))
        elif event.kind == "gap":
            report.gaps += 1
            gaps[event.symbol].append((event.start, event.total_volume))
        elif event.kind == "fill":
            report.fills += 1
            fills[event.symbol].append((event.start, event.total_volume))
        else:
            report.differences.append(
                Difference(
                    f"unexpected_{event.kind}", event.symbol, f"{event.volume} shares that the simulator never made", position
                )
            )

    by_symbol: dict[str, list[TruePrint]] = defaultdict(list)
    for true in truth:
        by_symbol[true.symbol].append(true)
    for symbol, trues in by_symbol.items():
        _compare_symbol(report, trues, delivered, prints, lost)
        deals = shared.get(symbol, ())
        missing = [true.interval for true in trues if true.key not in prints]
        missing += [deal.interval for deal in deals if not deal.connections]
        below_top = union((start, min(end, tops[symbol])) for start, end in missing)
        in_gaps = subtract(gaps[symbol], [*fills[symbol], *filled_by_deals[symbol]])
        report.missed_volume += size(in_gaps)
        report.differences += _compare_gaps(symbol, below_top, in_gaps, [deal.interval for deal in deals])
        report.differences += _compare_repeated("gap", symbol, gaps[symbol])
        report.differences += _compare_repeated("fill", symbol, [*fills[symbol], *filled_by_deals[symbol]])

    known = {true.key for trues in by_symbol.values() for true in trues}
    for key, found in prints.items():
        if key not in known:
            report.differences.append(
                Difference(
                    "unknown_print", key[0], f"total {key[1]}, volume {key[2]}: the simulator made no such print", found[0][0]
                )
            )
    return report


def _compare_symbol(
    report: TapeReport,
    trues: Sequence[TruePrint],
    delivered: Mapping[PrintKey, EventPosition],
    prints: Mapping[PrintKey, Sequence[tuple[EventPosition, TradeEvent]]],
    lost: Lost,
) -> None:
    for true in trues:
        what = f"total {true.total_volume}, volume {true.last_volume}, price {true.price}"
        found = prints.get(true.key, ())
        report.sent += bool(true.connections)
        if found:
            report.booked += 1
            report.differences += check_print(true, found)
        elif true.key in delivered:
            report.differences.append(
                Difference("missing_print", true.symbol, f"{what}: received, not booked", delivered[true.key])
            )
        elif not true.connections:
            report.withheld += 1
        elif all((connection, true.key) in lost for connection in true.connections):
            report.lost += 1
        else:
            report.differences.append(Difference("missing_print", true.symbol, f"{what}: sent, never reached Kafka", None))


def check_print(true: TruePrint, found: Sequence[tuple[EventPosition, TradeEvent]]) -> Iterable[Difference]:
    """How the events of a print or a deal differ from what the simulator made; the first of them is taken for the right one."""
    for position, _ in found[1:]:
        yield Difference("doubled_print", true.symbol, f"total {true.total_volume} is booked {len(found)} times", position)
    position, event = found[0]
    if (event.price, event.volume, event.ts_ms) != (true.price, true.last_volume, true.ts_ms):
        yield Difference(
            "wrong_print",
            true.symbol,
            f"total {true.total_volume}: made at {true.ts_ms} as {true.last_volume} × {true.price},"
            f" booked at {event.ts_ms} as {event.volume} × {event.price}",
            position,
        )
        return
    value = true.price * true.last_volume * (FUTURES_MULTIPLIER_VND // POINT if contract_of(true.symbol) else 1)
    if (event.start, event.value) != (true.interval[0], value):
        yield Difference(
            "wrong_print",
            true.symbol,
            f"total {true.total_volume}: begins at {true.interval[0]} and is worth {value} VND,"
            f" booked from {event.start} as {event.value} VND",
            position,
        )


def _compare_repeated(kind: str, symbol: str, intervals: Sequence[Interval]) -> Iterable[Difference]:
    """No share is in two gaps, or in two fills."""
    if (twice := sum(end - start for start, end in intervals) - size(union(intervals))) > 0:
        yield Difference(f"doubled_{kind}", symbol, f"{twice} shares are in more than one {kind}", None)


def _compare_gaps(symbol: str, missing: list[Interval], in_gaps: list[Interval], deals: list[Interval]) -> Iterable[Difference]:
    for start, end in subtract(missing, in_gaps):
        yield Difference("missing_gap", symbol, f"({start}, {end}] was not booked and is in no gap", None)
    for start, end in subtract(in_gaps, [*missing, *deals]):
        yield Difference("wrong_gap", symbol, f"({start}, {end}] is in a gap although it was booked", None)
