"""The tape against the truth: every print that reached Kafka booked once, every share that did not is in a gap.

Per symbol the truth knows each print as an interval of its counter. A print takes one of four ways:

- *booked*: its record is on an ``ssi.*`` topic, and so it must be a print on ``market.trades``, once, whole;
- *withheld*: the simulator never put it on a connection;
- *in flight*: it was put on a connection right before that ended, after everything of that symbol that the client saved;
- anything else is a loss of ours, and a difference.

What is withheld or in flight and lies below the symbol's highest total must be in gaps, share for share.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.instruments import contract_of
from schemas.structs import TradeEvent
from schemas.units import FUTURES_MULTIPLIER_VND, POINT
from stock_tracker.verify.core.differences import Difference, Position
from stock_tracker.verify.core.intervals import Interval, size, subtract, union


class TruePrint(NamedTuple):
    """A match that the simulator made."""

    symbol: str
    ts_ms: int
    due_ms: int
    """When its record was sent, or would have been: market time."""
    price: int
    """In the unit of :class:`schemas.units.Price`."""
    last_volume: int
    total_volume: int
    connections: tuple[int, ...]
    """On which connections its record was put, snapshots included; empty when on none."""

    @property
    def key(self) -> "PrintKey":
        """Its identity."""
        return self.symbol, self.total_volume, self.last_volume

    @property
    def interval(self) -> Interval:
        """The shares of its symbol's counter that it is."""
        return self.total_volume - self.last_volume, self.total_volume


PrintKey = tuple[str, int, int]
"""Symbol, total volume, last volume."""


class Saved(NamedTuple):
    """The first record on an ``ssi.*`` topic that told of a print."""

    position: Position
    epoch: int
    """Of the connection that brought it, by the connector's count."""


class Span(NamedTuple):
    """When a connection that has ended got records, in market time."""

    subscribed_ms: int
    closed_ms: int


@dataclass(frozen=True)
class Ended:
    """The connections that have ended, and what each can have taken with it."""

    spans: Mapping[int, Span]
    """By connection."""
    grace_ms: int
    """How long a record can be on its way from the socket to Kafka, in market time."""

    def could_take(self, connection: int, due_ms: int) -> bool:
        """Whether a record that was due at ``due_ms`` can have been lost with ``connection``."""
        span = self.spans.get(connection)
        if span is None:
            return False
        # What was due before the subscription came with its snapshot.
        return max(due_ms, span.subscribed_ms) >= span.closed_ms - self.grace_ms


@dataclass
class TapeReport:
    """What became of the prints."""

    sent: int = 0
    booked: int = 0
    withheld: int = 0
    in_flight: int = 0
    gaps: int = 0
    """Gap events."""
    fills: int = 0
    missed_volume: int = 0
    """Shares in gaps that no late print filled."""
    differences: list[Difference] = field(default_factory=list)


def compare_tape(
    truth: Iterable[TruePrint],
    delivered: Mapping[PrintKey, Saved],
    events: Iterable[tuple[Position, TradeEvent]],
    ended: Ended,
) -> TapeReport:
    """Compare what happened with what is on ``market.trades``.

    Args:
        truth: Every print that the simulator made, in order.
        delivered: The prints whose record is on an ``ssi.*`` topic.
        events: All of ``market.trades``, read committed, in order of each partition.
        ended: Connections that have ended.
    """
    report = TapeReport()
    prints: dict[PrintKey, list[tuple[Position, TradeEvent]]] = defaultdict(list)
    gaps: dict[str, list[Interval]] = defaultdict(list)
    fills: dict[str, list[Interval]] = defaultdict(list)
    tops: dict[str, int] = defaultdict(int)
    for position, event in events:
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
    carriers = _carriers((true for trues in by_symbol.values() for true in trues), delivered)
    for symbol, trues in by_symbol.items():
        _compare_symbol(report, trues, delivered, carriers, prints, ended)
        missing = [true.interval for true in trues if true.key not in prints]
        below_top = [(start, min(end, tops[symbol])) for start, end in missing]
        noticed = subtract(gaps[symbol], fills[symbol])
        report.missed_volume += size(noticed)
        report.differences += _compare_gaps(symbol, union(below_top), noticed)
        report.differences += _compare_told("gap", symbol, gaps[symbol])
        report.differences += _compare_told("fill", symbol, fills[symbol])

    known = {true.key for trues in by_symbol.values() for true in trues}
    for key, found in prints.items():
        if key not in known:
            report.differences.append(
                Difference(
                    "unknown_print", key[0], f"total {key[1]}, volume {key[2]}: the simulator made no such print", found[0][0]
                )
            )
    return report


def _carriers(truth: Iterable[TruePrint], delivered: Mapping[PrintKey, Saved]) -> dict[int, int]:
    """The simulator's number of each epoch's connection, as prints tell that were put on one connection only."""
    return {
        delivered[true.key].epoch: true.connections[0] for true in truth if len(true.connections) == 1 and true.key in delivered
    }


def _compare_symbol(
    report: TapeReport,
    trues: Sequence[TruePrint],
    delivered: Mapping[PrintKey, Saved],
    carriers: Mapping[int, int],
    prints: Mapping[PrintKey, Sequence[tuple[Position, TradeEvent]]],
    ended: Ended,
) -> None:
    # What a snapshot repeats was put on two connections, and the first may have taken it with it: only the epoch tells.
    last_saved: dict[int, int] = {}
    for index, true in enumerate(trues):
        saved = delivered.get(true.key)
        if saved is not None and saved.epoch in carriers:
            last_saved[carriers[saved.epoch]] = index
    for index, true in enumerate(trues):
        what = f"total {true.total_volume}, volume {true.last_volume}, price {true.price}"
        found = prints.get(true.key, ())
        report.sent += bool(true.connections)
        if found:
            report.booked += 1
            report.differences += _check_print(true, found)
        elif true.key in delivered:
            report.differences.append(
                Difference("missing_print", true.symbol, f"{what}: received, not booked", delivered[true.key].position)
            )
        elif not true.connections:
            report.withheld += 1
        elif all(index > last_saved.get(c, -1) and ended.could_take(c, true.due_ms) for c in true.connections):
            report.in_flight += 1
        else:
            report.differences.append(Difference("missing_print", true.symbol, f"{what}: sent, never reached Kafka", None))


def _check_print(true: TruePrint, found: Sequence[tuple[Position, TradeEvent]]) -> Iterable[Difference]:
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


def _compare_told(kind: str, symbol: str, told: Sequence[Interval]) -> Iterable[Difference]:
    """Each share is missed, or found again, once."""
    if (twice := sum(end - start for start, end in told) - size(union(told))) > 0:
        yield Difference(f"doubled_{kind}", symbol, f"{twice} shares are in more than one {kind}", None)


def _compare_gaps(symbol: str, missing: list[Interval], noticed: list[Interval]) -> Iterable[Difference]:
    for start, end in subtract(missing, noticed):
        yield Difference("missing_gap", symbol, f"({start}, {end}] was not booked and is in no gap", None)
    for start, end in subtract(noticed, missing):
        yield Difference("wrong_gap", symbol, f"({start}, {end}] is in a gap although it was booked", None)
