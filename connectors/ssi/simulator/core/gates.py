"""The steps of the protocol that a fault may spoil: which request meets which fault. Pure."""

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from connectors.ssi.simulator.core.fault_log import FaultLog
from connectors.ssi.simulator.core.faults import Entry, OddReply, RequestFault, SeededRandom, Step
from schemas.units import TradingDay, UnixMs

if TYPE_CHECKING:
    from random import Random


class _ByChance(NamedTuple):
    entry: Entry
    fault: RequestFault
    number: int
    rng: "Random"


class Gates:
    """Request faults that are due, each until it has spoilt as many requests as it is to."""

    def __init__(self, by_chance: list[Entry], seed: int, day: TradingDay, seeded: SeededRandom, log: FaultLog) -> None:
        """Begin with the request faults that strike by chance; those with a time are armed when that comes."""
        self._day = day
        self._log = log
        self._armed: dict[Step, deque[tuple[RequestFault, int]]] = {}
        self._by_chance = [
            _ByChance(entry, entry.fault, log.open(entry.fault, entry, UnixMs(0)), seeded(f"{seed} {entry.number} requests"))
            for entry in by_chance
            if isinstance(entry.fault, RequestFault)
        ]

    def arm(self, fault: RequestFault, number: int) -> None:
        """Have ``fault`` spoil the next requests of its step; ``number`` is its place in the log."""
        self._armed.setdefault(_step(fault), deque()).extend([(fault, number)] * fault.count)

    def take(self, step: Step, now_ms: UnixMs) -> RequestFault | None:
        """The fault that the next request of ``step`` meets at market time ``now_ms``; None when it meets none."""
        if armed := self._armed.get(step):
            fault, number = armed.popleft()
            self._log.strike_request(number)
            return fault
        for entry, fault, number, rng in self._by_chance:
            if _step(fault) == step and entry.spans(now_ms, self._day) and rng.random() < entry.probability:
                self._log.strike_request(number)
                return fault
        return None


def _step(fault: RequestFault) -> Step:
    return "subscribe" if isinstance(fault, OddReply) else fault.step
