"""The channels that say nothing of their own: ``X`` and ``B``, written out of the records of other channels. Pure.

``X`` is sent on any change of a symbol, of its last match or of its book, with the whole of both; so a change of the book repeats
the match. ``B`` is one record for each match, and one for each step of an index. Every number is taken over as it stands in the
hub invocation of the other record: nothing is computed, so that nothing can differ.

The pieces are cut out of invocations, in which quotes are escaped twice.
"""

from typing import NamedTuple

from connectors.ssi.simulator.core.wire import LEVELS, broadcast, invocation

_Q = '\\\\\\"'
"""A quote of a content, as it stands in an invocation."""
_NOTHING = "0.0"
"""The last price of a symbol that has not matched yet."""


class _Match(NamedTuple):
    """The pieces of an ``X-TRADE`` that are in an ``X`` too."""

    stamp: str
    limits: str
    """From Isin to RefPrice, with the comma after it."""
    totals: str
    """From AvgPrice to TotalVol, with the comma after it."""
    market: str
    """MarketId and Exchange, with the comma after them."""
    session: str
    """TradingSession, with the comma after it."""
    change: str
    """From TradingStatus to EstMatchedPrice, with the comma after it."""
    last: str
    high: str
    low: str


class _Book(NamedTuple):
    """The pieces of an ``X-QUOTE`` that are in an ``X`` too."""

    stamp: str
    asks: str
    bids: str
    session: str


class Snapshots:
    """Writes the ``X`` of each symbol, from the last match and the last book that it has been told.

    A symbol's match comes before its first book: before the open it is a record without one. Until then the book is empty.
    """

    def __init__(self) -> None:
        self._matches: dict[int, _Match] = {}
        self._books: dict[int, _Book] = {}
        self._opens: dict[int, str] = {}

    def open(self, symbol: int, trade: str) -> None:
        """Tell it the first print of a symbol in a day: its price is the open."""
        self._opens[symbol] = _value(trade, "LastPrice")

    def match(self, symbol: int, trade: str) -> None:
        """Tell it the last ``X-TRADE`` of a symbol, as an invocation."""
        limits, average, market = _at(trade, "Isin"), _at(trade, "AvgPrice"), _at(trade, "MarketId")
        session, status = _at(trade, "TradingSession"), _at(trade, "TradingStatus")
        self._matches[symbol] = _Match(
            _stamp(trade),
            trade[limits:average],
            trade[average:market],
            trade[market:session],
            trade[session:status],
            trade[status : _at(trade, "Highest")],
            _value(trade, "LastPrice"),
            _double(_value(trade, "Highest")),
            _double(_value(trade, "Lowest")),
        )

    def book(self, symbol: int, quote: str) -> None:
        """Tell it the last ``X-QUOTE`` of a symbol, as an invocation."""
        asks, bids = _at(quote, "AskPrice1"), _at(quote, "BidPrice1")
        session = _at(quote, "TradingSession")
        said = f"{quote[session : quote.index('}', session)]},"
        self._books[symbol] = _Book(_stamp(quote), quote[asks:bids], quote[bids:session], said)

    def write(self, symbol: int, *, of_book: bool) -> str:
        """The ``X`` of a symbol, as an invocation; its time and session are those of the last book, or else of the last match."""
        match, book = self._matches[symbol], self._books.get(symbol, _EMPTY)
        # A symbol that has not matched yet today has no open, although it had one yesterday.
        opening = self._opens.get(symbol, match.last) if match.last != _NOTHING else _NOTHING
        stamp, session = (book.stamp, book.session) if of_book else (match.stamp, match.session)
        return (
            f"{_HEAD_X}{stamp}{match.limits}"
            f"{_Q}Open{_Q}:{opening},{_Q}High{_Q}:{match.high},{_Q}Low{_Q}:{match.low},{_Q}Close{_Q}:{match.last},"
            f"{match.totals}{book.bids}{book.asks}{match.market}{session}{match.change}{_TAIL_X}"
        )


def _no_levels(side: str) -> str:
    names = (f"{side}{what}{level}" for what in ("Price", "Vol") for level in range(1, LEVELS + 1))
    return "".join(f"{_Q}{name}{_Q}:{_NOTHING}," for name in names)


_EMPTY = _Book(stamp="", asks=_no_levels("Ask"), bids=_no_levels("Bid"), session="")


def bar_of_match(trade: str) -> str:
    """The ``B`` of a print, from its ``X-TRADE``; both are invocations."""
    return _bar(trade, _text(trade, "Symbol"), _value(trade, "LastPrice"), _value(trade, "LastVol"))


def bar_of_index(index: str, volume: int) -> str:
    """The ``B`` of a step of an index, from its ``MI``; both are invocations.

    Args:
        index: The ``MI``.
        volume: By how much TotalQtty has grown since the ``MI`` before.
    """
    return _bar(index, _text(index, "IndexId").upper(), _value(index, "IndexValue"), f"{volume}.0")


def volume_of_index(index: str) -> int:
    """The TotalQtty of an ``MI``, as an invocation."""
    return int(float(_value(index, "TotalQtty")))


def _bar(record: str, symbol: str, price: str, volume: str) -> str:
    return (
        f"{_HEAD_B}{_stamp(record)}{_Q}Symbol{_Q}:{_Q}{symbol}{_Q},{_Q}Open{_Q}:{price},{_Q}High{_Q}:{price},{_Q}Low{_Q}:{price},"
        f"{_Q}Close{_Q}:{price},{_Q}Volume{_Q}:{volume},{_Q}Value{_Q}:0.0{_TAIL}"
    )


def _at(record: str, key: str) -> int:
    """Where ``key`` begins in an invocation, its quote included."""
    return record.index(f"{_Q}{key}{_Q}:")


def _stamp(record: str) -> str:
    """TradingDate and Time, with the comma after them."""
    begins = _at(record, "TradingDate")
    return record[begins : record.index(",", _at(record, "Time")) + 1]


def _value(record: str, key: str) -> str:
    """A number as written."""
    begins = _at(record, key) + len(key) + 2 * len(_Q) + 1
    return record[begins : record.index(",", begins)]


def _text(record: str, key: str) -> str:
    return _value(record, key)[len(_Q) : -len(_Q)]


def _double(number: str) -> str:
    """A number as a double: X writes the day's high and low with a decimal point, which X-TRADE does not."""
    return number if "." in number else f"{number}.0"


def _frame(data_type: str) -> tuple[str, str]:
    """What stands before and after the fields of a content in an invocation."""
    head, _, tail = invocation(broadcast(data_type, f'{{"RType":"{data_type}",@}}')).partition("@")
    return head, tail


_HEAD_X, _END_X = _frame("X")
_TAIL_X = f"{_Q}Side{_Q}:null,{_Q}CloseQtty{_Q}:0.0{_END_X}"
_HEAD_B, _TAIL = _frame("B")
