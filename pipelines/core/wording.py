"""Figures as a person reads them. Exact where it is a price; large values in bn and M, two decimals, rounded half up."""

from datetime import datetime

from schemas.calendar import ICT
from schemas.units import POINT, Exchange, UnixMs


def points(hundredths: int) -> str:
    """An index level, a future's price or a basis: ``1,284.50``; a negative one with its sign."""
    whole, rest = divmod(abs(hundredths), POINT)
    return f"{'-' if hundredths < 0 else ''}{whole:,}.{rest:02d}"


def price(value: int, exchange: Exchange) -> str:
    """A price with its unit."""
    return f"{points(value)} points" if exchange is Exchange.DER else f"{value:,} VND"


def volume(value: int, exchange: Exchange) -> str:
    """A volume with its unit."""
    unit = "contract" if exchange is Exchange.DER else "share"
    return f"{value:,} {unit}{'' if value == 1 else 's'}"


def vnd(value: int) -> str:
    """A value: ``5.23 bn VND``, ``350.00 M VND``, ``12,345 VND``."""
    for unit, name in ((10**9, "bn"), (10**6, "M")):
        if abs(value) >= unit:
            hundredths = (abs(value) * 100 + unit // 2) // unit
            return f"{'-' if value < 0 else ''}{hundredths // 100:,}.{hundredths % 100:02d} {name} VND"
    return f"{value:,} VND"


def times(ratio: float) -> str:
    """A multiple, one decimal: ``12.5 times``."""
    return f"{ratio:,.1f} times"


def clock(ts_ms: UnixMs) -> str:
    """Time of day in Vietnam."""
    return datetime.fromtimestamp(ts_ms / 1000, ICT).strftime("%H:%M:%S")


def span(seconds: int) -> str:
    """A length of time: ``20 minutes``, ``90 seconds``."""
    number, unit = (seconds // 60, "minute") if seconds and seconds % 60 == 0 else (seconds, "second")
    return f"{number} {unit}{'' if number == 1 else 's'}"
