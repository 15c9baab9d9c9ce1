"""A captured or recorded day: what SSI's hub once said, ready to be said again. Pure: lines in, a day out.

A line is the argument of a Broadcast: bare, as a JSON string, or in an object under ``broadcast_arg``. A message of ``ssi.wire``
is a whole hub message with any number of them. The arguments are kept as they are, and so is every message that cannot be read,
for a client must bear that again. What else the hub said (its first message, answers, keep-alives) is the simulator's own.

Bytes of a line that are no UTF-8 are replaced: a hub message with such a byte is kept whole only in a fixture.

Nothing says when a record was sent but its exchange time, which is a second; so a record is due at the greatest exchange time of
its trading day up to then. What precedes the first record of that day, such as the snapshot of the day before, is due with it.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

import msgspec

from connectors.ssi.simulator.core.errors import UnreadableDay
from connectors.ssi.simulator.core.market import MarketDay, MarketSize, SeededRandom
from connectors.ssi.simulator.core.records import CHANNELS, Channel, Foreign, SimulatedRecord, Trade, Verbatim
from connectors.ssi.simulator.core.universe import IndexListing, Listing, Universe
from schemas.calendar import as_day, at
from schemas.units import POINT, Exchange, Price, Shares, Symbol, TradingDay

_CHANNELS: dict[str, Channel] = {channel: channel for channel in CHANNELS}
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


class CapturedText(NamedTuple):
    """One thing that the hub said: an argument of Broadcast, or, in Base64, a message that nobody could read."""

    text: str
    is_message: bool


@dataclass(frozen=True)
class _Content:
    """What is known of an argument: enough to subscribe to it and to know when it is due."""

    channel: Channel
    symbol: str
    ts_ms: int
    day: TradingDay
    fields: dict[str, Any]


def said_in_lines(lines: Iterable[bytes]) -> Iterator[CapturedText]:
    """The arguments in a file of lines; empty lines are skipped."""
    for line in lines:
        text = line.decode(errors="replace").strip()
        if not text:
            continue
        try:
            value = msgspec.json.decode(line)
        except _UNREADABLE:
            yield CapturedText(text, is_message=False)
            continue
        value = value.get("broadcast_arg") if isinstance(value, dict) else value
        yield CapturedText(value if isinstance(value, str) else text, is_message=False)


def said_in_message(value: bytes) -> Iterator[CapturedText]:
    """What is to be said again of one message of ``ssi.wire``."""
    try:
        message = msgspec.json.decode(value)
    except _UNREADABLE:
        yield CapturedText(base64.b64encode(value).decode(), is_message=True)
        return
    invocations = message.get("M") if isinstance(message, dict) else None
    for invocation in invocations if isinstance(invocations, list) else []:
        arguments = invocation.get("A") if isinstance(invocation, dict) else None
        if isinstance(invocation, dict) and str(invocation.get("M")).lower() == "broadcast" and isinstance(arguments, list):
            for argument in arguments:
                text = argument if isinstance(argument, str) else msgspec.json.encode(argument).decode()
                yield CapturedText(text, is_message=False)


@dataclass(frozen=True)
class CapturedDay(MarketDay):
    """A day that was captured: its records are there, none is made."""

    said: list[SimulatedRecord]

    def periods(self) -> Iterator[list[SimulatedRecord]]:
        """All of it."""
        yield self.said


def captured_day(said: Iterable[CapturedText], source: str, seeded: SeededRandom) -> CapturedDay:
    """Make a day of what the hub said, in its order.

    Args:
        said: What it said.
        source: What it is of, for the text of an error.
        seeded: ``random.Random``, for what REST tells of the days before.

    Raises:
        UnreadableDay: There is no record with a date and a time in it.
    """
    everything = [(one, _content(one.text) if not one.is_message else None) for one in said]
    days = [content.day for _, content in everything if content is not None]
    if not days:
        raise UnreadableDay(source, "no record with a TradingDate and a Time is in it")
    day = max(days)
    due_ms = next(content.ts_ms for _, content in everything if content is not None and content.day == day)
    listings = _Listings([content for _, content in everything if content is not None])
    records: list[SimulatedRecord] = []
    for one, content in everything:
        is_of_the_day = content is not None and content.day == day
        if content is not None and is_of_the_day:
            due_ms = max(due_ms, content.ts_ms)
        records.append(
            Verbatim(
                channel=content.channel if content is not None else "X-TRADE",
                due_ms=due_ms,
                ts_ms=content.ts_ms if content is not None else due_ms,
                listing=listings.of(content),
                text=one.text,
                form="record" if content is not None else "message" if one.is_message else "argument",
                meaning=_meaning(content, due_ms, listings.of(content)) if content is not None and is_of_the_day else None,
            )
        )
    return CapturedDay(day, 0, listings.universe(), (), MarketSize(), seeded, records)


def _meaning(content: _Content, due_ms: int, listing: Listing | IndexListing) -> Trade | Foreign | None:
    """The match, the deal or the foreign counters that a record of the day tells of."""
    if not isinstance(listing, Listing):
        return None
    fields, unit = content.fields, POINT if listing.is_future else 1

    def whole(name: str, factor: int = 1) -> int:
        return round(_number(fields.get(name)) * factor)

    if content.channel == "R":
        counters = (whole(name) for name in ("CurrentRoom", "BuyVol", "SellVol", "BuyVal", "SellVal"))
        return Foreign(due_ms, content.ts_ms, listing, *counters)
    if content.channel != "X-TRADE":
        return None
    price, volume = whole("LastPrice", unit), whole("LastVol")
    return Trade(
        due_ms=due_ms,
        ts_ms=content.ts_ms,
        listing=listing,
        price=price,
        # As in the folds: without a price it is no match.
        volume=volume if price else 0,
        total_volume=whole("TotalVol"),
        total_value=whole("TotalVal"),
        high=whole("Highest", unit),
        low=whole("Lowest", unit),
        expected=whole("EstMatchedPrice", unit),
        session=str(fields.get("TradingSession") or ""),
        side=fields.get("Side") if fields.get("Side") in ("BU", "SD") else None,
    )


def _content(argument: str) -> _Content | None:
    """What ``argument`` says of itself; None where it is not SSI's."""
    try:
        envelope = {name.lower(): value for name, value in msgspec.json.decode(argument).items()}
        content = envelope["content"]
        fields: dict[str, Any] = msgspec.json.decode(content) if isinstance(content, str) else dict(content)
        channel = _CHANNELS[str(envelope["datatype"]).upper()]
        symbol = str(fields.get("IndexId") if channel == "MI" else fields["Symbol"]).upper()
        day, month, year = map(int, str(fields["TradingDate"]).split("/"))
        hour, minute, second = map(int, str(fields.get("Time") or fields["TradingTime"]).split(":"))
        trading_day = as_day(date(year, month, day))
        ts_ms = at(trading_day, hour, minute, second)
    except (*_UNREADABLE, KeyError, ValueError, TypeError, AttributeError):
        return None
    return _Content(channel, symbol, ts_ms, trading_day, fields)


class _Listings:
    """What is listed, as far as the records tell."""

    def __init__(self, contents: list[_Content]) -> None:
        self._indices: dict[str, IndexListing] = {}
        self._listings: dict[str, Listing] = {}
        for content in contents:
            if content.channel == "MI":
                self._indices.setdefault(content.symbol, _index(content))
        for content in contents:
            known = self._listings.get(content.symbol)
            # The bars of an index are of no instrument. Not every record of one has its reference.
            if content.symbol not in self._indices and (known is None or not known.reference):
                self._listings[content.symbol] = _listing(content.symbol, content.fields)

    def of(self, content: _Content | None) -> Listing | IndexListing:
        """What a record is of; anything that is listed, for one that nobody could read."""
        symbol = content.symbol if content is not None else next(iter(self._listings or self._indices))
        return self._indices.get(symbol) or self._listings[symbol]

    def universe(self) -> Universe:
        """All of them."""
        stocks = tuple(listing for listing in self._listings.values() if not listing.is_future)
        futures = tuple(listing for listing in self._listings.values() if listing.is_future)
        return Universe(stocks, futures, tuple(self._indices.values()))


def _listing(symbol: str, fields: dict[str, Any]) -> Listing:
    exchange = _exchange(fields)
    unit = POINT if exchange is Exchange.DER else 1

    def price(name: str) -> Price:
        return Price(round(_number(fields.get(name)) * unit))

    return Listing(
        symbol=Symbol(symbol),
        exchange=exchange,
        name=symbol,
        reference=price("RefPrice"),
        ceiling=price("Ceiling"),
        floor=price("Floor"),
        shares=Shares(0),
        free_float=0,
        total_room=Shares(round(_number(fields.get("TotalRoom")))),
        room=Shares(round(_number(fields.get("CurrentRoom")))),
        weight=0.0,
    )


def _index(content: _Content) -> IndexListing:
    prior = Price(round(_number(content.fields.get("PriorIndexValue")) * POINT))
    index_id = str(content.fields.get("IndexId"))
    return IndexListing(index_id, _exchange(content.fields), prior, "Main", (), has_breadth=True)


def _exchange(fields: dict[str, Any]) -> Exchange:
    said = str(fields.get("Exchange") or fields.get("MarketId") or "HOSE").upper()
    return Exchange.DER if said == "DERIVATIVES" else Exchange(said) if said in Exchange.__members__ else Exchange.HOSE


def _number(value: Any) -> float:
    """A number that SSI may have written as text, as ``NaN``, or not at all; 0 for what is none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if abs(number) < 1e18 else 0.0
