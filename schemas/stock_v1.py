"""``stock.v1``: what a client and the gateway say to each other over a WebSocket, as JSON text.

Each message of the gateway carries ``n``, which starts at 1 and grows by one: a client that sees a hole or a repeat closes the
connection and comes back. A *cursor* is opaque to the client: it repeats the last one of a channel when it subscribes again,
to any instance of the gateway, and gets only what it missed.
"""

from enum import IntEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.events import AlertEvent, CandleEvent
from schemas.units import SessionPhase, TradingDay, UnixMs

PROTOCOL: Final = "stock.v1"

ChannelName = Literal["px", "index", "breadth", "flow", "basis", "alert", "candle", "status", "ref"]
"""``px``: the board line of a symbol (``schemas.states.PriceRow``). ``index``: an index (``IndexRow``).
``breadth``: how the members of an index stand (``BreadthRow``). ``flow``: foreign flow, by symbol, or by ``#scope`` (``#market``,
``#HOSE``, ``#VN30``). ``basis``: a contract against its index (``BasisRow``).
``alert``: every alert, in order. ``candle``: every minute of a symbol once it is over, and again when it is amended, in order.
``status``: what each connector says of itself. ``ref``: names, exchanges and groups of the
symbols."""


class ErrorCode(IntEnum):
    """Why a command was refused; the connection goes on."""

    BAD_MESSAGE = 1001
    """Not JSON, or a field is missing or of the wrong type."""
    UNKNOWN_OP = 1002
    UNKNOWN_CHANNEL = 1101
    UNKNOWN_SYMBOL = 1102
    """Not listed, as far as the gateway has heard today; also a group or scope that does not exist."""
    TOO_MANY_SYMBOLS = 1103
    BAD_CURSOR = 1104
    BAD_THROTTLE = 1105
    NOT_SUBSCRIBED = 1106
    """Of ``unsub``: not subscribed by that name. Out of ``*`` and of a group symbols can be taken one by one, and no groups."""
    AUTH_NEEDED = 1401
    """The gateway has accounts: send ``auth`` with a token first."""
    NOT_ALLOWED = 1403
    """The client's token is not good for this channel."""
    CHANNEL_IN_USE = 1107
    """On one connection a channel is live or played again, and one channel is played again at a time."""
    BAD_REPLAY = 1108
    """A channel that cannot be played again, or not from then to then, or not at that speed."""
    RATE = 1429
    """Too many commands: wait ``retry_ms``."""
    TOO_MANY_REPLAYS = 1430
    """The gateway plays as many as it may: ask again after ``retry_ms``."""
    NOT_READY = 1503
    """The gateway has not read the state yet: ask again after ``retry_ms``."""
    ARCHIVE_AWAY = 1504
    """The archive, which a replay comes from, does not answer: ask again after ``retry_ms``. What is live goes on."""


class CloseCode(IntEnum):
    """Why the gateway closed. 4000–4499: come back, with back-off. 4500–4999: not before something has changed."""

    SHUTDOWN = 4001
    """This instance stops, or the connection is as old as it may get. Another one, or this one when it is back, goes on from the
    client's cursors."""
    STREAM_CHANGED = 4003
    """Topics were made anew: cursors are void."""
    SLOW = 4008
    """The client did not read: its alerts or candles overflowed, or nothing left for 30 s."""
    IDLE = 4010
    """No subscription in time."""
    CONNECTION_LIMIT = 4013
    """As many connections as there may be, in all or from this address. A place may be free later, or at another instance."""
    TOKEN_EXPIRED = 4011
    """The token is over, and no newer one came in time: come back with a new one."""
    BAD_TOKEN = 4501
    """The token is not valid here."""
    RATE_ABUSE = 4529


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Command(_Wire):
    id: int | None = None
    """Repeated in the answer."""


class Sub(_Command):
    """Subscribe to symbols, groups (``@VN30``, ``@HOSE``, ``@HNX``, ``@UPCOM``, ``@FUT``) or everything (``*``) of a channel.

    What is subscribed already stays; a snapshot comes of what is new.
    """

    op: Literal["sub"]
    ch: str
    sym: list[str] = Field(default=["*"], min_length=1)
    throttle_ms: int | None = None
    """How often at most rows are sent: one of ``hello.throttle.classes``. None: the default."""
    cursor: str | None = None
    """The last one seen of this channel: only what is newer is sent, if the cursor still holds (``ok.recovered``)."""


class Unsub(_Command):
    """Take symbols, groups or everything out of a subscription; ``*`` ends it.

    A symbol is out also where a group or ``*`` has it, until it is subscribed again, by its name, by a group or by ``*``.
    """

    op: Literal["unsub"]
    ch: str
    sym: list[str] = Field(default=["*"], min_length=1)


class Ping(_Command):
    """Ask for an ``ok``."""

    op: Literal["ping"]


class Auth(_Command):
    """Name yourself where ``hello.auth`` is ``jwt``, and again before the token is over.

    A gateway without accounts (``none``) says ``ok`` to any token.
    """

    op: Literal["auth"]
    token: str


class ReplayRequest(_Command):
    """Have the past of a channel played again: ``index``, ``basis``, ``alert`` or ``candle``.

    Its frames are those of the live channel, with ``replay``, and without a cursor. The channel must not be subscribed on this
    connection meanwhile. While the client does not read, the replay waits for it: nothing is skipped.
    """

    op: Literal["replay"]
    ch: str
    sym: list[str] = Field(default=["*"], min_length=1)
    """Groups are those who are members now."""
    from_ms: UnixMs = Field(alias="from")
    """Where to begin, in market time."""
    to_ms: UnixMs = Field(alias="to")
    """The first moment that is not played any more; at most 31 days later."""
    speed: float = Field(default=1.0, ge=0, le=100_000, allow_inf_nan=False)
    """How many times as fast as the market; 0 is as fast as the client reads."""


class Stop(_Command):
    """Have the replay end."""

    op: Literal["stop"]


Command = Annotated[Sub | Unsub | Ping | Auth | ReplayRequest | Stop, Field(discriminator="op")]
"""What a client may send, 8 KiB at most."""


class _Numbered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(ge=1)


class Throttle(_Wire):
    """The classes of update intervals, in milliseconds; 0 is every change."""

    default: int
    classes: list[int]


class Limits(_Wire):
    """What a client may do."""

    message_bytes: int
    symbols: int
    """Symbols named one by one in a channel; groups and ``*`` count as one."""
    commands_per_s: int
    burst: int


class Hello(_Numbered):
    """The first message."""

    op: Literal["hello"]
    v: Literal["stock.v1"]
    stream: str
    """Which logs of Kafka the cursors point into, those of alerts apart. Cursors of another stream are void. Empty until
    the gateway has looked."""
    server_time: UnixMs
    auth: Literal["none", "jwt"]
    """Whether the client has to send ``auth`` before it subscribes."""
    throttle: Throttle
    limits: Limits
    channels: list[ChannelName]
    heartbeat_ms: int


class Rejected(_Wire):
    """A word of a ``sub`` or ``unsub`` that was refused; the rest stands."""

    sym: str
    code: int


class Ok(_Numbered):
    """A command was carried out."""

    op: Literal["ok"]
    id: int | None
    ch: str | None = None
    accepted: int | None = None
    """How many symbols, groups and ``*`` of a ``sub`` or ``unsub`` were taken."""
    rejected: list[Rejected] | None = None
    recovered: bool | None = None
    """Of a ``sub``: whether its cursor held, so that the snapshot is only what was missed."""


class Err(_Numbered):
    """A command was refused; nothing changed."""

    op: Literal["err"]
    id: int | None
    code: int
    msg: str
    retry_ms: int | None = None


class Snap(_Numbered):
    """A page of a snapshot: rows as lists in the order of ``cols``, whose first is the key."""

    op: Literal["snap"]
    ch: ChannelName
    cols: list[str]
    rows: list[list[Any]]
    last: bool
    cursor: str | None = None
    """On the last page."""
    replay: Literal[True] | None = None
    """A replay begins, whose rows have these columns; there are none yet."""


class Delta(_Numbered):
    """Rows that changed, whole, in the order of the snapshot's ``cols``."""

    op: Literal["delta"]
    ch: ChannelName
    rows: list[list[Any]]
    ts: UnixMs
    """The gateway's clock."""
    con: bool
    """Intervals were skipped for this client because it did not read in time; the rows are the latest."""
    cursor: str | None = None
    replay: Literal[True] | None = None
    """The rows are past, in their order: each was the latest of its key then."""


class Event(_Numbered):
    """An alert or a candle. Each comes once, in the order of its channel; ``cursor`` says where the client is after it."""

    op: Literal["event"]
    ch: Literal["alert", "candle"]
    cursor: str | None
    """None in a replay."""
    data: AlertEvent | CandleEvent
    replay: Literal[True] | None = None
    """It is past."""


class Heartbeat(_Numbered):
    """Every ``hello.heartbeat_ms``, and as soon as ``stale``, ``reason``, or an age of two seconds to a minute changes."""

    op: Literal["hb"]
    ts: UnixMs
    lag_ms: dict[str, int | None]
    """How old the data of each channel is: how long ago the connector received the newest record, or made the newest clock tick,
    that has been folded in the slowest shard; None while a shard has said nothing. Up to a second or two where all is well, also
    in a lull."""
    skew_ms: dict[str, int]
    """By how much the gateway's clock is ahead of each connector's, by feed, with some hundredths of a second for the way. Where
    it is more than a second, or less than none, the clocks of the two machines differ, and ``lag_ms`` is wrong by as much."""
    stale: list[str]
    """Channels whose data is older than 5 s while the market trades, or of which nobody can say how old it is."""
    reason: str
    """Why the gateway itself is not up to date, with the remedy; empty when it is."""
    phase: SessionPhase | None
    """What HOSE is doing, as the connector says; None while none has said anything."""
    day: TradingDay | None
    market_ms: UnixMs | None
    """The market's clock when the connector last spoke."""
    cursor: dict[str, str]
    """The cursor of each subscribed channel, by channel: it speaks for all that was sent so far."""


class Goaway(_Numbered):
    """The gateway closes soon: come back after ``retry_ms``, which differs from client to client."""

    op: Literal["goaway"]
    retry_ms: int
    reason: str


class ReplayEnd(_Numbered):
    """A replay is over."""

    op: Literal["replayed"]
    ch: ChannelName
    why: Literal["end", "stopped", "failed"]
    msg: str
    """What failed, and what to do."""


class Closing(_Numbered):
    """The last message where the connection cannot say why it ends: server-sent events. A WebSocket is closed with the code."""

    op: Literal["close"]
    code: int
    """As :class:`CloseCode`."""
    reason: str


ServerMessage = Annotated[
    Hello | Ok | Err | Snap | Delta | Event | Heartbeat | Goaway | ReplayEnd | Closing,
    Field(discriminator="op"),
]
"""What the gateway may send."""
