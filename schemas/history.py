"""What SSI's REST says of days that are over, as the connector reads it and the archive stores it.

Prices are VND for stocks and hundredths of a point for futures and indices; volumes are shares, of futures contracts; values are
VND. None stands where SSI does not say.
"""

from typing import Literal, NamedTuple

from schemas.units import Exchange, Price, Shares, Symbol, TradingDay, UnixMs, Vnd

HistoryKind = Literal["days", "indices", "minutes"]
"""What there is history of: days of instruments, days of indices, minutes of instruments."""


class HistoryDay(NamedTuple):
    """A day of an instrument."""

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    reference: Price | None
    ceiling: Price | None
    floor: Price | None
    open: Price | None
    """None where nothing was matched, as the next three."""
    high: Price | None
    low: Price | None
    close: Price | None
    """As traded."""
    close_adjusted: Price | None
    """Less the dividends and splits up to the time of asking."""
    volume: Shares
    """Matched in the order book."""
    value: Vnd
    put_through_volume: Shares | None
    put_through_value: Vnd | None
    foreign_bought: Shares | None
    foreign_sold: Shares | None
    foreign_bought_value: Vnd | None
    foreign_sold_value: Vnd | None
    foreign_room: Shares | None
    """What foreigners could still buy."""


class HistoryMinute(NamedTuple):
    """A minute of an instrument in which something was matched."""

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
    minute: UnixMs
    """Its start."""
    ts: UnixMs
    """Of the last match in it."""
    opens: bool
    """Whether it is the first of the day."""
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Shares


class HistoryIndex(NamedTuple):
    """A day of an index. Its counts of members are zeros where SSI counts none, as of VN30."""

    symbol: Symbol
    day: TradingDay
    value: Price
    """At the close."""
    change_pct: float | None
    """Against the close of the day before, in per cent."""
    volume: Shares
    traded_value: Vnd
    put_through_volume: Shares
    put_through_value: Vnd
    advances: int
    no_changes: int
    declines: int
    ceilings: int
    floors: int


class HistoryMark(NamedTuple):
    """SSI was asked of a day, and what came of it is stored."""

    what: HistoryKind
    subject: str
    """A symbol, an index, or a market for all its symbols."""
    day: TradingDay
    rows: int
    """How many rows of it are stored."""
    volume: int
    """The shares in them."""
    unusable: int
    """Rows of it that could not be read."""


class TradedDay(NamedTuple):
    """A day on which an instrument was traded."""

    symbol: Symbol
    exchange: Exchange
    day: TradingDay
