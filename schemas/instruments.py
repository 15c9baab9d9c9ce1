"""What a symbol is, and the price rules of where it is listed.

Sources: Decision 352/QĐ-SGDHCM and Decision 17/QĐ-HĐTV (ticks, limits), HNX's contract code grammar of 2025-04-21.
"""

import re
from datetime import date, timedelta
from fractions import Fraction
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
FIRST_DAY_BANDS: dict[Exchange, int] = {Exchange.HOSE: 20, Exchange.HNX: 30, Exchange.UPCOM: 40, Exchange.DER: 7}
"""The same on the first day of trading, on the first after a halt of 25 sessions or more, and on some ex-dates."""
FUND_TICK = Price(10)
"""The price step of ETFs and covered warrants on HOSE, in VND, whatever the price."""

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


def limits(reference: Price, exchange: Exchange, *, band: int | None = None, tick: Price | None = None) -> tuple[Price, Price]:
    """Ceiling and floor of a day: the band around ``reference``, rounded inwards to the tick of the result.

    Where both would be the reference itself they move one tick out; a floor never comes to 0. For simulation and checks only: a
    real day's limits come from the feed, since nothing here knows which day is an ex-date or a first one.

    Args:
        reference: In VND, of a future in hundredths of a point.
        exchange: Where it is listed. Bonds have no limits.
        band: In percent; that of an ordinary day unless it is said.
        tick: The price step, where it is not that of a stock or future: :data:`FUND_TICK`.

    Raises:
        ValueError: ``exchange`` is that of bonds, and no band is said.
    """
    if band is None and exchange not in BANDS:
        raise ValueError(f"{exchange.value} has no price limits: say the band")
    percent = BANDS[exchange] if band is None else band
    top, bottom = reference * (100 + percent), reference * (100 - percent)
    up, down = tick or tick_of(top // 100, exchange), tick or tick_of(-(-bottom // 100), exchange)
    ceiling = top // (100 * up) * up
    floor = -(-bottom // (100 * down)) * down
    if ceiling == floor == reference:
        ceiling, floor = reference + up, max(reference - down, down)
    return Price(ceiling), Price(floor)


def warrant_limits(
    reference: Price, ratio: Fraction, stock_reference: Price, stock_limits: tuple[Price, Price]
) -> tuple[Price, Price]:
    """Ceiling and floor of a covered warrant that gives a right to buy a stock: it may move as far as its part of that may.

    Source: PHS, FPTS, HSC, lawnet. The ceiling is rounded down and the floor up; a floor of 0 or less is one tick.

    Args:
        reference: Of the warrant, in VND.
        ratio: How many warrants buy one share.
        stock_reference: Of the stock, in VND.
        stock_limits: Its ceiling and floor.
    """
    ceiling, floor = stock_limits
    top, bottom = reference + (ceiling - stock_reference) / ratio, reference - (stock_reference - floor) / ratio
    return Price(top // FUND_TICK * FUND_TICK), Price(max(-(-bottom // FUND_TICK) * FUND_TICK, FUND_TICK))
