"""Units. A number on a topic is one of these, whole, and its name says which where that is not obvious."""

from enum import StrEnum
from typing import NewType

Symbol = NewType("Symbol", str)
"""What the exchange calls an instrument or an index, ``^[A-Z0-9]{1,12}$``: ``VNM``, ``41I1GC000``, ``VN30``."""

Price = NewType("Price", int)
"""The smallest unit of its instrument: VND for stocks, hundredths of a point for indices and futures."""

Shares = NewType("Shares", int)
"""Shares, or contracts for futures; never lots."""

Vnd = NewType("Vnd", int)
"""Whole dong. SSI sends floats; ``connectors.ssi.core.decode`` rounds once, at the edge."""

UnixMs = NewType("UnixMs", int)
"""Milliseconds since the UTC epoch. Exchange times are multiples of 1000: SSI's clock has one-second steps."""

UnixUs = NewType("UnixUs", int)
"""Microseconds since the UTC epoch, of our own clock: receive times."""

MonotonicMs = NewType("MonotonicMs", int)
"""Milliseconds on a clock that nobody sets. Only the difference of two such times means anything: how long something took."""

TradingDay = NewType("TradingDay", int)
"""A trading date of Vietnam (UTC+7) as YYYYMMDD; sessions never cross midnight UTC either."""

SYMBOL_PATTERN = r"^[A-Z0-9]{1,12}$"
POINT = 100
"""One index point, in the unit of prices of indices and futures."""
FUTURES_MULTIPLIER_VND = 100_000
"""VND a point and contract, for every listed index future (HNX contract specification)."""


class Exchange(StrEnum):
    """Where an instrument is listed."""

    HOSE = "HOSE"
    HNX = "HNX"
    UPCOM = "UPCOM"
    DER = "DER"
    """Index and bond futures. On the stream SSI writes ``DERIVATIVES``, in REST ``DER``."""
    HNXBOND = "HNXBOND"


class Side(StrEnum):
    """The aggressor of a print; for foreign investors, which of their two counters moved."""

    BUY = "buy"
    SELL = "sell"
    NEUTRAL = "neutral"
    """Auctions, and continuous prints inside the spread or without a quote before them."""


class SessionPhase(StrEnum):
    """What an exchange is doing. The Vietnamese board labels are in ``schemas.session``."""

    PRE_OPEN = "pre_open"
    ATO = "ato"
    CONTINUOUS = "continuous"
    BREAK = "break"
    ATC = "atc"
    POST_CLOSE = "post_close"
    """HNX's PLO and HOSE's put-through-only quarter of an hour after the closing auction."""
    CLOSED = "closed"
