"""What of SSI's history is still to be asked for: the days that are wanted, less those that the archive has. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from connectors.ssi.core.history import DateWindow, windows
from schemas.history import HistoryKind, TradedDay
from schemas.units import Exchange, Symbol, TradingDay

Known = Collection[tuple[str, TradingDay]]
"""Subjects and days."""


class HistoryPart(NamedTuple):
    """One question to SSI: a window of days of a subject."""

    what: HistoryKind
    subject: str
    """A symbol, an index, or the name of a market for all its symbols."""
    exchange: Exchange
    """Of the subject; of indices it means nothing."""
    window: DateWindow
    days: tuple[TradingDay, ...]
    """The days in the window that are wanted; it may have others, of which nothing is kept."""
    is_market: bool = False

    def __str__(self) -> str:
        return f"{self.what} of {self.subject}, {self.window}"


def market_parts(days: Iterable[TradingDay], asked: Known) -> list[HistoryPart]:
    """Days of all stocks, market by market; derivatives are asked for one by one."""
    exchanges = (Exchange.HOSE, Exchange.HNX, Exchange.UPCOM)
    wanted = list(days)
    return _newest_first(
        part for exchange in exchanges for part in _parts("days", exchange.value, exchange, wanted, asked, is_market=True)
    )


def symbol_parts(
    exchanges: Mapping[Symbol, Exchange], symbols: Iterable[Symbol], days: Iterable[TradingDay], asked: Known, booked: Known
) -> list[HistoryPart]:
    """Days of some instruments, one by one. What was asked of a whole market is known of its symbols.

    Args:
        exchanges: Where instruments are listed.
        symbols: The instruments.
        days: That are wanted.
        asked: Symbols, or markets, and days of which SSI has been asked.
        booked: Symbols and days of which the stream has told.
    """
    wanted = list(days)
    return _newest_first(
        part
        for symbol in symbols
        for part in _parts(
            "days",
            symbol,
            exchanges[symbol],
            [day for day in wanted if (symbol, day) not in booked and (exchanges[symbol].value, day) not in asked],
            asked,
        )
    )


def index_parts(indices: Iterable[Symbol], days: Iterable[TradingDay], asked: Known, booked: Known) -> list[HistoryPart]:
    """Days of indices."""
    wanted = list(days)
    return _newest_first(
        part
        for index in indices
        for part in _parts("indices", index, Exchange.HOSE, [day for day in wanted if (index, day) not in booked], asked)
    )


def minute_parts(
    traded: Iterable[TradedDay], symbols: Collection[Symbol] | None, asked: Known, booked: Known
) -> list[HistoryPart]:
    """Minutes of the days on which something was traded, of some instruments, or of all."""
    days: dict[tuple[Symbol, Exchange], list[TradingDay]] = defaultdict(list)
    for symbol, exchange, day in traded:
        if (symbols is None or symbol in symbols) and (symbol, day) not in booked:
            days[symbol, exchange].append(day)
    return _newest_first(
        part for (symbol, exchange), wanted in days.items() for part in _parts("minutes", symbol, exchange, wanted, asked)
    )


def _parts(
    what: HistoryKind, subject: str, exchange: Exchange, days: Sequence[TradingDay], asked: Known, *, is_market: bool = False
) -> list[HistoryPart]:
    missing = [day for day in days if (subject, day) not in asked]
    return [
        HistoryPart(what, subject, exchange, window, tuple(day for day in missing if day in window), is_market)
        for window in windows(missing)
    ]


def _newest_first(parts: Iterable[HistoryPart]) -> list[HistoryPart]:
    """In the order in which they are of use: recent days of everybody first."""
    return sorted(parts, key=lambda part: (-part.window.last, part.subject))
