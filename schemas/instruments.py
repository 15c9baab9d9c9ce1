"""What a symbol is, and the price rules of where it is listed.

Sources: Decision 352/QĐ-SGDHCM and Decision 17/QĐ-HĐTV (ticks, limits), HNX's contract code grammar of 2025-04-21.
"""

import re
from datetime import date, timedelta
from typing import NamedTuple

from schemas.calendar import HOLIDAYS, as_day, last_trading_day
from schemas.units import Exchange, Price, Symbol, TradingDay

FUTURE_CODE = re.compile(r"^41(I1|I2|B5|BA)([0-9A-HJ-NP-TVW])([1-9A-C])000$")
"""KRX's code of a future: underlying, year in a 30-year cycle without I, O and U, month."""
OLD_FUTURE_CODE = re.compile(r"^(VN30|VN100|GB05|GB10)F(\d\d)(0[1-9]|1[0-2])$")
"""The code before KRX, kept by contracts that were listed then until they expired."""

_UNDERLYING = {"I1": Symbol("VN30"), "I2": Symbol("VN100"), "B5": Symbol("GB05"), "BA": Symbol("GB10")}
_YEARS = "0123456789ABCDEFGHJKLMNPQRSTVW"
_MONTHS = "123456789ABC"

BANDS: dict[Exchange, int] = {Exchange.HOSE: 7, Exchange.HNX: 10, Exchange.UPCOM: 15, Exchange.DER: 7}
"""Daily price limit, in percent of the reference, on an ordinary day."""

INDEX_SYMBOLS = {"HNXUPCOMINDEX": Symbol("UPCOMINDEX")}
"""SSI's index ids, upper-cased, that are not symbols as they stand."""

_INDICES = """
    VNINDEX VN30 VN100 VNALL VNMID VNMIDCAP VNSML VNSMALLCAP VNXALLSHARE VNX50 VNXALL VNDIAMOND VNFINLEAD VNFINSELECT VNDIVIDEND
    VN50GROWTH VNMITECH VNSI VNFIN VNREAL VNIT VNMAT VNENE VNUTI VNIND VNHEAL VNCONS VNCOND
    HNXINDEX HNX30 HNXFIN HNXCON HNXMAN HNXLCAP HNXMSCAP UPCOMINDEX
"""
INDICES = frozenset(map(Symbol, _INDICES.split()))
"""Symbols that are indices. A name pattern would not do: bonds (``VND122013``) and stocks (``VNX``) begin in the same way."""


class Contract(NamedTuple):
    """A future, from its code."""

    underlying: Symbol
    month: int
    """Delivery month, YYYYMM."""


def contract_of(symbol: str) -> Contract | None:
    """The contract that ``symbol`` names, or None when it is no future."""
    if match := FUTURE_CODE.match(symbol):
        # The cycle began in 2010; it is 2040 before it says anything else.
        year = 2010 + _YEARS.index(match[2])
        return Contract(_UNDERLYING[match[1]], year * 100 + _MONTHS.index(match[3]) + 1)
    if match := OLD_FUTURE_CODE.match(symbol):
        return Contract(Symbol(match[1]), (2000 + int(match[2])) * 100 + int(match[3]))
    return None


def future_symbol(underlying: str, month: int) -> Symbol:
    """KRX's code of the future on ``underlying`` (``VN30``, …) delivered in ``month`` (YYYYMM)."""
    code = next(code for code, name in _UNDERLYING.items() if name == underlying)
    return Symbol(f"41{code}{_YEARS[month // 100 - 2010]}{_MONTHS[month % 100 - 1]}000")


def is_index(symbol: str) -> bool:
    """Whether ``symbol`` is a known index."""
    return symbol in INDICES


def routing_key(symbol: Symbol) -> str:
    """What decides the shard of ``symbol``: itself; for a future its underlying, so that basis needs no join."""
    contract = contract_of(symbol)
    return contract.underlying if contract else symbol


def expiry(month: int, holidays: frozenset[TradingDay] = HOLIDAYS) -> TradingDay:
    """The last trading day of an index future of ``month``: the third Thursday, or the trading day before it."""
    first = date(month // 100, month % 100, 1)
    third_thursday = first + timedelta(days=(3 - first.weekday()) % 7 + 14)
    return last_trading_day(as_day(third_thursday), holidays)


def listed_months(day: TradingDay, holidays: frozenset[TradingDay] = HOLIDAYS) -> tuple[int, int, int, int]:
    """The delivery months that trade on ``day``: this one and the next, then the next two quarter ends not among them."""
    month = day // 100
    if day > expiry(month, holidays):
        month = _next_month(month)
    months = [month, _next_month(month)]
    candidate = months[-1]
    while len(months) < 4:
        candidate = _next_month(candidate)
        if candidate % 100 % 3 == 0:
            months.append(candidate)
    return months[0], months[1], months[2], months[3]


def _next_month(month: int) -> int:
    return month + 1 if month % 100 < 12 else month + 89


def tick_of(price: int, exchange: Exchange) -> Price:
    """The price step at ``price`` for a stock (for a future: a tenth of a point)."""
    if exchange is Exchange.HOSE:
        return Price(10 if price < 10_000 else 50 if price < 50_000 else 100)
    if exchange is Exchange.DER:
        return Price(10)
    return Price(100)


def limits(reference: Price, exchange: Exchange) -> tuple[Price, Price]:
    """Ceiling and floor of an ordinary day: the band around ``reference``, rounded inwards to the tick of the result.

    Where both would be the reference itself they move one tick out. For simulation and checks only: a real day's limits
    come from the feed, since ex-dates, first days and warrants follow other rules.
    """
    band = BANDS[exchange]
    top, bottom = reference * (100 + band), reference * (100 - band)
    up, down = tick_of(top // 100, exchange), tick_of(-(-bottom // 100), exchange)
    ceiling = top // (100 * up) * up
    floor = -(-bottom // (100 * down)) * down
    if ceiling == floor == reference:
        ceiling, floor = reference + up, max(reference - down, down)
    return Price(ceiling), Price(floor)
