"""What a simulator has to remember to go on with its day after it was killed, entry after entry. Pure.

The day itself is made again from its seed. What cannot be made again is here: how its clock was set, who was connected, what was
put on whose socket, and what faults did. An entry about records is written before they are sent: so no client can have read what
is not here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from connectors.ssi.simulator.core.errors import UnreadableLogbook
from connectors.ssi.simulator.core.journal import Journal
from connectors.ssi.simulator.core.records import Channel
from connectors.ssi.simulator.core.sent import SentRecord, State
from connectors.ssi.simulator.core.truth import ConnectionStatus, Effect, Ending
from schemas.units import TradingDay, UnixMs


class DayBegun(msgspec.Struct, frozen=True, tag="day", tag_field="e"):
    """The first entry: which day it is."""

    day: TradingDay
    made_from: str
    """The settings that the day is made from; with others the places of its records would mean other records."""


class ClockSet(msgspec.Struct, frozen=True, tag="clock", tag_field="e"):
    """How the market clock was set. Times are seconds since 1970, of this machine's clock."""

    began_s: float
    """When it began to run; later by as long as it has been held since."""
    held_s: float | None
    """Since when it is held."""
    until_s: float
    """When it goes on by itself."""
    stand_ms: int | None
    """The market time at which it is held by itself."""


class Opened(msgspec.Struct, frozen=True, tag="opened", tag_field="e"):
    """A client connected."""

    connection: int
    connection_id: str
    opened_ms: UnixMs
    upgraded_ms: UnixMs


class SubscriptionNoted(msgspec.Struct, frozen=True, tag="sub", tag_field="e"):
    """A subscription was answered."""

    connection: int
    channels: str
    ms: UnixMs


class Put(msgspec.Struct, frozen=True, omit_defaults=True, tag="put", tag_field="e"):
    """One hub message with records is put on a socket."""

    connection: int
    runs: list[tuple[int, int]]
    """The places of its records, as runs of neighbours: the first of each, and how many."""
    others: dict[int, tuple[State, str]] = {}
    """Of those that are not as the day has them, by their number in the message: the state and the text."""

    @classmethod
    def of(cls, connection: int, records: Iterable[SentRecord]) -> "Put":
        """The entry for a message with ``records``."""
        runs: list[tuple[int, int]] = []
        others: dict[int, tuple[State, str]] = {}
        for number, (place, text, state) in enumerate(records):
            if runs and runs[-1][0] + runs[-1][1] == place:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((place, 1))
            if state != "good":
                others[number] = (state, text)
        return cls(connection, runs, others)

    def records(self) -> Iterator[SentRecord]:
        """The records; without the text of those that are as the day has them."""
        places = (place for first, count in self.runs for place in range(first, first + count))
        for number, place in enumerate(places):
            state, text = self.others.get(number, ("good", ""))
            yield SentRecord(place, text, state)


class Read(msgspec.Struct, frozen=True, tag="read", tag_field="e"):
    """A client said how much of what was put on its socket it has read."""

    connection: int
    count: int


class Closed(msgspec.Struct, frozen=True, tag="closed", tag_field="e"):
    """A connection ended."""

    connection: int
    ms: UnixMs
    ended: Ending
    skipped: int


class FaultOpened(msgspec.Struct, frozen=True, tag="fault", tag_field="e"):
    """A fault struck, or was armed."""

    name: str
    entry: int
    ms: UnixMs


class FaultConnected(msgspec.Struct, frozen=True, tag="struck", tag_field="e"):
    """A fault struck a connection."""

    fault: int
    connection: int


class FaultRequested(msgspec.Struct, frozen=True, tag="request", tag_field="e"):
    """A fault spoilt a request."""

    fault: int


class FaultAffected(msgspec.Struct, frozen=True, tag="affected", tag_field="e"):
    """A fault did something to a record."""

    fault: int
    connection: int
    key: int
    place: int
    due_ms: int
    effect: Effect
    written: str | None


FaultEntry = FaultOpened | FaultConnected | FaultRequested | FaultAffected
Entry = DayBegun | ClockSet | Opened | SubscriptionNoted | Put | Read | Closed | FaultEntry

_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


def encode_entry(entry: Entry) -> bytes:
    """A line of the logbook."""
    return _encoder.encode(entry) + b"\n"


@dataclass
class PastConnection:
    """A connection of a simulator that was killed."""

    opened: Opened
    journal: Journal = field(default_factory=Journal)
    subscribed: SubscriptionNoted | None = None
    read: int = 0
    closed: Closed | None = None
    malformed: int = 0

    def status(self, sent: dict[Channel, int]) -> ConnectionStatus:
        """What ``/sim/status`` says of it."""
        return ConnectionStatus(
            id=self.opened.connection,
            connection_id=self.opened.connection_id,
            opened_ms=self.opened.opened_ms,
            upgraded_ms=self.opened.upgraded_ms,
            subscribed_ms=self.subscribed.ms if self.subscribed else None,
            channels=self.subscribed.channels if self.subscribed else None,
            closed_ms=self.closed.ms if self.closed else None,
            ended=self.closed.ended if self.closed else None,
            sent=sent,
            records=sum(sent.values()),
            put=len(self.journal),
            read=self.read,
            skipped=self.closed.skipped if self.closed else 0,
            malformed=self.malformed,
        )


@dataclass
class Remembered:
    """What a logbook says."""

    day: TradingDay
    made_from: str
    clock: ClockSet | None = None
    """How its clock was set last; None when it had not begun."""
    connections: list[PastConnection] = field(default_factory=list)
    """All that there were, in the order of their numbers."""
    delivered: list[tuple[int, int]] = field(default_factory=list)
    """Each record that was sent so that it could be decoded: its place and the connection."""
    faults: list[FaultEntry] = field(default_factory=list)
    length: int = 0
    """How many bytes of it could be read; what comes after them was being written when the simulator was killed."""

    @classmethod
    def load(cls, lines: Iterable[bytes], source: str) -> "Remembered | None":
        """Read a logbook; None when nothing is in it.

        Raises:
            UnreadableLogbook: A line in its middle is no entry.
        """
        remembered: Remembered | None = None
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                break
            try:
                entry = _decoder.decode(line)
            except msgspec.MsgspecError as error:
                raise UnreadableLogbook(source, f"line {number} is no entry: {error}") from error
            if isinstance(entry, DayBegun):
                remembered = cls(entry.day, entry.made_from)
            elif remembered is None:
                raise UnreadableLogbook(source, "it does not begin with a day")
            else:
                remembered._take(entry)
            remembered.length += len(line)
        return remembered

    def _take(self, entry: Entry) -> None:
        match entry:
            case ClockSet():
                self.clock = entry
            case Opened():
                self.connections.append(PastConnection(entry))
            case SubscriptionNoted():
                self.connections[entry.connection - 1].subscribed = entry
            case Put():
                connection = self.connections[entry.connection - 1]
                for sent in entry.records():
                    connection.journal.put(sent)
                    connection.malformed += sent.state in ("garbled", "message")
                    if sent.state in ("good", "altered"):
                        self.delivered.append((sent.place, entry.connection))
            case Read():
                self.connections[entry.connection - 1].read = entry.count
            case Closed():
                self.connections[entry.connection - 1].closed = entry
            case FaultOpened() | FaultConnected() | FaultRequested() | FaultAffected():
                self.faults.append(entry)
