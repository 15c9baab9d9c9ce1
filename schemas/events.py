"""What happened on the market: the event logs ``market.*``, which the archive and the alerts read.

A message is an *event frame*: the events of one shard that came from one frame of records, in order. Units are those of
:mod:`schemas.units`; ``day`` is the trading day, ``ts_ms`` exchange time. Nothing here depends on when or where it was computed.
"""

from typing import Literal

from schemas.message import Message, Versioned, version
from schemas.units import Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd

TradePhase = Literal["ato", "continuous", "atc", "post_close", "put_through", "odd_lot"]
"""What kind of matching made a print. Put-through and odd lots stay outside last, open, high, low and sums."""
GapCause = Literal["before_start", "lost", "unseen"]
"""``before_start``: joined after the open. ``lost``: no feed covered the time. ``unseen``: covered, yet not sent (put-through,
odd lots or SSI's own drop: not knowable)."""


class TradeEvent(Message):
    """``market.trades``: a line of a symbol's tape.

    - ``print``: one match, or the part of it that no earlier print covered.
    - ``gap``: volume that traded and that no record told of, when it is first noticed.
    - ``fill``: a late print took ``volume`` off an earlier gap (it follows its print); or a put-through deal did, where ``phase``
      says so: the feed counts both in one total.
    - ``correction``: the feed took volume back (negative), or gave it.
    - ``reset``: the feed's counter restarted; what was counted stays.
    - ``status``: the symbol's session or trading status changed, or is not the ordinary one when it is first heard.

    Per symbol, day and generation, anchored prints + gaps − fills + corrections = the highest total; prints and fills of
    put-through deals are left out of that.
    """

    kind: Literal["print", "gap", "fill", "correction", "reset", "status"]
    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    ts_ms: UnixMs
    since_ms: UnixMs | None
    """Gaps: the time of the record before it; it happened in [since_ms, ts_ms]. None for the other kinds."""
    generation: int
    """How often the feed's counter has restarted today: totals only compare within one."""
    start: Shares
    """The feed's total before it: with ``total_volume`` the interval that it covers. For a reset the old generation's top."""
    total_volume: Shares
    """The feed's total after it."""
    volume: Shares
    """Signed for corrections; for a print what it booked: ``last_volume``, or less when ``clipped``."""
    value: Vnd
    """Price × volume (× 100,000 a point for futures); for a gap the growth of the feed's TotalVal that it leaves over."""
    price: Price | None
    last_volume: Shares | None
    """Prints: the match's volume as the feed said it (LastVol)."""
    side: Side | None
    side_source: Literal["feed", "quote", "auction", "none"] | None
    """Prints: who decided ``side``: the feed, the quote before the print, the auction rule, or nobody."""
    phase: TradePhase | None
    limit: Literal["ceiling", "floor"] | None
    """Prints: whether the price was the day's ceiling or floor."""
    late: bool
    """A print that arrived after later ones, booked at its own time."""
    clipped: bool
    """A print that booked less than ``last_volume``: earlier prints covered a part of it, or its total was less."""
    anchored: bool
    """False for prints without a total: they have no identity and are counted apart."""
    cause: GapCause | None
    epoch: int | None
    """Gaps: the connection whose record showed it."""
    ambiguous: bool = False
    """Nobody can tell that it was one: a correction of a fall between the two limits, or a reset that brings the counter back to
    where it was before its last large rise."""
    session: str | None = None
    """Status: the session as SSI writes it, from now on; an open set."""
    status: str | None = None
    """Status: the trading status as SSI writes it, from now on; an open set."""


class QuoteEvent(Message):
    """``market.quotes``: the top of the book of a symbol, when it changed. A side that is empty has price and volume 0."""

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    ts_ms: UnixMs
    bid: Price
    bid_volume: Shares
    ask: Price
    ask_volume: Shares
    session: str | None
    limit: Literal["ceiling", "floor"] | None = None
    """``ceiling``: the best bid is the day's ceiling and nobody sells; ``floor``: the best ask is its floor and nobody buys.

    None: neither, or the feed has not said the limits yet; always so in events of releases before 0.3.0.
    """


class DailyEvent(Message):
    """``market.daily``: a symbol's day so far; the last one of a (symbol, day) wins.

    Made every five market minutes when something changed, at the close, and again when a late record amends it.
    """

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    ts_ms: UnixMs
    """Market time of the summary."""
    final: bool
    """Made at or after the close."""
    reference: Price
    ceiling: Price
    floor: Price
    open: Price | None
    high: Price | None
    low: Price | None
    close: Price | None
    """The last match so far; None before the first."""
    total_volume: Shares
    """The feed's highest total, restarts added up."""
    total_value: Vnd
    prints: int
    printed_volume: Shares
    missed_volume: Shares
    """How many shares are missing in the gaps that are still open."""
    active_buy: Shares
    """Volume of prints whose aggressor bought; called ``bought`` in version 1, as is what foreigners bought elsewhere."""
    active_sell: Shares
    """Volume of prints whose aggressor sold; called ``sold`` in version 1."""
    neutral: Shares
    """Volume of prints without an aggressor: auctions, and inside the spread."""
    put_through_volume: Shares
    unanchored: int
    repeats: int
    active_buy_value: Vnd | None = None
    """What the prints of ``active_buy`` were worth, and so on; None on a day that a release before 0.3.0 began."""
    active_sell_value: Vnd | None = None
    neutral_value: Vnd | None = None
    put_through_value: Vnd | None = None


class CandleEvent(Message):
    """``market.candles``: a symbol's minute; the last one of a (symbol, minute) wins.

    Made 15 seconds of market time after the minute is over, and again whenever a late print amends it. A minute without a match
    of the order book has none. Put-through deals, odd lots and prints without a total are not in it.
    """

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    minute_ms: UnixMs
    """When the minute began."""
    ts_ms: UnixMs
    """Market time at which it was told."""
    revision: int
    """How often it had been told before: 0 when its minute is over, more when it is amended."""
    reference: Price
    """The day's reference price, as known when the last print came; 0 while the feed had not said it."""
    opens: bool
    """Whether the first match of the day is in it, so that ``open`` is the day's."""
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Shares
    value: Vnd
    active_buy: Shares
    """Volume of prints whose aggressor bought."""
    active_sell: Shares
    """Volume of prints whose aggressor sold."""
    prints: int
    usual_volume: Shares | None
    """What the symbol usually trades in the five minutes in which this one is; None where nothing says so."""
    usual_days: int | None
    """Of how many days that is the mean."""


class LedgerEntry(Message):
    """``market.foreign``: one line of the foreign ledger; a symbol's day total of a side is the sum of its lines.

    - ``delta``: grown since the record before it, while some feed ran without a break.
    - ``catch_up``: grown unseen, somewhere in [since_ms, ts_ms]: no feed ran without a break, or it is the first of the day.
    - ``correction``: the feed took volume back (negative).
    - ``reset``: the feed's counter restarted at 0 and has reached ``counter``; the old total stays.
    - ``revaluation``: the side's value moved, and no share did.
    - ``room``: the room moved, and nothing else did; on the buying side, which it limits.
    """

    kind: Literal["delta", "catch_up", "correction", "reset", "revaluation", "room"]
    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    ts_ms: UnixMs
    since_ms: UnixMs
    """When the volume began to accrue: the last accepted time."""
    side: Side
    """BUY or SELL."""
    generation: int
    """How often this side's counter has restarted today."""
    counter_from: Shares
    """The feed's counter before it: entries of a (symbol, side, generation) chain without a hole."""
    counter: Shares
    """The feed's counter after it."""
    volume: Shares
    value: Vnd
    """Growth of the side's value; may be negative on its own."""
    room: Shares
    """What foreigners may still buy: what the feed had said last when the line was made. A line that waited for the verdict of a
    later record has the room of before that record, if any was told."""
    ambiguous: bool
    """To be looked at: a correction that took back between 10 % and half of the mark, or a restart right after one record had
    more than doubled the counter."""


class FlowEvent(Message):
    """``market.flow``: what foreigners did in a scope up to a market minute. Cumulative: the last of a day is its total."""

    scope: str
    """``market``, an exchange (``HOSE``), a group (``VN30``) or a sector (``sector:Banks``)."""
    day: TradingDay
    ts_ms: UnixMs
    bought: Shares
    sold: Shares
    bought_value: Vnd
    sold_value: Vnd


class IndexEvent(Message):
    """``market.indices``: an index as the feed says it; ceilings are not among the advances, nor floors among the declines."""

    symbol: Symbol
    day: TradingDay
    ts_ms: UnixMs
    value: Price
    prior_value: Price
    volume: Shares
    traded_value: Vnd
    put_through_volume: Shares
    put_through_value: Vnd
    advances: int
    no_changes: int
    declines: int
    ceilings: int
    floors: int
    session: str | None


class BasisEvent(Message):
    """``market.basis``: a future against its index, at each print of the one and each tick of the other."""

    symbol: Symbol
    """The contract, by its symbol on the feed."""
    underlying: Symbol
    month: int
    """Delivery month, YYYYMM."""
    day: TradingDay
    ts_ms: UnixMs
    price: Price
    index_value: Price
    basis: Price
    """price − index_value, in hundredths of a point: positive is a premium."""
    basis_pct: float
    """basis ÷ index_value × 100, four decimals."""
    days_to_expiry: int
    """Calendar days to the last trading day; 0 on it."""
    stale: bool
    """The index was not live: before 09:15, at lunch, after the close, or silent for 15 s."""
    alias: str | None = None
    """What traders call the contract by its rank among the listed: ``VN30F1M`` is the front month. None beyond the fourth."""
    slope: float | None = None
    """How fast the basis moves, over the last five minutes: hundredths of a point a minute, two decimals. It converges where
    the sign is not that of ``basis``. None before there is a minute of it, and while it is stale."""


class AlertEvent(Message):
    """``market.alerts``: a rule fired."""

    alert_id: str
    """Derived from rule, symbol, day and anchor: the same on every replay."""
    rule: str
    kind: str
    severity: Literal["info", "warning", "critical"]
    symbol: Symbol
    direction: str
    """``up`` or ``down``, ``buy`` or ``sell``, empty where it has none."""
    day: TradingDay
    ts_ms: UnixMs
    message: str
    """One English sentence for a person."""
    message_vi: str = ""
    """The same in Vietnamese; empty in alerts of releases before 0.3.0."""
    data: dict[str, int | float | str]
    """The figures behind it, by name."""


class TradesFrame(Versioned):
    """A message of ``market.trades``."""

    schema_: int = version(2)

    events: list[TradeEvent]


class QuotesFrame(Versioned):
    """A message of ``market.quotes``."""

    events: list[QuoteEvent]


class DailyFrame(Versioned):
    """A message of ``market.daily``."""

    schema_: int = version(2)

    events: list[DailyEvent]


class CandlesFrame(Versioned):
    """A message of ``market.candles``."""

    events: list[CandleEvent]


class LedgerFrame(Versioned):
    """A message of ``market.foreign``."""

    schema_: int = version(2)

    events: list[LedgerEntry]


class FlowFrame(Versioned):
    """A message of ``market.flow``."""

    events: list[FlowEvent]


class IndexFrame(Versioned):
    """A message of ``market.indices``."""

    events: list[IndexEvent]


class BasisFrame(Versioned):
    """A message of ``market.basis``."""

    events: list[BasisEvent]


class AlertsFrame(Versioned):
    """A message of ``market.alerts``."""

    events: list[AlertEvent]


class FlowSum(Message):
    """What foreigners did in a scope, in one shard or in all; cumulative over the day."""

    scope: str
    bought: Shares
    sold: Shares
    bought_value: Vnd
    sold_value: Vnd


class Mover(Message):
    """A symbol's foreign net value today; buyers have positive ones only, sellers negative ones only."""

    symbol: Symbol
    net_value: Vnd
    net_volume: Shares


class Movers(Message):
    """The largest net buyers and sellers of a scope: the market, an exchange, VN30 or a sector."""

    scope: str
    buyers: list[Mover]
    """Largest first."""
    sellers: list[Mover]
    """Largest first."""


class PartialFlow(Versioned):
    """``partial.flow``: one shard's share of the flow at a market second. A second is complete once all shards reached it."""

    shard: int
    shards: int
    """How many there are."""
    day: TradingDay
    ts_ms: UnixMs
    changed: bool
    """False: nothing changed since this shard's partial before it, and ``sums`` and ``movers`` are left out."""
    sums: list[FlowSum]
    movers: list[Movers]
    """The shard's own."""


class IndexShare(Message):
    """The members of an index in one shard."""

    symbol: Symbol
    """Of the index."""
    counts: list[int]
    """How many of them advance, stand still, decline, are at their ceiling, at their floor, and have not traded today."""


class PartialBreadth(Versioned):
    """``partial.breadth``: how the members of indices in one shard stand at a market second, if that changed."""

    shard: int
    shards: int
    """How many there are."""
    day: TradingDay
    ts_ms: UnixMs
    indices: list[IndexShare]
