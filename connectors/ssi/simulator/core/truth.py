"""What the market really did: the answers of ``/sim/clock``, ``/sim/status`` and ``/sim/truth``, and the books behind them.

``/sim/truth`` is NDJSON: one :class:`TruthHeader`; then a :class:`PrintTruth` for every print, a :class:`DealTruth` for every
put-through deal and a :class:`ForeignTruth` for every foreign record up to now, in the order in which they were due, each with
the connections that it was sent on; then for every connection a :class:`SentTruth`, which tells all that was sent there in its
order. Where a line has no connection the record was withheld: none was open and subscribed at that moment, or the client was too
slow, or a fault kept it. A snapshot that repeats the last print counts as sending it. Last come a :class:`FaultTruth` for every
fault of the day, and an :class:`AffectedTruth` for every record that one of them did something to. :meth:`Truth.load` reads an
answer.

*Sent* means put on a socket. A client may not have read all that was put there in the last moment before its connection ended:
:attr:`ConnectionStatus.read` says how much it has read for certain.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from connectors.ssi.simulator.core.errors import UnreadableTruth
from connectors.ssi.simulator.core.places import B_PLACE, KINDS, X_PLACE, kinds_of, plain
from connectors.ssi.simulator.core.records import CHANNELS, Channel, Foreign, SsiSide, Trade
from connectors.ssi.simulator.core.released import Released
from schemas.units import Symbol, TradingDay, UnixMs

PlayState = Literal["waiting", "running", "held", "finished"]
"""``waiting``: for the first subscription. ``held``: somebody asked it to stand still. ``finished``: the clock is at its end and
all that was due has been sent."""
Ending = Literal["client_closed", "reset", "aborted", "dropped", "server_closed", "evicted"]
"""How a connection ended, in this order: the client sent a WebSocket close frame; its socket went without one; the client posted
abort; a fault dropped it; the simulator shut down, or a fault had it do so; another connection of the same key took its place."""
Effect = Literal["withheld", "garbled", "repeated", "late", "altered", "stale"]
"""What a fault did to a record: never sent it; sent it so that nobody can decode it; sent it once more; sent it after later ones;
sent it with other numbers; sent it in a snapshot, although there was a later one."""


class ClockReading(msgspec.Struct, frozen=True, kw_only=True):
    """``/sim/clock``: market time is ``start_ms + speed × elapsed``; at ``end_ms`` it stops."""

    market_ms: UnixMs
    speed: float | None
    """Market seconds a second. None when the day is played as fast as clients read: only asking again tells the time then."""
    state: PlayState
    trading_day: TradingDay
    start_ms: UnixMs
    end_ms: UnixMs
    stand_ms: UnixMs | None = None
    """The market time at which it is going to stand still by itself; None when it plays to its end."""
    seed: int


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One hub connection, open or not. Times are market time."""

    id: int
    """Counts from 1. The lines of the truth name a connection by it."""
    connection_id: str
    """The id that negotiate gave it."""
    opened_ms: UnixMs
    upgraded_ms: UnixMs
    """When its WebSocket began, by this machine's clock and not in market time: a client that notes when its connection began,
    as the connector does in the epoch of its frames, notes this moment or a later one."""
    subscribed_ms: UnixMs | None
    """When its last SwitchChannels was answered."""
    channels: str | None
    """What that SwitchChannels asked for, as the client wrote it."""
    closed_ms: UnixMs | None
    ended: Ending | None
    """None while it is open."""
    sent: dict[Channel, int]
    """Records sent on it, snapshots included."""
    records: int
    """Their sum."""
    put: int
    """Everything put on its socket that a client has to publish or to reject: ``records`` and ``malformed``. ``/sim/sent`` tells
    them one by one, and numbers them from 0."""
    read: int
    """How many of these, the first ones, the client has read for certain: all that had the number of a WebSocket ping or a lower
    one when it was sent, once the client has answered it. 0 for a client that answers no pings."""
    skipped: int
    """Records that it was subscribed to and did not get, because the client read too slowly or a fault silenced it."""
    malformed: int
    """Hub messages and records that no client can decode, sent by a fault."""


class SimulatorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``/sim/status``: how far the day is, and all connections ever."""

    state: PlayState
    market_ms: UnixMs
    told_ms: UnixMs
    """When this was told, by this machine's clock: a connection that began later is none of these."""
    connections: list[ConnectionStatus]
    records: int
    """Records sent on all connections together."""


class StoryTruth(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happens for certain on the simulated day; ``connectors.ssi.simulator.core.stories`` tells what."""

    name: str
    symbol: Symbol
    from_ms: UnixMs
    until_ms: UnixMs


class TruthHeader(msgspec.Struct, frozen=True, kw_only=True, tag="header", tag_field="kind"):
    """The first line: what follows, and counts of what does not."""

    trading_day: TradingDay
    seed: int
    state: PlayState
    market_ms: UnixMs
    stories: list[StoryTruth]
    prints: int
    """How many print lines follow."""
    deals: int
    """How many deal lines follow. There are none where the feed has put-through deals in the totals of indices only."""
    foreign: int
    """How many foreign lines follow."""
    generated: dict[Channel, int]
    """Records of the trading day up to now, by channel, sent or not."""
    sent: dict[Channel, int]
    """Records sent, by channel: one that was sent on two connections counts twice, one in a snapshot once more."""
    sent_previous_day: int
    """Among ``sent``: records of the trading day before."""
    sent_without_match: int
    """Among ``sent``: X-TRADE records that are no print."""
    malformed: int
    """Not among ``sent``: what a fault sent and no client can decode."""
    faults: int = 0
    """How many fault lines follow, at the end."""
    affected: int = 0
    """How many lines of affected records follow them."""


class PrintTruth(msgspec.Struct, frozen=True, kw_only=True, tag="print", tag_field="kind"):
    """One match. Prices in VND, of futures in hundredths of a point; volumes in shares or contracts; values in VND."""

    symbol: Symbol
    ts_ms: UnixMs
    due_ms: UnixMs
    """The market time at which it was sent, or would have been."""
    price: int
    last_vol: int
    total_vol: int
    total_val: int
    side: SsiSide | None
    session: str
    connections: tuple[int, ...]


class ForeignTruth(msgspec.Struct, frozen=True, kw_only=True, tag="foreign", tag_field="kind"):
    """One record of what foreigners bought and sold since the open: shares and VND."""

    symbol: Symbol
    ts_ms: UnixMs
    due_ms: UnixMs
    bought: int
    sold: int
    bought_value: int
    sold_value: int
    room: int
    connections: tuple[int, ...]


class DealTruth(msgspec.Struct, frozen=True, kw_only=True, tag="deal", tag_field="kind"):
    """One put-through deal that the feed has a record of. Units as in :class:`PrintTruth`; its total may count deals alone."""

    symbol: Symbol
    ts_ms: UnixMs
    due_ms: UnixMs
    price: int
    last_vol: int
    total_vol: int
    total_val: int
    connections: tuple[int, ...]


SentStream = Literal["records", "X", "B"]
"""All channels but X and B together; X; B. A record of these two is named by the place of the record that it follows."""


class SentTruth(msgspec.Struct, frozen=True, kw_only=True, tag="sent", tag_field="kind"):
    """Every record that was sent on one connection, in the order in which they were sent.

    Records are named by their place: their index among all records of the day, in the order in which they are due, those of the
    trading day before first.
    """

    connection: int
    stream: SentStream
    records: int
    """How many they are; a record that was sent twice counts twice."""
    runs: list[tuple[int, int]]
    """Runs of neighbouring places: the first of each, and how many."""


class FaultTruth(msgspec.Struct, frozen=True, kw_only=True, tag="fault", tag_field="kind"):
    """A fault that struck; or one that strikes by chance, with all that it has done."""

    id: int
    """Counts from 1."""
    fault: str
    """Its kind."""
    entry: int
    """Its place in the schedule, from 1; 0 where it was asked for by ``/sim/faults``."""
    ms: UnixMs
    """The market time at which it struck or was armed; 0 where it strikes by chance."""
    connections: tuple[int, ...]
    """The connections that it struck."""
    requests: int
    """How many requests it spoilt."""
    records: dict[Effect, int]
    """To how many records it did what."""


class AffectedTruth(msgspec.Struct, frozen=True, kw_only=True, tag="affected", tag_field="kind"):
    """A record that a fault did something to, on one connection."""

    fault: int
    """The ``id`` of the fault."""
    connection: int
    effect: Effect
    place: int
    """As in :class:`SentTruth`; of an ``X`` or a ``B`` that of the record which it follows."""
    channel: Channel
    symbol: Symbol
    due_ms: UnixMs
    argument: str | None
    """The argument of Broadcast that was sent instead of the day's own, where it was another."""


TruthLine = TruthHeader | PrintTruth | DealTruth | ForeignTruth | SentTruth | FaultTruth | AffectedTruth
Facts = tuple[Sequence[int], Sequence[bytes]]
"""Places of records, and of each the line that :func:`fact_of` gives."""

_line = msgspec.json.Decoder(TruthLine)


@dataclass(frozen=True)
class Truth:
    """An answer of ``/sim/truth``."""

    header: TruthHeader
    prints: list[PrintTruth]
    deals: list[DealTruth]
    foreign: list[ForeignTruth]
    sent: list[SentTruth]
    faults: list[FaultTruth]
    affected: list[AffectedTruth]

    @classmethod
    def load(cls, body: bytes) -> "Truth":
        """Read an answer.

        Raises:
            UnreadableTruth: A line is none of an answer's, or lines are missing.

        """
        try:
            lines = [_line.decode(line) for line in body.splitlines() if line]
        except msgspec.MsgspecError as error:
            raise UnreadableTruth(f"not an answer of /sim/truth: {error}") from error
        header = lines[0] if lines else None
        if not isinstance(header, TruthHeader):
            raise UnreadableTruth("an answer of /sim/truth begins with its header; this does not: fetch it again")
        prints = [line for line in lines if isinstance(line, PrintTruth)]
        deals = [line for line in lines if isinstance(line, DealTruth)]
        foreign = [line for line in lines if isinstance(line, ForeignTruth)]
        sent = [line for line in lines if isinstance(line, SentTruth)]
        faults = [line for line in lines if isinstance(line, FaultTruth)]
        affected = [line for line in lines if isinstance(line, AffectedTruth)]
        announced = (header.prints, header.deals, header.foreign, sum(header.sent.values()), header.faults, header.affected)
        counted = (len(prints), len(deals), len(foreign), sum(line.records for line in sent), len(faults), len(affected))
        if announced != counted:
            raise UnreadableTruth(
                f"the truth announces {announced} prints, deals, foreign records, sent ones, faults and affected ones, and has "
                f"{counted}: the answer was cut short, fetch it again"
            )
        return cls(header, prints, deals, foreign, sent, faults, affected)

    @property
    def withheld(self) -> list[PrintTruth]:
        """The prints that were sent on no connection."""
        return [line for line in self.prints if not line.connections]


_encode_line = msgspec.json.Encoder().encode
_NO_CONNECTIONS = b'"connections":[]}'


def fact_of(record: Trade | Foreign) -> bytes | None:
    """The line of a print, deal or foreign record without its end, the list of connections; None for what has not matched."""
    line: PrintTruth | DealTruth | ForeignTruth
    if isinstance(record, Foreign):
        line = ForeignTruth(
            symbol=record.listing.symbol,
            ts_ms=UnixMs(record.ts_ms),
            due_ms=UnixMs(record.due_ms),
            bought=record.bought,
            sold=record.sold,
            bought_value=record.bought_value,
            sold_value=record.sold_value,
            room=record.room,
            connections=(),
        )
    elif record.is_deal:
        line = DealTruth(
            symbol=record.listing.symbol,
            ts_ms=UnixMs(record.ts_ms),
            due_ms=UnixMs(record.due_ms),
            price=record.price,
            last_vol=record.volume,
            total_vol=record.total_volume,
            total_val=record.total_value,
            connections=(),
        )
    elif record.volume:
        line = PrintTruth(
            symbol=record.listing.symbol,
            ts_ms=UnixMs(record.ts_ms),
            due_ms=UnixMs(record.due_ms),
            price=record.price,
            last_vol=record.volume,
            total_vol=record.total_volume,
            total_val=record.total_value,
            side=record.side,
            session=record.session,
            connections=(),
        )
    else:
        return None
    return _encode_line(line).removesuffix(_NO_CONNECTIONS)


class Runs:
    """Numbers in the order in which they came, kept as runs of neighbours: a few bytes where they came one after the other."""

    def __init__(self) -> None:
        self._firsts = array("q")
        self._ends = array("q")
        self.count = 0
        """How many there are."""

    def add(self, number: int) -> None:
        """Add a number; one that was there before may come again."""
        self.count += 1
        if self._ends and self._ends[-1] == number:
            self._ends[-1] = number + 1
        else:
            self._firsts.append(number)
            self._ends.append(number + 1)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Each run: its first number, and how many numbers it has."""
        return ((first, end - first) for first, end in zip(self._firsts, self._ends, strict=True))


class Deliveries:
    """Which record was sent on which connection.

    It is bounded: what was sent to a client that got all records of a channel is one run of numbers, however long the day is.
    """

    def __init__(self, released: Released) -> None:
        self._released = released
        self._sent: dict[int, _SentOn] = {}
        self._sent_previous_day = 0
        self._sent_without_match = 0

    def put(self, place: int, connection: int) -> None:
        """Note that the record at ``place`` was sent on ``connection``."""
        sent = self._sent.get(connection)
        if sent is None:
            sent = self._sent[connection] = _SentOn()
        if place < X_PLACE:
            kind = self._released.kinds[place]
            sent.kinds[kind] += 1
            sent.runs["records"].add(place)
            if place >= self._released.previous and kind == _NO_MATCH:
                self._sent_without_match += 1
        elif place < B_PLACE:
            place -= X_PLACE
            sent.runs["X"].add(place)
        else:
            place -= B_PLACE
            sent.runs["B"].add(place)
        if place < self._released.previous:
            self._sent_previous_day += 1

    def sent_on(self, connection: int) -> dict[Channel, int]:
        """How many records were sent on ``connection``, by channel."""
        sent = self._sent.get(connection)
        return dict.fromkeys(CHANNELS, 0) if sent is None else sent.by_channel()

    def sent(self) -> dict[Channel, int]:
        """How many records were sent on all connections, by channel."""
        counts = [sent.by_channel() for sent in self._sent.values()]
        return {channel: sum(count[channel] for count in counts) for channel in CHANNELS}

    def lines(
        self,
        facts: Iterable[Facts],
        clock: ClockReading,
        stories: list[StoryTruth],
        malformed: int,
        faults: int = 0,
        affected: int = 0,
    ) -> Iterator[bytes]:
        """Write the truth about what has been due of the day; the lines about faults are to follow it.

        Args:
            facts: Of the day, block after block; they are read while the lines are written, and no further than they are true.
            clock: What ``/sim/clock`` says now.
            stories: Those of the day.
            malformed: How much a fault sent that no client can decode.
            faults: How many lines about faults will follow.
            affected: How many lines about affected records will follow.

        Returns:
            Line after line, each with its newline.
        """
        released, generated = len(self._released), self._released.by_channel()
        connections = _Connections(self._sent)
        sent = [line for connection, sent_on in self._sent.items() for line in sent_on.lines(connection)]
        yield encode_line(
            TruthHeader(
                trading_day=clock.trading_day,
                seed=clock.seed,
                state=clock.state,
                market_ms=clock.market_ms,
                stories=stories,
                prints=self._released.prints,
                deals=self._released.deals,
                foreign=self._released.foreign,
                generated=generated,
                sent=self.sent(),
                sent_previous_day=self._sent_previous_day,
                sent_without_match=self._sent_without_match,
                malformed=malformed,
                faults=faults,
                affected=affected,
            )
        )
        for places, lines in facts:
            for place, line in zip(places, lines, strict=True):
                if place < released:
                    yield line + _connections_at_its_end(connections.of(place))
            if places and places[-1] >= released:
                break
        yield from map(encode_line, sent)


_NO_MATCH = plain("X-TRADE")


class _SentOn:
    """What was sent on one connection."""

    def __init__(self) -> None:
        self.kinds = [0] * KINDS
        """How many records of each kind; without those of ``X`` and ``B``."""
        self.runs: dict[SentStream, Runs] = {"records": Runs(), "X": Runs(), "B": Runs()}

    def by_channel(self) -> dict[Channel, int]:
        counts: dict[Channel, int] = {channel: sum(self.kinds[kind] for kind in kinds_of(channel)) for channel in CHANNELS}
        # In a captured day X and B are records like others, and none follows from another.
        return counts | {"X": counts["X"] + self.runs["X"].count, "B": counts["B"] + self.runs["B"].count}

    def lines(self, connection: int) -> Iterator[SentTruth]:
        for stream, runs in self.runs.items():
            if runs.count:
                yield SentTruth(connection=connection, stream=stream, records=runs.count, runs=list(runs))


class _Connections:
    """The connections that each record was sent on, lowest number first, for who asks in the order of the records' places."""

    def __init__(self, sent: dict[int, _SentOn]) -> None:
        self._runs = [(connection, _merged(sent_on.runs["records"])) for connection, sent_on in sorted(sent.items())]
        self._at = [0] * len(self._runs)

    def of(self, place: int) -> tuple[int, ...]:
        """The connections on which the record at ``place`` was sent; no place is asked for after a later one."""
        found = []
        for index, (connection, runs) in enumerate(self._runs):
            at = self._at[index]
            while at < len(runs) and runs[at][1] <= place:
                at += 1
            self._at[index] = at
            if at < len(runs) and runs[at][0] <= place:
                found.append(connection)
        return tuple(found)


def _merged(runs: Runs) -> list[tuple[int, int]]:
    """Runs without repetitions: the first number of each and the number after its last, the lowest first."""
    merged: list[tuple[int, int]] = []
    for first, count in sorted(runs):
        if merged and first <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], first + count)
        else:
            merged.append((first, first + count))
    return merged


def _connections_at_its_end(connections: tuple[int, ...]) -> bytes:
    return b'"connections":[' + b",".join(b"%d" % connection for connection in connections) + b"]}\n"


def read_fact(line: bytes) -> "PrintTruth | DealTruth | ForeignTruth":
    """Read a line that :func:`fact_of` gave."""
    fact = _line.decode(line + _NO_CONNECTIONS)
    if not isinstance(fact, PrintTruth | DealTruth | ForeignTruth):
        raise TypeError("not a line about a match, a deal or foreigners")
    return fact


def encode_line(line: TruthLine) -> bytes:
    """A line of the truth, with its newline."""
    return _encode_line(line) + b"\n"
