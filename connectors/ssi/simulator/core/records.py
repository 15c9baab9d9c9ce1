"""What the simulated exchanges say, in exact integers; :mod:`connectors.ssi.simulator.core.wire` turns it into SSI's JSON.

Prices are in VND for stocks and in hundredths of a point for futures and indices; volumes are shares or contracts; values are in
VND. ``ts_ms`` is the exchange time that a record is stamped with, a whole second. ``due_ms`` is the market time at which the feed
sends it: in the same second or, after an auction, a few seconds later. A day of true size has 2.5 million records, so they are
msgspec Structs that the garbage collector need not visit.

``X`` and ``B`` are not among them: they tell what other records have told already, and are written out of those
(:mod:`connectors.ssi.simulator.core.derived`).
"""

from typing import ClassVar, Literal

import msgspec

from connectors.ssi.simulator.core.universe import IndexListing, Listing

Channel = Literal["X-TRADE", "X-QUOTE", "R", "MI", "F", "OL", "X", "B"]
"""SSI's channels."""
SsiSide = Literal["BU", "SD"]
"""SSI's words for who came to the other's price: the buyer (BU) or the seller (SD)."""
CHANNELS: tuple[Channel, ...] = ("X-TRADE", "X-QUOTE", "R", "MI", "F", "OL", "X", "B")
"""In the order in which a subscription is answered."""
PUT_THROUGH = "PT"
"""SSI's word for the session of a put-through deal, which two parties agreed on outside the order book."""
HALT = "H"
"""SSI's word for the session of a symbol whose trading is halted, in ``X-TRADE``; ``F`` spells it out."""


class Trade(msgspec.Struct, frozen=True, gc=False):
    """``X-TRADE``: a print, a put-through deal (in the session ``PT``), or how a symbol stands where nothing has matched.

    It stands so, without a volume, before its first match, in an auction and in a halt.
    """

    channel: ClassVar[Channel] = "X-TRADE"

    due_ms: int
    ts_ms: int
    listing: Listing
    price: int
    """The price of the last match; 0 before the first of the day."""
    volume: int
    """How many shares this match alone traded; 0 in a record that is no print."""
    total_volume: int
    total_value: int
    high: int
    low: int
    expected: int
    """In an auction the price at which it would match now, in continuous trading the price before this one."""
    session: str
    side: SsiSide | None
    """``BU`` when the buyer came to the seller's price, ``SD`` the other way round, None in auctions."""

    @property
    def is_deal(self) -> bool:
        """Whether it is a put-through deal."""
        return self.session == PUT_THROUGH

    @property
    def is_print(self) -> bool:
        """Whether it is a match of the order book."""
        return self.volume > 0 and self.session != PUT_THROUGH


class Quote(msgspec.Struct, frozen=True, gc=False):
    """``X-QUOTE``: the whole book, best level first. A level with price 0 and a volume holds market orders in an auction."""

    channel: ClassVar[Channel] = "X-QUOTE"

    due_ms: int
    ts_ms: int
    listing: Listing
    bid_prices: tuple[int, ...]
    bid_volumes: tuple[int, ...]
    ask_prices: tuple[int, ...]
    ask_volumes: tuple[int, ...]
    session: str


class Foreign(msgspec.Struct, frozen=True, gc=False):
    """``R``: what foreigners bought and sold since the open of the record's day, and the room left to them."""

    channel: ClassVar[Channel] = "R"

    due_ms: int
    ts_ms: int
    listing: Listing
    room: int
    bought: int
    sold: int
    bought_value: int
    sold_value: int


class IndexValue(msgspec.Struct, frozen=True, gc=False):
    """``MI``: an index and the turnover of its members."""

    channel: ClassVar[Channel] = "MI"

    due_ms: int
    ts_ms: int
    listing: IndexListing
    value: int
    prior: int
    volume: int
    traded_value: int
    put_through_volume: int
    put_through_value: int
    advances: int
    """Members above their reference, without those at their ceiling."""
    no_changes: int
    """Members at their reference, those that have not traded among them."""
    declines: int
    ceilings: int
    floors: int
    session: str


class Status(msgspec.Struct, frozen=True, gc=False):
    """``F``: the session that a symbol is in."""

    channel: ClassVar[Channel] = "F"

    due_ms: int
    ts_ms: int
    listing: Listing
    session: str
    is_halted: bool = False


class OddLot(msgspec.Struct, frozen=True, gc=False):
    """``OL``: a match of the odd-lot board, and the book there. Both boards together make its totals, its high and its low."""

    channel: ClassVar[Channel] = "OL"

    due_ms: int
    ts_ms: int
    listing: Listing
    price: int
    volume: int
    total_volume: int
    total_value: int
    open: int
    high: int
    low: int
    bid_prices: tuple[int, ...]
    bid_volumes: tuple[int, ...]
    ask_prices: tuple[int, ...]
    ask_volumes: tuple[int, ...]
    session: str


class Verbatim(msgspec.Struct, frozen=True, gc=False):
    """What SSI's hub once said, to be said again to the letter."""

    channel: Channel
    """It says nothing of what nobody could read."""
    due_ms: int
    ts_ms: int
    listing: Listing | IndexListing
    """What it is of; anything that is listed, where nobody could read it."""
    text: str
    """The argument of Broadcast, or a whole hub message in Base64."""
    form: Literal["record", "argument", "message"] = "record"
    """Whether it is a record, an argument that nobody could read, or a whole message that nobody could."""
    meaning: Trade | Foreign | None = None
    """The match, the deal or the foreign counters of the trading day that it tells of, if it does."""


SimulatedRecord = Trade | Quote | Foreign | IndexValue | Status | OddLot | Verbatim
