"""What a shard keeps of a symbol, as a trace looks at it: its counters, and the records that wait for a verdict.

The folds decide; a book only looks at their state, before and after each record.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from pipelines.core.codec import State
from pipelines.core.foreign_shard import totals_of
from pipelines.core.price_shard import symbol_day_of
from pipelines.core.tape import identity
from schemas.structs import ForeignRecord, LedgerEntry, TradeEvent, TradeRecord
from schemas.units import Side
from stock_tracker.explain.core.step import Standing, TraceStep

Identity = tuple[Any, ...]
"""What a fold knows a waiting record again by."""


class Held(NamedTuple):
    """Why a record waits for a verdict."""

    rule: str
    """``suspect``, or ``held`` behind one."""
    text: str


class TracedBook(Protocol):
    """How to look at one kind of state."""

    def standing(self, state: State, symbol: str) -> Standing:
        """The counters of a symbol."""

    def held(self, state: State, symbol: str) -> dict[Identity, Held]:
        """The records that wait, in the order in which they will be looked at."""

    def identities(self, record: Any) -> list[Identity]:
        """What a record would be known again by; nothing for one that can never wait."""

    def owner(self, event: Any, candidates: Sequence[TraceStep]) -> TraceStep | None:
        """Of which of the records an event tells; None where that is the record that was just folded."""

    def concerns(self, identity: Identity, event: Any) -> bool:
        """Whether an event of a waiting record is about what waited."""


class TapeBook:
    """The tape of a stock or a future."""

    def standing(self, state: State, symbol: str) -> Standing:
        """Generation, top and total of the counter, volume that is missing, and the last price."""
        day = symbol_day_of(state, symbol)
        if day is None:
            return {}
        tape = day.tape
        return {
            "day": day.day,
            "generation": tape.count.generation,
            "top": tape.count.top,
            "total": tape.total,
            "missed": tape.missed,
            "last": day.last,
            "waiting": len(tape.waiting),
            "mark": tape.count.mark,
        }

    def held(self, state: State, symbol: str) -> dict[Identity, Held]:
        """The suspect, and what waits behind it."""
        day = symbol_day_of(state, symbol)
        found: dict[Identity, Held] = {}
        for received in () if day is None else day.tape.waiting:
            total = received.record.total_volume
            if found:
                held = Held("held", "a suspect waits, and this one cannot be told apart from it: it waits behind it")
            elif received.waits_for == "fall":
                held = Held(
                    "suspect", f"its total {total:,} is below the top {received.top:,} at a newer time: it waits for a verdict"
                )
            else:
                text = f"its total {total:,} rose beyond belief above the top {received.top:,}: it waits for a verdict"
                held = Held("suspect", text)
            found[identity(received.record)] = held
        return found

    def identities(self, record: Any) -> list[Identity]:
        """That of a trade; other records never wait."""
        return [identity(record)] if isinstance(record, TradeRecord) else []

    def owner(self, event: Any, candidates: Sequence[TraceStep]) -> TraceStep | None:
        """The trade that a line of the tape tells of. A line has the time of its record, and one of the figures of it."""
        if not isinstance(event, TradeEvent):
            return None
        trades = [step for step in candidates if isinstance(step.record, TradeRecord) and step.record.ts_ms == event.ts_ms]
        for step in trades:
            record = step.record
            start = record.total_volume - record.volume
            ends = {"gap": start, "correction": start, "print": record.total_volume}
            if event.kind in ends and event.total_volume == ends[event.kind]:
                return step
            if event.kind == "fill" and start <= event.start and event.total_volume <= record.total_volume:
                return step
        if event.kind == "reset" and trades:
            return min(trades, key=lambda step: int(step.record.total_volume))
        return None

    def concerns(self, identity: Identity, event: Any) -> bool:
        """Always: a record waits with its one total."""
        return True


class LedgerBook:
    """The two counters of foreigners."""

    def standing(self, state: State, symbol: str) -> Standing:
        """The day's totals, and what waits."""
        totals = totals_of(state, symbol)
        if totals is None:
            return {}
        return {
            "day": totals.day,
            "bought": totals.buy.volume,
            "sold": totals.sell.volume,
            "bought_value": totals.buy.total_value,
            "sold_value": totals.sell.total_value,
            "buy_generation": totals.buy.generation,
            "sell_generation": totals.sell.generation,
            "room": totals.room,
            "waiting": len(totals.buy.held) + len(totals.sell.held),
            "mark": min(totals.buy.mark, totals.sell.mark),
        }

    def held(self, state: State, symbol: str) -> dict[Identity, Held]:
        """The readings that contradict a count, each side for itself."""
        totals = totals_of(state, symbol)
        found: dict[Identity, Held] = {}
        if totals is None:
            return found
        for side, name in ((totals.buy, Side.BUY), (totals.sell, Side.SELL)):
            for place, reading in enumerate(side.held):
                if place:
                    held = Held("held", f"{name.value}: a suspect waits for a verdict, and this one came after it")
                elif reading.counter < side.counter:
                    text = f"{name.value}: {reading.counter:,} is below {side.counter:,} at a newer time: it waits for a verdict"
                    held = Held("suspect", text)
                else:
                    text = f"{name.value}: {reading.counter:,} rose beyond belief above {side.counter:,}: it waits for a verdict"
                    held = Held("suspect", text)
                found[name, reading.ts_ms, reading.counter] = held
        return found

    def identities(self, record: Any) -> list[Identity]:
        """One for each side."""
        if not isinstance(record, ForeignRecord):
            return []
        return [(Side.BUY, record.ts_ms, record.bought), (Side.SELL, record.ts_ms, record.sold)]

    def owner(self, event: Any, candidates: Sequence[TraceStep]) -> TraceStep | None:
        """The record that an entry tells of: the one with its time and its counter."""
        if not isinstance(event, LedgerEntry):
            return None
        told = event.side, event.ts_ms, event.counter
        return next((step for step in candidates if told in self.identities(step.record)), None)

    def concerns(self, identity: Identity, event: Any) -> bool:
        """Whether it is of the side that waited."""
        return isinstance(event, LedgerEntry) and event.side == identity[0]
