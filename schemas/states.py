"""The latest value of everything: the compacted topics ``state.*``, which the gateway reads (uncommitted, for speed).

A reader takes a row only if its (day, src) is greater than the one it has: a process that was fenced or killed may leave
an older row behind a newer one.
"""

from typing import Literal

from pydantic import Field

from schemas.events import Mover, TradePhase
from schemas.message import Message, Versioned, version
from schemas.units import Exchange, Price, SessionPhase, Shares, Symbol, TradingDay, UnixMs, UnixUs, Vnd


class Row(Versioned):
    """What every row has."""

    day: TradingDay
    src: int
    """Offset of the record frame that made it, in the row's own partition number of its source topic."""
    ts_ms: UnixMs
    """Exchange time of what it shows."""


class ShardProgress(Versioned):
    """``state.progress``: how far the pipeline that reads a topic has come in one of its partitions; about a row a second.

    The newest row in the log holds, also where it says less than the one before: then a pipeline has lost a transaction, and
    folds again. It says how old data *is*, and follows from when records were received; so no replay gives the same rows, and
    nobody compares them.
    """

    topic: str
    """The topic that is folded, without a prefix: a record topic, or one that another pipeline or stage writes."""
    partition: int
    offset: int
    """Of the newest message that was folded."""
    recv_us: UnixUs
    """When the connector received that frame's records, or made its clock tick, by the connector's clock. Of a topic that is no
    record topic: when the connector had given Kafka the frame that the message is made of, to the millisecond."""
    brought_ms: dict[str, int] = Field(default={})
    """When the connector had given Kafka the last frame that brought a message to a topic that is folded further, by the name of
    that topic. Its reader owes nothing of this shard once it has come as far."""


class Candle(Message):
    """A running one-minute candle of prints."""

    minute_ms: UnixMs
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Shares


class PhaseSum(Message):
    """What was traded of a symbol in one kind of matching, by who made the prints."""

    phase: TradePhase
    buy: Shares
    buy_value: Vnd
    sell: Shares
    sell_value: Vnd
    neutral: Shares
    neutral_value: Vnd


class PriceRow(Row):
    """``state.prices``: the board line of a symbol. Before the first match of the day ``last`` and ``open`` … are None."""

    schema_: int = version(2)

    symbol: Symbol
    exchange: Exchange
    session: str | None
    """The feed's last session code, until the schedule says that its time is over."""
    status: str | None
    phase: SessionPhase
    """What the exchange does, also where no session code says it."""
    reference: Price
    """0 until the feed has said it."""
    ceiling: Price
    floor: Price
    previous_close: Price | None
    """The close of the day before, where a record of an earlier day has told it."""
    last: Price | None
    last_volume: Shares
    change: Price | None
    """last − reference."""
    expected: Price | None
    """Indicative auction price, during an auction only."""
    open: Price | None
    high: Price | None
    low: Price | None
    total_volume: Shares
    total_value: Vnd
    average: Price | None
    """Volume-weighted, of the feed's totals."""
    bids: list[int] = Field(max_length=20)
    asks: list[int] = Field(max_length=20)
    quote_ms: UnixMs | None
    """Exchange time of the book."""
    active_buy: Shares
    """Volume of prints whose aggressor bought; called ``bought`` in version 1, as is what foreigners bought elsewhere."""
    active_sell: Shares
    """Volume of prints whose aggressor sold; called ``sold`` in version 1."""
    neutral: Shares
    """Volume of prints without an aggressor: auctions, and inside the spread."""
    put_through_volume: Shares
    candle: Candle | None
    prints: int
    repeats: int
    gaps: int
    missed_volume: Shares
    """How many shares are missing in the gaps that are still open."""
    phases: list[PhaseSum] = Field(default=[], max_length=6)
    """What the prints add up to by phase, put-through deals and odd lots too; empty on a day that an earlier release began."""


class ForeignRow(Row):
    """``state.foreign``: a symbol's foreign day. Speeds are shares a minute; acceleration is shares a minute per minute."""

    symbol: Symbol
    exchange: Exchange
    bought: Shares
    sold: Shares
    bought_value: Vnd
    sold_value: Vnd
    net_volume: Shares
    net_value: Vnd
    room: Shares
    total_room: Shares
    buy_speed_1m: int
    sell_speed_1m: int
    buy_speed_5m: int
    sell_speed_5m: int
    acceleration: int
    """How fast net buying grows: this minute's net speed less that of the minute before."""
    stale: int
    """Records that brought nothing new."""
    suspects: int
    """How many of the two sides have said something that is not believed yet."""
    unresolved: int
    """How often nobody could tell what the feed meant: see ``docs/foreign-ledger.md``."""


class FlowRow(Row):
    """``state.flow``: the foreign flow of a scope; movers where ``scope`` is the market, an exchange, VN30 or a sector."""

    scope: str
    bought: Shares
    sold: Shares
    bought_value: Vnd
    sold_value: Vnd
    net_value: Vnd
    buyers: list[Mover]
    sellers: list[Mover]


class IndexRow(Row):
    """``state.indices``: an index. What the feed has not said is None; version 1 had zeros there."""

    schema_: int = version(2)

    symbol: Symbol
    session: str | None
    value: Price
    prior_value: Price | None
    """The close of the day before."""
    change: Price | None
    """value − prior_value."""
    change_pct: float | None
    """Two decimals."""
    volume: Shares
    traded_value: Vnd
    put_through_volume: Shares
    put_through_value: Vnd
    advances: int | None
    """As SSI counts the members. It sends zeros in all five counts of VN30 and other baskets, which is no count: then all are
    None, and ``state.breadth`` has what we count."""
    no_changes: int | None
    declines: int | None
    ceilings: int | None
    floors: int | None


class BreadthRow(Row):
    """``state.breadth``: how many members of an index stand where, by their own last prices. SSI sends zeros for some indices.

    All six counts together are the members that reference data names.
    """

    symbol: Symbol
    """Of the index."""
    advances: int
    """Those at their ceiling are not among them."""
    no_changes: int
    declines: int
    """Those at their floor are not among them."""
    ceilings: int
    floors: int
    untraded: int
    """Those without a match today."""


class BasisRow(Row):
    """``state.basis``: a contract against its index; see ``schemas.events.BasisEvent``."""

    symbol: Symbol
    underlying: Symbol
    month: int
    alias: Literal["F1M", "F2M", "F1Q", "F2Q"] | None
    """Its rank among the listed contracts of its underlying: front month, second month, the two far quarters."""
    price: Price
    index_value: Price
    basis: Price
    basis_pct: float
    days_to_expiry: int
    stale: bool
    slope: float | None = None
    """Hundredths of a point a minute, over the last five minutes; None before there is a minute of it, and while it is stale."""
