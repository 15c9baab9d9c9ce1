"""Records as SSI writes them: exact key order, .NET's numbers, a string in a string in a hub message.

Json.NET prints a double with a decimal point (``100.0``), drops trailing zeros (``-2.3``), writes a double that is no number
as the string ``"NaN"``, and an int without a point (``Highest``, ``Advances``). Every double here is far below 1e15, where
.NET would change to exponents. Python's ``repr`` of a float gives the same shortest digits.
"""

from datetime import datetime
from functools import lru_cache

from connectors.ssi.simulator.core.records import Foreign, IndexValue, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.universe import Listing
from schemas.calendar import ICT
from schemas.units import POINT, Exchange

HUB = "FcMarketDataV2Hub"
LEVELS = 10
"""Levels of a book that SSI sends; those that the exchange does not publish are 0."""

_WIRE_EXCHANGE = {Exchange.DER: "DERIVATIVES"}
_STATUS = {Exchange.HOSE: "N", Exchange.HNX: "NT", Exchange.UPCOM: "NT", Exchange.DER: "Normal"}


def content(record: SimulatedRecord) -> str:
    """Write the ``Content`` of a record: a JSON object, not yet escaped as a string."""
    match record:
        case Trade():
            return _trade(record)
        case Quote():
            return _quote(record)
        case Foreign():
            return _foreign(record)
        case IndexValue():
            return _index(record)
        case Status():
            return _status(record)


def broadcast(data_type: str, text: str) -> str:
    """Write the argument of ``Broadcast``: an object of the data type and the content, which is in it as a string."""
    return f'{{"DataType":"{data_type}","Content":"{_escaped(text)}"}}'


def invocation(argument: str) -> str:
    """Write one hub invocation of ``Broadcast``, an element of a hub message's ``M``."""
    return f'{{"H":"{HUB}","M":"Broadcast","A":["{_escaped(argument)}"]}}'


def encode(record: SimulatedRecord) -> str:
    """Write a record as the hub invocation that carries it."""
    return invocation(broadcast(record.channel, content(record)))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@lru_cache(maxsize=1024)
def _stamp(ts_ms: int) -> str:
    return datetime.fromtimestamp(ts_ms / 1000, ICT).strftime('"TradingDate":"%d/%m/%Y","Time":"%H:%M:%S"')


def _price(value: int, listing: Listing) -> str:
    return repr(value / POINT) if listing.is_future else f"{value}.0"


def _whole(value: int, listing: Listing) -> str:
    """``Highest`` and ``Lowest``, which SSI writes without a decimal point where they have no decimals."""
    return repr(value / POINT).removesuffix(".0") if listing.is_future else str(value)


def _exchange(exchange: Exchange) -> str:
    return _WIRE_EXCHANGE.get(exchange, exchange.value)


def _trade(trade: Trade) -> str:
    listing, last, reference = trade.listing, trade.price, trade.listing.reference
    # SSI subtracts doubles, as a captured change of a future shows: -6.099999999999909.
    change = last / POINT - reference / POINT if listing.is_future else float(last - reference)
    average = repr(round(trade.total_value / trade.total_volume, 3)) if trade.total_volume else '"NaN"'
    reference_text = _price(reference, listing)
    exchange = _exchange(listing.exchange)
    side = f'"{trade.side}"' if trade.side else "null"
    return (
        f'{{"RType":"X-TRADE",{_stamp(trade.ts_ms)},"Isin":"{listing.symbol}","Symbol":"{listing.symbol}",'
        f'"Ceiling":{_price(listing.ceiling, listing)},"Floor":{_price(listing.floor, listing)},"RefPrice":{reference_text},'
        f'"AvgPrice":{average},"PriorVal":{reference_text},"LastPrice":{_price(last, listing)},"LastVol":{trade.volume}.0,'
        f'"TotalVal":{trade.total_value}.0,"TotalVol":{trade.total_volume}.0,"MarketId":"{exchange}","Exchange":"{exchange}",'
        f'"TradingSession":"{trade.session}","TradingStatus":"{_STATUS[listing.exchange]}","Change":{change!r},'
        f'"RatioChange":{_percent(last - reference, reference)},"EstMatchedPrice":{_price(trade.expected, listing)},'
        f'"Highest":{_whole(trade.high, listing)},"Lowest":{_whole(trade.low, listing)},"Side":{side}}}'
    )


def _quote(quote: Quote) -> str:
    listing = quote.listing
    return (
        f'{{{_stamp(quote.ts_ms)},"Exchange":"{_exchange(listing.exchange)}","Symbol":"{listing.symbol}","RType":"X-QUOTE",'
        f"{_levels('AskPrice', [_price(p, listing) for p in quote.ask_prices])},"
        f"{_levels('AskVol', [f'{v}.0' for v in quote.ask_volumes])},"
        f"{_levels('BidPrice', [_price(p, listing) for p in quote.bid_prices])},"
        f"{_levels('BidVol', [f'{v}.0' for v in quote.bid_volumes])},"
        f'"TradingSession":"{quote.session}"}}'
    )


_LEVEL_KEYS = {name: [f'"{name}{n}":' for n in range(1, LEVELS + 1)] for name in ("AskPrice", "AskVol", "BidPrice", "BidVol")}


def _levels(name: str, numbers: list[str]) -> str:
    padded = numbers + ["0.0"] * (LEVELS - len(numbers))
    return ",".join(map("".join, zip(_LEVEL_KEYS[name], padded, strict=True)))


def _foreign(foreign: Foreign) -> str:
    listing, exchange = foreign.listing, _exchange(foreign.listing.exchange)
    return (
        f'{{"RType":"R",{_stamp(foreign.ts_ms)},"Isin":"{listing.symbol}","Symbol":"{listing.symbol}",'
        f'"TotalRoom":{listing.total_room}.0,"CurrentRoom":{foreign.room}.0,"BuyVol":{foreign.bought}.0,'
        f'"SellVol":{foreign.sold}.0,"BuyVal":{foreign.bought_value}.0,"SellVal":{foreign.sold_value}.0,'
        f'"MarketId":"{exchange}","Exchange":"{exchange}"}}'
    )


def _index(index: IndexValue) -> str:
    listing, exchange = index.listing, _exchange(index.listing.exchange)
    change = index.value - index.prior
    return (
        f'{{"IndexId":"{listing.index_id}","IndexValue":{index.value / POINT!r},"PriorIndexValue":{index.prior / POINT!r},'
        f'{_stamp(index.ts_ms)},"TotalTrade":0.0,"TotalQtty":{index.volume}.0,"TotalValue":{index.traded_value}.0,'
        f'"IndexName":"{listing.index_id}","Advances":{index.advances},"NoChanges":{index.no_changes},'
        f'"Declines":{index.declines},"Ceilings":{index.ceilings},"Floors":{index.floors},"Change":{change / POINT!r},'
        f'"RatioChange":{_percent(change, index.prior)},"TotalQttyPt":{index.put_through_volume}.0,'
        f'"TotalValuePt":{index.put_through_value}.0,"Exchange":"{exchange}",'
        f'"AllQty":{index.volume + index.put_through_volume}.0,"AllValue":{index.traded_value + index.put_through_value}.0,'
        f'"IndexType":"{listing.index_type}","TradingSession":"{index.session}","MarketId":"{exchange}","RType":"MI",'
        f'"TotalQttyOd":0.0,"TotalValueOd":0.0}}'
    )


def _status(status: Status) -> str:
    listing, exchange = status.listing, _exchange(status.listing.exchange)
    return (
        f'{{"RType":"F","MarketId":"{exchange}",{_stamp(status.ts_ms)},"Symbol":"{listing.symbol}",'
        f'"TradingSession":"{status.session}","TradingStatus":"{_STATUS[listing.exchange]}","Exchange":"{exchange}",'
        f'"TradingOlSession":""}}'
    )


def _percent(change: int, base: int) -> str:
    """``change`` as a percentage of ``base`` to two decimals, halves away from zero."""
    hundredths = (abs(change) * 20_000 + base) // (2 * base)
    return repr((hundredths if change >= 0 else -hundredths) / 100)
