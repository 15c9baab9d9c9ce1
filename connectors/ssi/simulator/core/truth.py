"""What the market really did: the answers of ``/sim/clock``, ``/sim/status`` and ``/sim/truth``, and the books behind them.

``/sim/truth`` is NDJSON: one :class:`TruthHeader`, then a :class:`PrintTruth` for every print and a :class:`ForeignTruth` for
every foreign record up to now, in the order in which they were due, each with the connections that it was sent on. Where there is
none it was withheld: no connection was open and subscribed at that moment, or the client was too slow. A snapshot that repeats
the last print counts as sending it. :meth:`Truth.load` reads an answer.

*Sent* means put on a socket: a server cannot know more. A client may not have read all that was put there in the last moment
before its connection broke. To find out, compare ``due_ms`` with the ``closed_ms`` of the :class:`ConnectionStatus`, and see how
that ended.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from connectors.ssi.simulator.core.errors import UnreadableTruth
from connectors.ssi.simulator.core.records import CHANNELS, Channel, Foreign, SimulatedRecord, SsiSide, Trade
from schemas.calendar import at
from schemas.units import Symbol, TradingDay, UnixMs

PlayState = Literal["waiting", "running", "held", "finished"]
"""``waiting``: for the first subscription. ``held``: somebody asked it to stand still. ``finished``: the clock is at its end and
all that was due has been sent."""
Ending = Literal["client_closed", "reset", "aborted", "dropped", "server_closed"]
"""How a connection ended, in this order: the client sent a WebSocket close frame; its socket went without one; the client posted
abort; a fault dropped it; the simulator shut down."""


class ClockReading(msgspec.Struct, frozen=True, kw_only=True):
    """``/sim/clock``: market time is ``start_ms + speed × elapsed``; at ``end_ms`` it stops."""

    market_ms: UnixMs
    speed: float | None
    """Market seconds a second. None when the day is played as fast as clients read: only asking again tells the time then."""
    state: PlayState
    trading_day: TradingDay
    start_ms: UnixMs
    end_ms: UnixMs
    seed: int


class ConnectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One hub connection, open or not. Times are market time."""

    id: int
    """Counts from 1. The lines of the truth name a connection by it."""
    connection_id: str
    """The id that negotiate gave it."""
    opened_ms: UnixMs
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
    skipped: int
    """Records that it was subscribed to and did not get, because the client read too slowly or a fault silenced it."""
    malformed: int
    """Hub messages and records that no client can decode, sent by a fault."""


class SimulatorStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``/sim/status``: how far the day is, and all connections ever."""

    state: PlayState
    market_ms: UnixMs
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
    foreign: int
    """How many foreign lines follow, after the prints."""
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


TruthLine = TruthHeader | PrintTruth | ForeignTruth

_line = msgspec.json.Decoder(TruthLine)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Truth:
    """An answer of ``/sim/truth``."""

    header: TruthHeader
    prints: list[PrintTruth]
    foreign: list[ForeignTruth]

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
        foreign = [line for line in lines if isinstance(line, ForeignTruth)]
        if (len(prints), len(foreign)) != (header.prints, header.foreign):
            raise UnreadableTruth(
                f"the truth announces {header.prints} prints and {header.foreign} foreign records and has {len(prints)} and "
                f"{len(foreign)}: the answer was cut short, fetch it again"
            )
        return cls(header, prints, foreign)

    @property
    def withheld(self) -> list[PrintTruth]:
        """The prints that were sent on no connection."""
        return [line for line in self.prints if not line.connections]


class Deliveries:
    """Which record was sent on which connection. A place is the index of a record in the day's list."""

    def __init__(self, records: Sequence[SimulatedRecord], day: TradingDay) -> None:
        self._records = records
        self._day_begins_ms = at(day, 0)
        self._connections: dict[int, tuple[int, ...]] = {}
        self._sent: dict[int, Counter[Channel]] = {}
        self._sent_previous_day = 0
        self._sent_without_match = 0

    def put(self, place: int, connection: int) -> None:
        """Note that the record at ``place`` was sent on ``connection``."""
        record = self._records[place]
        self._sent.setdefault(connection, Counter())[record.channel] += 1
        if record.due_ms < self._day_begins_ms:
            self._sent_previous_day += 1
        elif isinstance(record, Trade | Foreign):
            if isinstance(record, Trade) and not record.volume:
                self._sent_without_match += 1
            known = self._connections.get(place, ())
            if connection not in known:
                self._connections[place] = (*known, connection)

    def sent_on(self, connection: int) -> dict[Channel, int]:
        """How many records were sent on ``connection``, by channel."""
        counts = self._sent.get(connection, Counter())
        return {channel: counts[channel] for channel in CHANNELS}

    def sent(self) -> dict[Channel, int]:
        """How many records were sent on all connections, by channel."""
        whole: Counter[Channel] = sum(self._sent.values(), Counter())
        return {channel: whole[channel] for channel in CHANNELS}

    def lines(self, released: int, clock: ClockReading, stories: list[StoryTruth], malformed: int) -> Iterator[bytes]:
        """Write the truth about the first ``released`` records of the day.

        Args:
            released: How many have been due.
            clock: What ``/sim/clock`` says now.
            stories: Those of the day.
            malformed: How much a fault sent that no client can decode.

        Returns:
            Line after line, each with its newline.
        """
        generated: Counter[Channel] = Counter()
        prints: list[tuple[int, Trade]] = []
        foreign: list[tuple[int, Foreign]] = []
        for place in range(released):
            record = self._records[place]
            if record.due_ms < self._day_begins_ms:
                continue
            generated[record.channel] += 1
            if isinstance(record, Trade) and record.volume:
                prints.append((place, record))
            elif isinstance(record, Foreign):
                foreign.append((place, record))
        yield _encoded(
            TruthHeader(
                trading_day=clock.trading_day,
                seed=clock.seed,
                state=clock.state,
                market_ms=clock.market_ms,
                stories=stories,
                prints=len(prints),
                foreign=len(foreign),
                generated={channel: generated[channel] for channel in CHANNELS},
                sent=self.sent(),
                sent_previous_day=self._sent_previous_day,
                sent_without_match=self._sent_without_match,
                malformed=malformed,
            )
        )
        for place, trade in prints:
            yield _encoded(self._print(place, trade))
        for place, step in foreign:
            yield _encoded(self._foreign(place, step))

    def _print(self, place: int, trade: Trade) -> PrintTruth:
        return PrintTruth(
            symbol=trade.listing.symbol,
            ts_ms=UnixMs(trade.ts_ms),
            due_ms=UnixMs(trade.due_ms),
            price=trade.price,
            last_vol=trade.volume,
            total_vol=trade.total_volume,
            total_val=trade.total_value,
            side=trade.side,
            session=trade.session,
            connections=self._connections.get(place, ()),
        )

    def _foreign(self, place: int, step: Foreign) -> ForeignTruth:
        return ForeignTruth(
            symbol=step.listing.symbol,
            ts_ms=UnixMs(step.ts_ms),
            due_ms=UnixMs(step.due_ms),
            bought=step.bought,
            sold=step.sold,
            bought_value=step.bought_value,
            sold_value=step.sold_value,
            room=step.room,
            connections=self._connections.get(place, ()),
        )


def _encoded(line: TruthLine) -> bytes:
    return _encode(line) + b"\n"
