"""What the connector says: SSI's records, decoded once, and the connector's own marks between them (topics ``ssi.*``).

Field order is JSON order. Prices, volumes and values are integers in the units of :mod:`schemas.units`. A book is a flat
list ``[price1, volume1, price2, volume2, …]``, best level first, empty levels at the end cut off; a level with price 0 and a
volume is a market order waiting for an auction.
"""

from typing import Annotated, Literal

from pydantic import Field

from schemas.message import Message, Versioned, version
from schemas.profiles import PROFILE_STEPS
from schemas.units import Exchange, Price, SessionPhase, Shares, Side, Symbol, TradingDay, UnixMs, UnixUs, Vnd

Counter = Annotated[Shares, Field(ge=0)]
"""Shares since the open of the trading day, as the feed says: it only grows, except where the feed errs or restarts."""
Book = Annotated[list[int], Field(max_length=20)]
"""Up to ten levels, ``[price1, volume1, …]``."""


class Record(Message):
    """What every record of SSI has."""

    symbol: Symbol
    trading_day: TradingDay
    ts_ms: UnixMs
    """Exchange time, from TradingDate and Time (ICT, one-second steps)."""


class TradeRecord(Record):
    """``X-TRADE``: one match, with the totals of its symbol's day after it.

    ``price`` and ``volume`` are 0 in the records that SSI sends before the first match; those are no prints.
    """

    kind: Literal["trade"] = "trade"
    exchange: Exchange
    price: Price
    volume: Shares
    """How many shares this match alone traded (LastVol)."""
    total_volume: Counter
    """TotalVol: with ``volume`` the identity of a match, the interval (total_volume − volume, total_volume]."""
    total_value: Vnd
    reference: Price
    ceiling: Price
    floor: Price
    high: Price
    low: Price
    expected: Price
    """Indicative auction price (EstMatchedPrice); 0 when there is none."""
    side: Side | None
    """What the feed calls the aggressor; None when it says nothing."""
    session: str | None
    """TradingSession as sent: ATO, LO, ATC, PT, C, … An open set."""
    status: str | None
    """TradingStatus as sent: N, H, S, … An open set."""
    from_snapshot: bool = False
    """Whether the connector made it of an ``X``, because ``X-TRADE`` is not subscribed. It has no side then, and a match between
    two ``X`` has no record."""


class QuoteRecord(Record):
    """``X-QUOTE``: the whole book, three levels on HOSE, ten elsewhere."""

    kind: Literal["quote"] = "quote"
    exchange: Exchange
    bids: Book
    asks: Book
    session: str | None


class SnapshotRecord(Record):
    """``X``: trade and book in one, sent on any change, so it often repeats the last match. Evidence, never a print.

    Where ``X-TRADE`` is not subscribed, a trade record that was made of it goes ahead of it (:attr:`TradeRecord.from_snapshot`).
    """

    kind: Literal["snapshot"] = "snapshot"
    exchange: Exchange
    price: Price
    volume: Shares
    total_volume: Counter
    total_value: Vnd
    reference: Price
    ceiling: Price
    floor: Price
    open: Price
    high: Price
    low: Price
    expected: Price
    bids: Book
    asks: Book
    session: str | None
    status: str | None


class BarRecord(Record):
    """``B``: one match as a bar of its own (open = high = low = close); for an index, its step. No identity at all."""

    kind: Literal["bar"] = "bar"
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Shares


class OddLotRecord(Record):
    """``OL``: the odd-lot board of a symbol; totals include the round lots."""

    kind: Literal["odd_lot"] = "odd_lot"
    exchange: Exchange
    price: Price
    volume: Shares
    total_volume: Counter
    total_value: Vnd
    bids: Book
    asks: Book
    session: str | None
    status: str | None


class StatusRecord(Record):
    """``F``: session and status of a symbol, sent when they change."""

    kind: Literal["status"] = "status"
    exchange: Exchange
    session: str | None
    status: str | None


class ForeignRecord(Record):
    """``R``: what foreign investors bought and sold since the open, and the room left to them."""

    kind: Literal["foreign"] = "foreign"
    exchange: Exchange
    total_room: Shares
    current_room: Shares
    bought: Counter
    """BuyVol, or FBuyVol in SSI's own table of fields."""
    sold: Counter
    bought_value: Vnd
    """May fall while ``bought`` rises: on some boards SSI computes it from the last price."""
    sold_value: Vnd


class IndexRecord(Record):
    """``MI``: an index, every five seconds. ``advances`` leaves out ``ceilings``, ``declines`` leaves out ``floors``."""

    kind: Literal["index"] = "index"
    exchange: Exchange | None
    value: Price
    prior_value: Price
    volume: Counter
    """Matched, of all members, in shares."""
    traded_value: Vnd
    put_through_volume: Counter
    put_through_value: Vnd
    advances: int
    no_changes: int
    declines: int
    ceilings: int
    floors: int
    session: str | None


class ReferenceRecord(Message):
    """What REST says of an instrument, at the start of the day and after each connect.

    It goes into its symbol's shard between the other records, and to ``ssi.reference`` for everybody else.
    """

    kind: Literal["reference"] = "reference"
    symbol: Symbol
    trading_day: TradingDay
    exchange: Exchange
    name: str | None
    groups: list[str]
    """Indices that it is a member of, sorted: ``["VN30"]``. Empty also means that REST did not say."""
    sector: str | None
    lot: Shares | None
    underlying: Symbol | None
    """The index under a future; None for everything else."""
    last_trading_day: TradingDay | None
    """Of a future; None when REST does not say (then: the third Thursday of its month)."""
    as_of: TradingDay | None = None
    """The earlier day on which REST said so, when it has not answered on ``trading_day`` yet; None when it has."""


class ProfileRecord(Record):
    """What a symbol usually trades at each time of the day, from its days before; ``ts_ms`` is market time when it was said.

    It comes at the start of the day and after each connect, as reference records do, so that what is made of a day follows from
    the day's own log. Where nobody keeps earlier days there is none.
    """

    kind: Literal["profile"] = "profile"
    days: int
    """Of how many trading days it is the mean: 20, or fewer where fewer are known."""
    volumes: Annotated[list[Shares], Field(max_length=PROFILE_STEPS)]
    """Mean volume of each five minutes (:data:`PROFILE_STEP_MS`) from 08:45 on, in shares or contracts."""


class ClockTick(Message):
    """One second of market time, from one feed, in every partition of the record topics.

    The only clock that a pipeline has. Seconds may be skipped, at any speed; a shard's time is the greatest seen. Where nothing
    happens seconds are left out: a tick comes ahead of each record that a new second brings, when something changes that it
    says, and each ``step_ms``.
    """

    kind: Literal["clock"] = "clock"
    trading_day: TradingDay
    ts_ms: UnixMs
    phase: SessionPhase
    """What HOSE is doing, by the calendar."""
    health: Literal["up", "down"]
    """Whether this feed received anything within its keep-alive time-out."""
    step_ms: int = 1_000
    """Market time after which the next one comes at the latest: it is due whenever ``ts_ms`` is a multiple of it."""


class LossMarker(Message):
    """The connector threw away ``records`` records of this shard here, because Kafka was away for too long."""

    kind: Literal["loss"] = "loss"
    trading_day: TradingDay
    ts_ms: UnixMs
    records: int


SsiRecord = TradeRecord | QuoteRecord | SnapshotRecord | BarRecord | OddLotRecord | StatusRecord | ForeignRecord | IndexRecord
"""What SSI's feed can say."""
FrameRecord = SsiRecord | ReferenceRecord | ProfileRecord | ClockTick | LossMarker
"""What a frame can hold."""


class Frame(Versioned):
    """A Kafka message of the record topics: records of one shard that arrived within a few milliseconds, in order."""

    schema_: int = version(2)

    feed: str
    """``a`` or ``b``: which connector."""
    epoch: int
    """UTC milliseconds of the connect: grows with every connection, on any machine."""
    seq: int
    """Counts from 0 within (feed, epoch, topic, partition): a hole is a lost frame."""
    recv_us: UnixUs
    """When the first of the records was received; never copied into ``market.*``."""
    records: list[Annotated[FrameRecord, Field(discriminator="kind")]]


class ReferenceMessage(Versioned):
    """``ssi.reference``: the last reference record of a symbol."""

    record: ReferenceRecord


class FeedStatus(Versioned):
    """``ssi.status``: what a connector says of itself, each second of its own clock and on every change."""

    feed: str
    epoch: int
    state: Literal["connecting", "up", "down", "stopped"]
    reason: str
    """Why it is not up, with what to do; empty when it is."""
    ts_us: UnixUs
    """The connector's own clock: a reader judges silence by it."""
    market_ms: UnixMs
    trading_day: TradingDay
    phase: SessionPhase
    received: int
    """Records received in this epoch: published and undecodable ones together."""
    dead_letters: int
    """Records of this epoch that went to the dead-letter topic."""
    dropped: int
    """Records of this epoch thrown away while Kafka was unreachable."""
    connects: int
    """Connections made since the process started."""


class DeadLetter(Versioned):
    """``ssi.dlq``: what could not be used, and why. Hostile text: escape it wherever it is shown."""

    source: str
    """Which process rejected it: ``ssi``, ``prices``, ``foreign``, …"""
    reason: str
    """A short word to count by: ``bad_json``, ``unknown_type``, ``bad_field``, ``future_day``, …"""
    detail: str
    """For a person: what was wrong, where."""
    feed: str
    epoch: int
    topic: str | None
    """Where a pipeline found it; None when it never reached a topic."""
    partition: int | None
    offset: int | None
    idx: int | None
    payload: str
    """What was rejected; UTF-8 with undecodable bytes as backslash escapes."""
