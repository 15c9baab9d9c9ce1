"""What becomes of single records on their way to the clients. Pure.

A record fault strikes a record of the day, for whichever client it is then sent to: so two clients miss the same records, and a
client that connects anew does not get the same chance again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, NamedTuple

from connectors.ssi.simulator.core import garble
from connectors.ssi.simulator.core.fault_log import FaultLog
from connectors.ssi.simulator.core.faults import (
    BadByte,
    Entry,
    ForeignBack,
    ForeignRestart,
    Garble,
    Late,
    RecordFault,
    Repeat,
    SeededRandom,
    StaleSnapshot,
    Withhold,
    struck_places,
)
from connectors.ssi.simulator.core.feed import Spoken
from connectors.ssi.simulator.core.garble import Counters
from connectors.ssi.simulator.core.logbook import FaultAffected, FaultEntry
from connectors.ssi.simulator.core.places import BASE, KINDS, channel_of
from connectors.ssi.simulator.core.sent import SentRecord, state_of
from connectors.ssi.simulator.core.truth import Effect
from schemas.units import Symbol, TradingDay, UnixMs

_RESTART: Final = str(ForeignRestart.__struct_config__.tag)
"""What the log calls the fault that goes on after its record."""


class DueRecord(NamedTuple):
    """A record of the day at the moment at which it is due, or at which a snapshot repeats it."""

    key: int
    place: int
    text: str
    due_ms: int


Struck = list[tuple[RecordFault, int]]
"""What strikes a record, each with its number in the log."""


@dataclass
class _ByChance:
    entry: Entry
    fault: RecordFault
    number: int
    places: Iterator[int]
    next_place: int


@dataclass
class _Counted:
    fault: RecordFault
    number: int
    left: int


class RecordFaults:
    """The record faults of a day, and what they have done to its counters."""

    def __init__(
        self,
        symbols: Sequence[Symbol],
        by_chance: list[Entry],
        seed: int,
        day: TradingDay,
        seeded: SeededRandom,
        log: FaultLog,
    ) -> None:
        """Begin with the record faults that strike by chance.

        Args:
            symbols: Those of the day, in the order of their numbers.
            by_chance: The entries of the schedule without a time; those that are no record faults are left out.
            seed: Of the schedule.
            day: The trading day.
            seeded: ``random.Random``.
            log: Told of everything that is done.
        """
        self._symbols = symbols
        self._day = day
        self._log = log
        self._by_chance: list[_ByChance] = []
        self._stale: list[_ByChance] = []
        for entry in by_chance:
            if isinstance(entry.fault, RecordFault):
                places = struck_places(entry, seed, seeded)
                chance = _ByChance(entry, entry.fault, log.open(entry.fault, entry, UnixMs(0)), places, next(places))
                (self._stale if isinstance(entry.fault, StaleSnapshot) else self._by_chance).append(chance)
        self._counted: list[_Counted] = []
        self._in_snapshots = 0
        self._at = -1
        """The record of the day that was decided on last, without ``X`` and ``B``."""
        self._hits: list[_ByChance] = []
        """What strikes it by chance."""
        self._decided: dict[int, Struck] = {}
        """What strikes it and the ``X`` and ``B`` that follow it, by their places: several clients may get them."""
        self._restarted: dict[int, tuple[Counters, int]] = {}
        """By key: what its foreign counters are lower by, and the fault that did it."""
        self.are_done = not self._by_chance
        """Whether none of them strikes any record any more. It is asked for every record, so it is kept."""

    @property
    def need_older(self) -> bool:
        """Whether snapshots may be answered with older records."""
        return bool(self._stale)

    def restore(self, entries: Iterable[FaultEntry], text_of: Callable[[int], str]) -> None:
        """Go on with the counters that an earlier run had lowered; call it once its log has been restored.

        Args:
            entries: What the log was told in that run.
            text_of: Gives the invocation of the record at a place of the day, as it was before any fault.
        """
        for entry in entries:
            if not isinstance(entry, FaultAffected) or entry.written is None:
                continue
            lowered_by = self._restarted.get(entry.key, (None, 0))[1]
            if entry.fault != lowered_by and self._log.name(entry.fault) == _RESTART:
                true, said = garble.counters_of(text_of(entry.place & BASE)), garble.counters_of(entry.written)
                self._restarted[entry.key] = Counters(*(a - b for a, b in zip(true, said, strict=True))), entry.fault
        self.are_done = self.are_done and not self._restarted

    def arm(self, fault: RecordFault, number: int) -> None:
        """Have ``fault`` strike the next records that fit; ``number`` is its place in the log."""
        self._counted.append(_Counted(fault, number, fault.count))
        self.are_done = False

    def strike(self, record: DueRecord) -> Struck:
        """What strikes ``record``. Records come in the order of the day."""
        if record.place & BASE != self._at:
            self._at = record.place & BASE
            self._hits = [chance for chance in self._by_chance if _hits(chance, self._at)]
            self._decided.clear()
        if record.place not in self._decided:
            self._decided[record.place] = self._decide(record)
        return self._decided[record.place]

    def _decide(self, record: DueRecord) -> Struck:
        struck = [
            (chance.fault, chance.number)
            for chance in self._hits
            if self._fits(chance.fault, record.key) and chance.entry.spans(record.due_ms, self._day)
        ]
        for counted in [counted for counted in self._counted if self._fits(counted.fault, record.key)]:
            counted.left -= 1
            struck.append((counted.fault, counted.number))
            if not counted.left:
                self._counted.remove(counted)
        restarts = any(isinstance(fault, ForeignRestart) for fault, _ in struck)
        self.are_done = not (self._by_chance or self._counted or self._restarted or restarts)
        return struck

    def _fits(self, fault: RecordFault, key: int) -> bool:
        """Whether ``fault`` may strike a record: one that it can change, of a channel and symbol that it names."""
        channel = channel_of(key % KINDS)
        if isinstance(fault, ForeignBack | ForeignRestart) and channel != "R":
            return False
        return (not fault.channels or channel in fault.channels) and (
            not fault.symbols or self._symbols[key // KINDS] in fault.symbols
        )

    def lowered(self, record: DueRecord, struck: Struck) -> tuple[str, int]:
        """A foreign record with the counters that the faults leave it, and the fault that lowered them last.

        Returns:
            The text as it was and 0 where no fault did.
        """
        text, fault = record.text, 0
        if channel_of(record.key % KINDS) != "R":
            return text, fault
        for kind, number in struck:
            if isinstance(kind, ForeignRestart):
                self._restarted[record.key] = (garble.counters_of(text), number)
        if record.key in self._restarted:
            base, fault = self._restarted[record.key]
            now = garble.counters_of(text)
            text = garble.with_counters(text, Counters(*(max(0.0, a - b) for a, b in zip(now, base, strict=True))))
        for kind, number in struck:
            if isinstance(kind, ForeignBack):
                back = Counters(*(count * 2 // 3 for count in garble.counters_of(text)))
                text, fault = garble.with_counters(text, back), number
        return text, fault

    def stale(self, key: int) -> int:
        """The fault that answers the next record of a snapshot with an older one; 0 where none does."""
        nth, self._in_snapshots = self._in_snapshots, self._in_snapshots + 1
        return next((chance.number for chance in self._stale if _hits(chance, nth) and self._fits(chance.fault, key)), 0)


def _hits(chance: _ByChance, place: int) -> bool:
    """Whether ``chance`` strikes at ``place``; it is never asked for one before the last."""
    while chance.next_place < place:
        chance.next_place = next(chance.places)
    return chance.next_place == place


class RecordPath:
    """The way of the records to one client: what the faults leave of them, in the order in which it is to be sent."""

    def __init__(self, faults: RecordFaults, older: Callable[[int], Spoken | None], log: FaultLog, connection: int) -> None:
        """Nothing is on its way.

        Args:
            faults: Decide on each record.
            older: Gives the record before the last with a key.
            log: Told of everything that is done.
            connection: The number of the client's connection.
        """
        self._faults = faults
        self._older = older
        self._log = log
        self._connection = connection
        self._held: list[tuple[int, int, SentRecord]] = []
        """Late records, by the market time at which they go on; then in the order in which they came."""
        self._late = 0
        """How many records have been held, so that those of one moment stay in their order."""

    @property
    def is_clear(self) -> bool:
        """Whether nothing lies in the way of any record."""
        return not self._held and self._faults.are_done

    def pass_on(self, record: DueRecord) -> list[SentRecord]:
        """What goes to the client now that ``record`` is due: late ones first, whose time has come."""
        due = self.release(record.due_ms)
        return due + self._struck(record, self._faults.strike(record))

    def answer(self, record: DueRecord) -> list[SentRecord]:
        """What goes to the client for a record of a snapshot."""
        if self._faults.need_older and (number := self._faults.stale(record.key)):
            older = self._older(record.key)
            if older is not None:
                record = DueRecord(*older, record.due_ms)
                self._note(number, record, "stale")
        return self._struck(record, [])

    def miss(self, record: DueRecord, number: int) -> None:
        """Note that fault ``number`` keeps ``record`` from the client altogether."""
        self._note(number, record, "withheld")

    def release(self, now_ms: int | None) -> list[SentRecord]:
        """The late records whose time has come at market time ``now_ms``; None for all of them."""
        due: list[SentRecord] = []
        while self._held and (now_ms is None or self._held[0][0] <= now_ms):
            due.append(heappop(self._held)[2])
        return due

    def _struck(self, record: DueRecord, struck: Struck) -> list[SentRecord]:
        if (state := state_of(record.key)) != "good":
            return [SentRecord(record.place, record.text, state)]
        for fault, number in struck:
            if isinstance(fault, Withhold):
                self._note(number, record, "withheld")
                return []
        text, lowered_by = self._faults.lowered(record, struck)
        sent = [SentRecord(record.place, text, "altered" if lowered_by else "good")]
        if lowered_by:
            self._note(lowered_by, record, "altered", text)
        for fault, number in struck:
            match fault:
                case Garble(how=how):
                    sent = [SentRecord(record.place, garble.garbled(text, how), "garbled")]
                    self._note(number, record, "garbled", sent[0].text)
                case BadByte():
                    sent = [SentRecord(record.place, garble.with_bad_byte(text), "garbled")]
                    self._note(number, record, "garbled")
                case Repeat(times=times):
                    sent = sent * (1 + times)
                    for _ in range(times):
                        self._note(number, record, "repeated")
                case Late(seconds=seconds):
                    release_ms = record.due_ms + round(seconds * 1000)
                    for one in sent:
                        self._late += 1
                        heappush(self._held, (release_ms, self._late, one))
                    self._note(number, record, "late")
                    return []
        return sent

    def _note(self, number: int, record: DueRecord, effect: Effect, written: str | None = None) -> None:
        self._log.affect(number, self._connection, record.key, record.place, record.due_ms, effect, written)
