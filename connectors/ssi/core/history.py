"""SSI's history over REST: which days are asked for at a time, and what its rows say. Pure.

SSI takes ranges of thirty days, and gives ten pages of a thousand rows. A row is of the day that it says, which need not be one
that was asked for: at the weekend DailyIndex gives the last session once more.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Generic, NamedTuple, TypeVar

from connectors.ssi.core.errors import PageSizeRefused, SsiError, SsiUnavailable, WindowRefused
from schemas.calendar import ICT, as_date, as_day
from schemas.history import HistoryDay, HistoryIndex, HistoryMinute
from schemas.units import POINT, Exchange, Price, Shares, Symbol, TradingDay, UnixMs, Vnd

WINDOW_DAYS: Final = 30
"""The longest range of dates that SSI takes, in days, both ends included."""
MINUTE_MS: Final = 60_000
_NOT_OVER: Final = ("0", "0.0", "0.00")
"""The value of an index on a day that still runs."""

Row = Mapping[str, Any]
T = TypeVar("T", HistoryDay, HistoryMinute, HistoryIndex)


class DateWindow(NamedTuple):
    """A range of dates, both included."""

    first: TradingDay
    last: TradingDay

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def query(self) -> dict[str, str]:
        """The range as parameters of REST."""
        return {"fromDate": f"{as_date(self.first):%d/%m/%Y}", "toDate": f"{as_date(self.last):%d/%m/%Y}"}

    @property
    def halves(self) -> "tuple[DateWindow, DateWindow] | None":
        """The range in two parts; None where it is a single day."""
        first, last = as_date(self.first), as_date(self.last)
        if first == last:
            return None
        middle = first + (last - first) // 2
        return DateWindow(self.first, as_day(middle)), DateWindow(as_day(middle + timedelta(days=1)), self.last)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, int) and self.first <= day <= self.last


class ReadRows(NamedTuple, Generic[T]):
    """What a window's rows say."""

    rows: list[T]
    unusable: dict[TradingDay, list[str]]
    """Why some rows cannot be used, by their days; those whose day cannot be read are under the last one of the window."""


def weekdays(first: TradingDay, last: TradingDay) -> list[TradingDay]:
    """The days from ``first`` to ``last`` on which the exchanges may have been open: holidays of years past are not known."""
    day, days = as_date(first), []
    while day <= as_date(last):
        if day.weekday() < 5:
            days.append(as_day(day))
        day += timedelta(days=1)
    return days


def windows(days: Iterable[TradingDay]) -> list[DateWindow]:
    """The fewest ranges that SSI takes, in order, which have all of ``days``."""
    found: list[DateWindow] = []
    for day in sorted(set(days)):
        if found and (as_date(day) - as_date(found[-1].first)).days < WINDOW_DAYS:
            found[-1] = found[-1]._replace(last=day)
        else:
            found.append(DateWindow(day, day))
    return found


def classified(error: SsiUnavailable, window: DateWindow) -> SsiError:
    """What SSI's refusal of a window means, where its words say more than that it failed; else the error itself."""
    words = error.why.lower()
    if type(error) is SsiUnavailable and ("max range" in words or "date time format" in words):
        return WindowRefused(error.what, str(window), error.why)
    if type(error) is SsiUnavailable and "size of a page" in words:
        return PageSizeRefused(error.what, error.why)
    return error


def stock_days(rows: Sequence[Row], exchange: Exchange, window: DateWindow) -> ReadRows[HistoryDay]:
    """The rows of DailyStockPrice."""
    return _read(rows, window, lambda row, day: _stock_day(row, exchange, day))


def bar_days(rows: Sequence[Row], exchange: Exchange, window: DateWindow) -> ReadRows[HistoryDay]:
    """The rows of DailyOhlc."""
    return _read(rows, window, lambda row, day: _bar_day(row, exchange, day))


def minutes(rows: Sequence[Row], exchange: Exchange, window: DateWindow) -> ReadRows[HistoryMinute]:
    """The rows of IntradayOhlc, oldest first."""
    read = _read(rows, window, lambda row, day: _minute(row, exchange, day))
    told: list[HistoryMinute] = []
    for bar in sorted(read.rows, key=lambda bar: bar.ts):
        told.append(bar._replace(opens=not told or told[-1].day != bar.day))
    return ReadRows(told, read.unusable)


def index_days(rows: Sequence[Row], window: DateWindow) -> ReadRows[HistoryIndex]:
    """The rows of DailyIndex. Of a day that is not over SSI says the value 0: there is nothing to keep of that."""
    return _read([row for row in rows if str(row.get("IndexValue")).strip() not in _NOT_OVER], window, _index_day)


def _read(rows: Sequence[Row], window: DateWindow, make: Callable[[Row, TradingDay], T]) -> ReadRows[T]:
    made: list[T] = []
    unusable: dict[TradingDay, list[str]] = {}
    for row in rows:
        day = window.last
        try:
            day = _day(row)
            if day in window:
                made.append(make(row, day))
        except _Unusable as error:
            unusable.setdefault(min(max(day, window.first), window.last), []).append(str(error))
    return ReadRows(made, unusable)


class _Unusable(Exception):
    """A field of a row cannot be read."""


def _stock_day(row: Row, exchange: Exchange, day: TradingDay) -> HistoryDay:
    return HistoryDay(
        symbol=_symbol(row, "Symbol"),
        exchange=exchange,
        day=day,
        reference=_price(row, "RefPrice", exchange),
        ceiling=_price(row, "CeilingPrice", exchange),
        floor=_price(row, "FloorPrice", exchange),
        open=_price(row, "OpenPrice", exchange),
        high=_price(row, "HighestPrice", exchange),
        low=_price(row, "LowestPrice", exchange),
        close=_price(row, "ClosePrice", exchange),
        close_adjusted=_price(row, "ClosePriceAdjusted", exchange),
        volume=Shares(_whole(row, "TotalMatchVol")),
        value=Vnd(_whole(row, "TotalMatchVal")),
        put_through_volume=Shares(_whole(row, "TotalDealVol")),
        put_through_value=Vnd(_whole(row, "TotalDealVal")),
        foreign_bought=Shares(_whole(row, "ForeignBuyVolTotal")),
        foreign_sold=Shares(_whole(row, "ForeignSellVolTotal")),
        foreign_bought_value=Vnd(_whole(row, "ForeignBuyValTotal")),
        foreign_sold_value=Vnd(_whole(row, "ForeignSellValTotal")),
        foreign_room=Shares(_whole(row, "ForeignCurrentRoom")),
    )


def _bar_day(row: Row, exchange: Exchange, day: TradingDay) -> HistoryDay:
    return HistoryDay(
        symbol=_symbol(row, "Symbol"),
        exchange=exchange,
        day=day,
        reference=None,
        ceiling=None,
        floor=None,
        open=_price(row, "Open", exchange),
        high=_price(row, "High", exchange),
        low=_price(row, "Low", exchange),
        close=_price(row, "Close", exchange),
        close_adjusted=None,
        volume=Shares(_whole(row, "Volume")),
        value=Vnd(_whole(row, "Value")),
        put_through_volume=None,
        put_through_value=None,
        foreign_bought=None,
        foreign_sold=None,
        foreign_bought_value=None,
        foreign_sold_value=None,
        foreign_room=None,
    )


def _minute(row: Row, exchange: Exchange, day: TradingDay) -> HistoryMinute:
    opened, high, low, close = (_price(row, name, exchange) for name in ("Open", "High", "Low", "Close"))
    if opened is None or high is None or low is None or close is None:
        raise _Unusable("a minute without a price")
    try:
        told = time.fromisoformat(str(row.get("Time")))
    except ValueError:
        raise _Unusable(f"Time is {str(row.get('Time'))[:20]!r}") from None
    last_ms = int(datetime.combine(as_date(day), told, ICT).timestamp() * 1000)
    return HistoryMinute(
        symbol=_symbol(row, "Symbol"),
        exchange=exchange,
        day=day,
        minute=UnixMs(last_ms // MINUTE_MS * MINUTE_MS),
        ts=UnixMs(last_ms),
        opens=False,
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=Shares(_whole(row, "Volume")),
    )


def _index_day(row: Row, day: TradingDay) -> HistoryIndex:
    ratio = _number(row, "RatioChange")
    value = _number(row, "IndexValue")
    if value is None or value < 0:
        raise _Unusable(f"IndexValue is {str(row.get('IndexValue'))[:20]!r}")
    return HistoryIndex(
        symbol=_symbol(row, "IndexId"),
        day=day,
        value=Price(round(value * POINT)),
        change_pct=None if ratio is None else float(ratio),
        volume=Shares(_whole(row, "TotalMatchVol")),
        traded_value=Vnd(_whole(row, "TotalMatchVal")),
        put_through_volume=Shares(_whole(row, "TotalDealVol")),
        put_through_value=Vnd(_whole(row, "TotalDealVal")),
        advances=_whole(row, "Advances"),
        no_changes=_whole(row, "NoChanges"),
        declines=_whole(row, "Declines"),
        ceilings=_whole(row, "Ceilings"),
        floors=_whole(row, "Floors"),
    )


def _day(row: Row) -> TradingDay:
    try:
        return as_day(datetime.strptime(str(row.get("TradingDate")), "%d/%m/%Y").date())  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise _Unusable(f"TradingDate is {str(row.get('TradingDate'))[:20]!r}") from None


def _symbol(row: Row, name: str) -> Symbol:
    symbol = str(row.get(name) or "").strip().upper()
    if not symbol or len(symbol) > 20 or not symbol.isascii() or not symbol.isalnum():
        raise _Unusable(f"{name} is {str(row.get(name))[:20]!r}")
    return Symbol(symbol)


def _price(row: Row, name: str, exchange: Exchange) -> Price | None:
    """A price; None where SSI writes nothing, or the 0 that stands for nothing."""
    value = _number(row, name)
    if value is None or value == 0:
        return None
    if value < 0:
        raise _Unusable(f"{name} is {str(row.get(name))[:20]!r}")
    return Price(round(value * POINT if exchange is Exchange.DER else value))


def _whole(row: Row, name: str) -> int:
    """A volume, a value or a count. SSI writes none as null, as an empty text, or as 0."""
    value = _number(row, name) or Decimal(0)
    if value < 0:
        raise _Unusable(f"{name} is {str(row.get(name))[:20]!r}")
    return round(value)


def _number(row: Row, name: str) -> Decimal | None:
    said = row.get(name)
    if said is None or str(said).strip() in ("", "NaN"):
        return None
    try:
        value = Decimal(str(said).strip())
    except InvalidOperation:
        raise _Unusable(f"{name} is {str(said)[:20]!r}") from None
    if not value.is_finite():
        raise _Unusable(f"{name} is {str(said)[:20]!r}")
    return value
