"""Put-through deals against the simulator's truth: a deal whose record reached Kafka is booked once, as a line of its own."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from schemas.structs import TradeEvent
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.tape import Lost, PrintKey, TruePrint, check_print


@dataclass
class DealsReport:
    """What became of the deals."""

    sent: int = 0
    """Deals whose record was put on at least one connection."""
    booked: int = 0
    withheld: int = 0
    lost: int = 0
    """Deals whose record was lost with its connection."""
    differences: list[Difference] = field(default_factory=list)

    def add(self, other: "DealsReport") -> None:
        """Add the figures of other symbols; their differences are left to who has that report."""
        for name in ("sent", "booked", "withheld", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def compare_deals(
    truth: Iterable[TruePrint],
    delivered: Mapping[PrintKey, EventPosition],
    events: Iterable[tuple[EventPosition, TradeEvent]],
    lost: Lost,
) -> DealsReport:
    """Compare the deals that the simulator made with those on ``market.trades``.

    Args:
        truth: Every deal of which the feed has a record, in order.
        delivered: The deals whose record is on an ``ssi.*`` topic, each with the first that told of it.
        events: All of ``market.trades``, read committed, in order of each partition.
        lost: The deals whose record was lost with a connection.
    """
    report = DealsReport()
    booked: dict[PrintKey, list[tuple[EventPosition, TradeEvent]]] = defaultdict(list)
    for position, event in events:
        if event.kind == "print" and event.phase == "put_through":
            booked[event.symbol, event.total_volume, event.last_volume or 0].append((position, event))
    known = set[PrintKey]()
    for deal in truth:
        known.add(deal.key)
        what = f"total {deal.total_volume}, volume {deal.last_volume}, price {deal.price}"
        report.sent += bool(deal.connections)
        if found := booked.get(deal.key):
            report.booked += 1
            report.differences += (_of_deal(difference) for difference in check_print(deal, found))
        elif deal.key in delivered:
            said = f"{what}: received, not booked"
            report.differences.append(Difference("missing_deal", deal.symbol, said, delivered[deal.key]))
        elif not deal.connections:
            report.withheld += 1
        elif all((connection, deal.key) in lost for connection in deal.connections):
            report.lost += 1
        else:
            report.differences.append(Difference("missing_deal", deal.symbol, f"{what}: sent, never reached Kafka", None))
    for key, found in booked.items():
        if key not in known:
            said = f"total {key[1]}, volume {key[2]}: the simulator made no such deal"
            report.differences.append(Difference("unknown_deal", key[0], said, found[0][0]))
    return report


def sharing(deals: Iterable[TruePrint], prints: Iterable[TruePrint]) -> dict[str, list[TruePrint]]:
    """By symbol the deals that are counted in one total with its prints: where no deal has a share of the counter with a print.

    A counter of deals alone begins at 0, as that of the prints does, so that their intervals meet.
    """
    by_symbol: dict[str, list[TruePrint]] = defaultdict(list)
    for deal in deals:
        by_symbol[deal.symbol].append(deal)
    beside: dict[str, list[TruePrint]] = defaultdict(list)
    for true in prints:
        if true.symbol in by_symbol:
            beside[true.symbol].append(true)
    return {symbol: told for symbol, told in by_symbol.items() if not _meet(told, beside[symbol])}


def _meet(deals: Sequence[TruePrint], prints: Sequence[TruePrint]) -> bool:
    """Whether a share of the counter is in a deal and in a print."""
    intervals = sorted(true.interval for true in [*deals, *prints])
    return any(start < before for (_, before), (start, _) in pairwise(intervals))


def _of_deal(difference: Difference) -> Difference:
    return Difference(difference.kind.replace("_print", "_deal"), difference.symbol, difference.detail, difference.position)
