"""Records as SSI writes them: exact key order, .NET's numbers, a string in a string in a hub message.

Json.NET prints a double with a decimal point (``100.0``), drops trailing zeros (``-2.3``), writes a double that is no number
as the string ``"NaN"``, and an int without a point (``Highest``, ``Advances``). Every double here is far below 1e15, where
.NET would change to exponents. Python's ``repr`` of a float gives the same shortest digits.

What never changes in the records of a listing is written once, into a template: with gaps for the numbers, and a second time with
the quotes escaped twice, as they are in a hub message. So writing a record is filling in numbers.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from connectors.ssi.simulator.core.records import (
    HALT,
    Foreign,
    IndexValue,
    OddLot,
    Quote,
    SimulatedRecord,
    Status,
    Trade,
    Verbatim,
)
from connectors.ssi.simulator.core.universe import IndexListing, Listing
from schemas.calendar import ICT
from schemas.units import POINT, Exchange

HUB = "FcMarketDataV2Hub"
LEVELS = 10
"""Levels of a book that SSI sends; those that the exchange does not publish are 0."""
ODD_LOT_LEVELS = 3
"""Levels of the odd-lot book that SSI sends."""
_TEMPLATES = 32_768
"""Most templates that are kept: a market of true size needs about ten for each listing."""

_WIRE_EXCHANGE = {Exchange.DER: "DERIVATIVES"}
_STATUS = {Exchange.HOSE: "N", Exchange.HNX: "NT", Exchange.UPCOM: "NT", Exchange.DER: "Normal"}
_HALTED = "H"
_STOCK_TYPES = {"stock": "Stock", "etf": "ETF", "warrant": "CW", "future": "Future"}
_STAMP = '"TradingDate":"%s","Time":"%s"'


class _Template(NamedTuple):
    """A record with gaps (``%d``, ``%r``, ``%s``) where the numbers and the times are."""

    content: str
    invocation: str
    """The content in its hub invocation."""

    @classmethod
    def of(cls, data_type: str, text: str) -> "_Template":
        return cls(text, invocation(broadcast(data_type, text)))


_Filled = tuple[_Template, tuple[Any, ...]]
"""A template, and what belongs into its gaps."""


def content(record: SimulatedRecord) -> str:
    """Write the ``Content`` of a record: a JSON object, not yet escaped as a string."""
    template, values = _FILL[type(record)](record)
    return template.content % values


def encode(record: SimulatedRecord) -> str:
    """Write a record as the hub invocation that carries it; a whole message that was captured as it was kept."""
    if isinstance(record, Verbatim):
        return record.text if record.form == "message" else carrying(record.text)
    template, values = _FILL[type(record)](record)
    return template.invocation % values


def broadcast(data_type: str, text: str) -> str:
    """Write the argument of ``Broadcast``: an object of the data type and the content, which is in it as a string."""
    return f'{{"DataType":"{data_type}","Content":"{_escaped(text)}"}}'


def invocation(argument: str) -> str:
    """Write one hub invocation of ``Broadcast``, an element of a hub message's ``M``."""
    return f'{{"H":"{HUB}","M":"Broadcast","A":["{_escaped(argument)}"]}}'


def carrying(argument: str) -> str:
    """Write one hub invocation of ``Broadcast`` with any argument, in ASCII; :func:`invocation` takes only those of ours."""
    return f'{{"H":"{HUB}","M":"Broadcast","A":[{json.dumps(argument)}]}}'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@lru_cache(maxsize=1024)
def _stamp(ts_ms: int) -> tuple[str, str]:
    moment = datetime.fromtimestamp(ts_ms / 1000, ICT)
    return moment.strftime("%d/%m/%Y"), moment.strftime("%H:%M:%S")


def _price(value: int, listing: Listing) -> str:
    return repr(value / POINT) if listing.is_future else f"{value}.0"


def _exchange(exchange: Exchange) -> str:
    return _WIRE_EXCHANGE.get(exchange, exchange.value)


def _percent(change: int, base: int) -> float:
    """``change`` as a percentage of ``base`` to two decimals, halves away from zero."""
    hundredths = (abs(change) * 20_000 + base) // (2 * base)
    return (hundredths if change >= 0 else -hundredths) / 100


# -- X-TRADE


@lru_cache(maxsize=_TEMPLATES)
def _trade_template(listing: Listing, session: str, side: str | None, is_traded: bool) -> _Template:
    exchange, reference = _exchange(listing.exchange), _price(listing.reference, listing)
    price, whole = ("%r", "%s") if listing.is_future else ("%d.0", "%d")
    return _Template.of(
        "X-TRADE",
        f'{{"RType":"X-TRADE",{_STAMP},"Isin":"{listing.symbol}","Symbol":"{listing.symbol}",'
        f'"Ceiling":{_price(listing.ceiling, listing)},"Floor":{_price(listing.floor, listing)},"RefPrice":{reference},'
        f'"AvgPrice":{"%r" if is_traded else _NAN},"PriorVal":{reference},"LastPrice":{price},"LastVol":%d.0,'
        f'"TotalVal":%d.0,"TotalVol":%d.0,"MarketId":"{exchange}","Exchange":"{exchange}",'
        f'"TradingSession":"{session}","TradingStatus":"{_HALTED if session == HALT else _STATUS[listing.exchange]}",'
        f'"Change":{price},"RatioChange":%r,"EstMatchedPrice":{price},'
        f'"Highest":{whole},"Lowest":{whole},"Side":{_quoted(side)}}}',
    )


_NAN = '"NaN"'


def _quoted(text: str | None) -> str:
    return "null" if text is None else f'"{text}"'


def _trade(trade: Trade) -> _Filled:
    listing, last, volume = trade.listing, trade.price, trade.total_volume
    template = _trade_template(listing, trade.session, trade.side, volume > 0)
    average = (round(trade.total_value / volume, 3),) if volume else ()
    ratio = _percent(last - listing.reference, listing.reference)
    totals = (trade.volume, trade.total_value, volume)
    if not listing.is_future:
        numbers = (last - listing.reference, ratio, trade.expected, trade.high, trade.low)
        return template, (*_stamp(trade.ts_ms), *average, last, *totals, *numbers)
    # SSI subtracts doubles, as a captured change of a future shows: -6.099999999999909.
    change = last / POINT - listing.reference / POINT
    extremes = (_whole(trade.high), _whole(trade.low))
    return template, (
        *_stamp(trade.ts_ms), *average, last / POINT, *totals, change, ratio, trade.expected / POINT, *extremes,
    )  # fmt: skip


def _whole(value: int) -> str:
    """``Highest`` and ``Lowest`` of a future, which SSI writes without a decimal point where they have no decimals."""
    return repr(value / POINT).removesuffix(".0")


# -- X-QUOTE


@lru_cache(maxsize=_TEMPLATES)
def _quote_template(listing: Listing, session: str) -> _Template:
    price = "%r" if listing.is_future else "%d.0"
    depth = listing.depth
    return _Template.of(
        "X-QUOTE",
        f'{{{_STAMP},"Exchange":"{_exchange(listing.exchange)}","Symbol":"{listing.symbol}","RType":"X-QUOTE",'
        f"{_levels('AskPrice', price, depth, LEVELS)},{_levels('AskVol', '%d.0', depth, LEVELS)},"
        f"{_levels('BidPrice', price, depth, LEVELS)},{_levels('BidVol', '%d.0', depth, LEVELS)},"
        f'"TradingSession":"{session}"}}',
    )


def _levels(name: str, gap: str, depth: int, levels: int) -> str:
    return ",".join(f'"{name}{level}":{gap if level <= depth else "0.0"}' for level in range(1, levels + 1))


def _quote(quote: Quote) -> _Filled:
    listing = quote.listing
    depth = listing.depth
    asks, bids = quote.ask_prices, quote.bid_prices
    if listing.is_future:
        sides = (_points(asks, depth), _padded(quote.ask_volumes, depth), _points(bids, depth), _padded(quote.bid_volumes, depth))
    else:
        sides = (
            _padded(asks, depth), _padded(quote.ask_volumes, depth), _padded(bids, depth), _padded(quote.bid_volumes, depth),
        )  # fmt: skip
    asked, asked_volumes, bid, bid_volumes = sides
    return _quote_template(listing, quote.session), (*_stamp(quote.ts_ms), *asked, *asked_volumes, *bid, *bid_volumes)


def _padded(numbers: tuple[int, ...], levels: int) -> tuple[int, ...]:
    missing = levels - len(numbers)
    return numbers + (0,) * missing if missing else numbers


def _points(prices: tuple[int, ...], levels: int) -> tuple[float, ...]:
    return tuple(price / POINT for price in _padded(prices, levels))


# -- R, MI, F, OL


@lru_cache(maxsize=_TEMPLATES)
def _foreign_template(listing: Listing) -> _Template:
    exchange = _exchange(listing.exchange)
    return _Template.of(
        "R",
        f'{{"RType":"R",{_STAMP},"Isin":"{listing.symbol}","Symbol":"{listing.symbol}",'
        f'"TotalRoom":{listing.total_room}.0,"CurrentRoom":%d.0,"BuyVol":%d.0,"SellVol":%d.0,"BuyVal":%d.0,"SellVal":%d.0,'
        f'"MarketId":"{exchange}","Exchange":"{exchange}"}}',
    )


def _foreign(foreign: Foreign) -> _Filled:
    counters = (foreign.room, foreign.bought, foreign.sold, foreign.bought_value, foreign.sold_value)
    return _foreign_template(foreign.listing), (*_stamp(foreign.ts_ms), *counters)


@lru_cache(maxsize=256)
def _index_template(listing: IndexListing, session: str) -> _Template:
    exchange = _exchange(listing.exchange)
    return _Template.of(
        "MI",
        f'{{"IndexId":"{listing.index_id}","IndexValue":%r,"PriorIndexValue":%r,'
        f'{_STAMP},"TotalTrade":0.0,"TotalQtty":%d.0,"TotalValue":%d.0,'
        f'"IndexName":"{listing.index_id}","Advances":%d,"NoChanges":%d,"Declines":%d,"Ceilings":%d,"Floors":%d,'
        f'"Change":%r,"RatioChange":%r,"TotalQttyPt":%d.0,"TotalValuePt":%d.0,"Exchange":"{exchange}",'
        f'"AllQty":%d.0,"AllValue":%d.0,'
        f'"IndexType":"{listing.index_type}","TradingSession":"{session}","MarketId":"{exchange}","RType":"MI",'
        f'"TotalQttyOd":0.0,"TotalValueOd":0.0}}',
    )


def _index(index: IndexValue) -> _Filled:
    change = index.value - index.prior
    return _index_template(index.listing, index.session), (
        index.value / POINT, index.prior / POINT, *_stamp(index.ts_ms), index.volume, index.traded_value,
        index.advances, index.no_changes, index.declines, index.ceilings, index.floors,
        change / POINT, _percent(change, index.prior), index.put_through_volume, index.put_through_value,
        index.volume + index.put_through_volume, index.traded_value + index.put_through_value,
    )  # fmt: skip


@lru_cache(maxsize=_TEMPLATES)
def _status_template(listing: Listing, session: str, is_halted: bool) -> _Template:
    exchange = _exchange(listing.exchange)
    return _Template.of(
        "F",
        f'{{"RType":"F","MarketId":"{exchange}",{_STAMP},"Symbol":"{listing.symbol}",'
        f'"TradingSession":"{session}","TradingStatus":"{_HALTED if is_halted else _STATUS[listing.exchange]}",'
        f'"Exchange":"{exchange}","TradingOlSession":""}}',
    )


def _status(status: Status) -> _Filled:
    return _status_template(status.listing, status.session, status.is_halted), _stamp(status.ts_ms)


@lru_cache(maxsize=_TEMPLATES)
def _odd_lot_template(listing: Listing, session: str) -> _Template:
    def whole(name: str) -> str:
        return ",".join(f'"{name}{level}":%d' for level in range(1, ODD_LOT_LEVELS + 1))

    return _Template.of(
        "OL",
        f'{{"RType":"OL",{_STAMP},"StockNo":{listing.number},"Symbol":"{listing.symbol}",'
        f'"Ceiling":{listing.ceiling},"Floor":{listing.floor},"RefPrice":{listing.reference},"Open":%d,"High":%d,"Low":%d,'
        f'"LastPrice":%d,"LastVol":%d,"TotalVal":%d,"TotalVol":%d,'
        f"{whole('BidPrice')},{whole('BidVol')},{whole('AskPrice')},{whole('AskVol')},"
        f'"Exchange":"{_exchange(listing.exchange)}","TradingSession":"{session}","TradingStatus":"{_STATUS[listing.exchange]}",'
        f'"Change":%d,"RatioChange":%s,"StockType":"{_STOCK_TYPES[listing.kind]}"}}',
    )


def _odd_lot(odd: OddLot) -> _Filled:
    listing, change = odd.listing, odd.price - odd.listing.reference
    books = (odd.bid_prices, odd.bid_volumes, odd.ask_prices, odd.ask_volumes)
    return _odd_lot_template(listing, odd.session), (
        *_stamp(odd.ts_ms), odd.open, odd.high, odd.low, odd.price, odd.volume, odd.total_value, odd.total_volume,
        *(number for side in books for number in _padded(side, ODD_LOT_LEVELS)),
        # The guide's sample has no decimal point on this board where there are no decimals.
        change, repr(_percent(change, listing.reference)).removesuffix(".0"),
    )  # fmt: skip


_FILL: dict[type[SimulatedRecord], Callable[[Any], _Filled]] = {
    Trade: _trade,
    Quote: _quote,
    Foreign: _foreign,
    IndexValue: _index,
    Status: _status,
    OddLot: _odd_lot,
}
