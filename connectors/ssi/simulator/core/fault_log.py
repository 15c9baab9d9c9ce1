"""The books of the faults: which struck when, and what each did to which record on which connection. Pure.

They are kept small, because a fault may withhold a hundred thousand records: numbers in arrays, and text only where it was
changed, and compressed.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from connectors.ssi.simulator.core.faults import Entry, Fault, name_of
from connectors.ssi.simulator.core.garble import argument_of
from connectors.ssi.simulator.core.kept_texts import KeptTexts
from connectors.ssi.simulator.core.logbook import FaultAffected, FaultConnected, FaultEntry, FaultOpened, FaultRequested
from connectors.ssi.simulator.core.places import BASE, KINDS, channel_of
from connectors.ssi.simulator.core.truth import AffectedTruth, Effect, FaultTruth
from schemas.units import Symbol, UnixMs

EFFECTS: tuple[Effect, ...] = ("withheld", "garbled", "repeated", "late", "altered", "stale")
_NUMBERS = 6
"""Numbers that are kept of an affected record."""


class _Struck:
    """One fault that struck, or may."""

    def __init__(self, fault: str, entry: int, ms: UnixMs) -> None:
        self.fault = fault
        self.entry = entry
        self.ms = ms
        self.connections: list[int] = []
        self.requests = 0
        self.records: Counter[Effect] = Counter()


class FaultLog:
    """What the faults of a day did."""

    def __init__(self, symbols: Sequence[Symbol]) -> None:
        """Nothing has happened yet; ``symbols`` are those of the day, in the order of their numbers."""
        self._symbols = symbols
        self._struck: list[_Struck] = []
        self._affected = array("q")
        """For each record that a fault did something to: fault, connection, key, place, due time, effect."""
        self._written = KeptTexts()
        """The invocation that was sent instead, by the number of the affected record."""
        self.note: Callable[[FaultEntry], None] = lambda entry: None
        """Told of everything that happens from now on."""

    def restore(self, entries: Iterable[FaultEntry]) -> None:
        """Take over what :attr:`note` was told in an earlier run; call it before anything happens in this one."""
        for entry in entries:
            match entry:
                case FaultOpened(name, number, ms):
                    self._struck.append(_Struck(name, number, ms))
                case FaultConnected(fault, connection):
                    self.strike_connection(fault, connection)
                case FaultRequested(fault):
                    self.strike_request(fault)
                case FaultAffected(fault, connection, key, place, due_ms, effect, written):
                    self.affect(fault, connection, key, place, due_ms, effect, written)

    def open(self, fault: Fault, entry: Entry | None, ms: UnixMs) -> int:
        """Note that ``fault`` strikes at market time ``ms``, or may from then on; returns its number, from 1."""
        opened = FaultOpened(name_of(fault), entry.number if entry else 0, ms)
        self._struck.append(_Struck(opened.name, opened.entry, ms))
        self.note(opened)
        return len(self._struck)

    def strike_connection(self, number: int, connection: int) -> None:
        """Note that fault ``number`` struck a connection."""
        connections = self._struck[number - 1].connections
        if connection not in connections:
            connections.append(connection)
            self.note(FaultConnected(number, connection))

    def strike_request(self, number: int) -> None:
        """Note that fault ``number`` spoilt a request."""
        self._struck[number - 1].requests += 1
        self.note(FaultRequested(number))

    def affect(
        self, number: int, connection: int, key: int, place: int, due_ms: int, effect: Effect, written: str | None = None
    ) -> None:
        """Note what fault ``number`` did to a record on a connection; ``written`` is the invocation that was sent instead."""
        struck = self._struck[number - 1]
        struck.records[effect] += 1
        if written is not None:
            self._written[self.affected] = written
        self._affected.extend((number, connection, key, place & BASE, due_ms, EFFECTS.index(effect)))
        self.strike_connection(number, connection)
        self.note(FaultAffected(number, connection, key, place, due_ms, effect, written))

    def name(self, number: int) -> str:
        """What fault ``number`` is called."""
        return self._struck[number - 1].fault

    @property
    def faults(self) -> int:
        """How many faults there are."""
        return len(self._struck)

    @property
    def affected(self) -> int:
        """How many records a fault did something to; one on two connections counts twice."""
        return len(self._affected) // _NUMBERS

    def fault_lines(self, count: int) -> Iterator[FaultTruth]:
        """One line for each of the first ``count`` faults, in the order in which they struck."""
        for number, struck in enumerate(self._struck[:count], 1):
            yield FaultTruth(
                id=number,
                fault=struck.fault,
                entry=struck.entry,
                ms=struck.ms,
                connections=tuple(struck.connections),
                requests=struck.requests,
                records={effect: struck.records[effect] for effect in EFFECTS if struck.records[effect]},
            )

    def affected_lines(self, count: int) -> Iterator[AffectedTruth]:
        """One line for each of the first ``count`` records that a fault did something to, in that order."""
        for number in range(count):
            fault, connection, key, place, due_ms, effect = self._affected[_NUMBERS * number : _NUMBERS * (number + 1)]
            written = self._written.get(number)
            yield AffectedTruth(
                fault=fault,
                connection=connection,
                effect=EFFECTS[effect],
                place=place,
                channel=channel_of(key % KINDS),
                symbol=self._symbols[key // KINDS],
                due_ms=UnixMs(due_ms),
                argument=None if written is None else argument_of(written),
            )
