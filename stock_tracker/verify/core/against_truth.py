"""Some symbols against the simulator's truth: their prints, deals, foreign ledgers and latest values. Pure.

Symbols are compared in any order and in any groups; the reports add up what came of all of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.ssi.core.decode import decode
from connectors.ssi.core.errors import InvalidRecord
from connectors.ssi.simulator.core.records import PUT_THROUGH
from connectors.ssi.simulator.core.truth import AffectedTruth, DealTruth, ForeignTruth, PrintTruth
from schemas.position import Position
from schemas.structs import ForeignRecord, Frame, TradeRecord
from schemas.topics import MARKET_FOREIGN, MARKET_TRADES, STATE_FOREIGN, STATE_INDICES, STATE_PRICES
from stock_tracker.verify.core.boards import LatestRows, NewestRecords, compare_foreign, compare_indices, compare_prices
from stock_tracker.verify.core.deals import DealsReport, compare_deals, sharing
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.ledger import AlteredCounters, LedgerReport, TrueCounters, compare_ledger
from stock_tracker.verify.core.records import LostWithConnection
from stock_tracker.verify.core.tape import PrintKey, TapeReport, TruePrint, compare_tape

Fact = PrintTruth | DealTruth | ForeignTruth | AffectedTruth
"""What the simulator says of one record of a symbol."""
ToldFrame = tuple[Position, Frame, Sequence[int]]
"""Records of a frame, where the frame is, and the places of these records in it."""
Placed = tuple[EventPosition, Any]
"""An event or a row, with its place."""


@dataclass
class DeliveredRecords:
    """What is of some symbols on the ``ssi.*`` topics."""

    prints: dict[PrintKey, EventPosition] = field(default_factory=dict)
    """Each with the first record that told of it."""
    deals: dict[PrintKey, EventPosition] = field(default_factory=dict)
    """Put-through deals, likewise."""
    newest: NewestRecords = field(default_factory=NewestRecords)

    @classmethod
    def of(cls, frames: Iterable[ToldFrame], day: int) -> "DeliveredRecords":
        """The records of a day, those of each partition in order."""
        delivered = cls()
        for at, frame, idxs in frames:
            for idx, record in zip(idxs, frame.records, strict=True):
                if record.trading_day != day:
                    continue
                delivered.newest.see(record)
                if isinstance(record, TradeRecord) and record.volume:
                    key = (record.symbol, record.total_volume, record.volume)
                    told = delivered.deals if record.session == PUT_THROUGH else delivered.prints
                    told.setdefault(key, EventPosition(at, idx))
        return delivered


@dataclass
class TruthComparison:
    """Compares symbols with the truth, and adds up what came of them.

    Attributes:
        day: The trading day.
        lost: What was lost with connections, and may be missing.
    """

    day: int
    lost: LostWithConnection
    tape: TapeReport = field(default_factory=TapeReport)
    deals: DealsReport = field(default_factory=DealsReport)
    ledger: LedgerReport = field(default_factory=LedgerReport)

    def compare(
        self,
        facts: Sequence[Fact],
        frames: Iterable[ToldFrame],
        events: Mapping[str, Sequence[Placed]],
        rows: Mapping[str, LatestRows],
    ) -> list[Difference]:
        """Compare some symbols.

        Args:
            facts: All that the simulator says of them, in order.
            frames: All records of them, those of each partition in order.
            events: All events of them by topic, read committed, in order of each partition.
            rows: By topic of ``state.*``, the rows of them that a reader ends on.
        """
        delivered = DeliveredRecords.of(frames, self.day)
        prints = _true(fact for fact in facts if isinstance(fact, PrintTruth))
        deals = _true(fact for fact in facts if isinstance(fact, DealTruth))
        trades, newest = events[MARKET_TRADES.name], delivered.newest
        tape = compare_tape(prints, delivered.prints, trades, self.lost.prints, sharing(deals, prints))
        booked = compare_deals(deals, delivered.deals, trades, self.lost.deals)
        counters = [_true_counters(fact) for fact in facts if isinstance(fact, ForeignTruth)]
        altered = altered_counters(fact for fact in facts if isinstance(fact, AffectedTruth))
        ledger = compare_ledger(counters, newest.foreign, events[MARKET_FOREIGN.name], self.lost.foreign, altered)
        self.tape.add(tape)
        self.deals.add(booked)
        self.ledger.add(ledger)
        return [
            *tape.differences,
            *booked.differences,
            *ledger.differences,
            *compare_prices(self.day, prints, delivered.prints, newest.books, rows[STATE_PRICES.name]),
            *compare_foreign(self.day, newest.steady_foreign, rows[STATE_FOREIGN.name]),
            *compare_indices(self.day, newest.indices, rows[STATE_INDICES.name]),
        ]


def _true(lines: Iterable[PrintTruth | DealTruth]) -> list[TruePrint]:
    return [
        TruePrint(line.symbol, line.ts_ms, line.due_ms, line.price, line.last_vol, line.total_vol, line.connections)
        for line in lines
    ]


def _true_counters(line: ForeignTruth) -> TrueCounters:
    return TrueCounters(line.symbol, line.ts_ms, line.bought, line.sold, line.bought_value, line.sold_value, line.connections)


def altered_counters(affected: Iterable[AffectedTruth]) -> Iterator[AlteredCounters]:
    """What faults made of the day's foreign records."""
    for line in affected:
        if line.channel == "R" and line.effect == "altered":
            try:
                record = decode(line.argument or "")
            except InvalidRecord:
                # In a captured day: no client could read it either, so nothing is booked of it.
                continue
            if isinstance(record, ForeignRecord):
                yield AlteredCounters(record.symbol, record.ts_ms, line.connection, record.bought, record.sold)
