"""What this project's predecessor does with a message, re-created from its behaviour; frozen, as a yardstick for machines.

    python benchmarks/peers/predecessor.py                   CPU of its handlers, and of its own profiler's loop
    python benchmarks/peers/predecessor.py --original DIR    and the same of a checkout of it (its folder ``backend``), in turn

It was one process: no socket, no log, no database here, only what its handlers do with messages that are ready objects. Its own
profiler makes random messages, half of them matches, a quarter foreign and a quarter index records, and handles each under
cProfile, with the warnings of foreign counters that fell (three in four of its random ones do) written out. ``as_profiled`` is
that; ``bare`` is the same without cProfile and with the warnings off.
"""

import argparse
import asyncio
import cProfile
import importlib
import json
import logging
import os
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Histogram
from pydantic import BaseModel, computed_field

log = logging.getLogger("predecessor")

SYMBOLS: Final = ("VNM", "VHM", "VIC", "HPG", "MSN", "VCB", "BID", "CTG", "MBB", "ACB")
WINDOW_MIN: Final = 5
HISTORY: Final = 600
POINTS: Final = 21_600

CLASSIFYING = Histogram(
    "classifying_seconds",
    "Time spent on one match",
    registry=CollectorRegistry(),
    buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05),
)

# --- what comes in


class Match(BaseModel):
    symbol: str = ""
    exchange: str = ""
    last_price: float = 0.0
    last_vol: int = 0
    total_vol: int = 0
    total_val: float = 0.0
    change: float = 0.0
    ratio_change: float = 0.0
    trading_session: str = ""


class Quote(BaseModel):
    symbol: str = ""
    exchange: str = ""
    ceiling: float = 0.0
    floor: float = 0.0
    ref_price: float = 0.0
    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    bid_price_1: float = 0.0
    bid_vol_1: int = 0
    ask_price_1: float = 0.0
    ask_vol_1: int = 0
    bid_price_2: float = 0.0
    bid_vol_2: int = 0
    ask_price_2: float = 0.0
    ask_vol_2: int = 0
    bid_price_3: float = 0.0
    bid_vol_3: int = 0
    ask_price_3: float = 0.0
    ask_vol_3: int = 0


class Foreign(BaseModel):
    symbol: str = ""
    f_buy_vol: int = 0
    f_sell_vol: int = 0
    f_buy_val: float = 0.0
    f_sell_val: float = 0.0
    total_room: int = 0
    current_room: int = 0


class Index(BaseModel):
    index_id: str = ""
    index_value: float = 0.0
    prior_index_value: float = 0.0
    change: float = 0.0
    ratio_change: float = 0.0
    total_qtty: int = 0
    total_val: float = 0.0
    advances: int = 0
    declines: int = 0
    no_changes: int = 0


# --- what it keeps


class Aggressor(StrEnum):
    BUY = "mua_chu_dong"
    SELL = "ban_chu_dong"
    NEUTRAL = "neutral"


class Classified(BaseModel):
    symbol: str
    price: float
    volume: int
    value: float
    aggressor: Aggressor
    bid_price: float
    ask_price: float
    timestamp: datetime
    trading_session: str = ""


class Phase(BaseModel):
    bought: int = 0
    sold: int = 0
    neutral: int = 0
    total: int = 0


class SymbolStats(BaseModel):
    symbol: str
    bought: int = 0
    bought_value: float = 0.0
    sold: int = 0
    sold_value: float = 0.0
    neutral: int = 0
    total: int = 0
    last_updated: datetime | None = None
    ato: Phase = Phase()
    continuous: Phase = Phase()
    atc: Phase = Phase()


class ForeignStats(BaseModel):
    symbol: str
    buy_volume: int = 0
    sell_volume: int = 0
    net_volume: int = 0
    buy_value: float = 0.0
    sell_value: float = 0.0
    net_value: float = 0.0
    total_room: int = 0
    current_room: int = 0
    buy_speed: float = 0.0
    sell_speed: float = 0.0
    buy_acceleration: float = 0.0
    sell_acceleration: float = 0.0
    last_updated: datetime | None = None


class Point(BaseModel):
    timestamp: datetime
    value: float


class IndexStats(BaseModel):
    index_id: str
    value: float = 0.0
    prior_value: float = 0.0
    change: float = 0.0
    ratio_change: float = 0.0
    total_volume: int = 0
    advances: int = 0
    declines: int = 0
    no_changes: int = 0
    intraday: list[Point] = []
    last_updated: datetime | None = None

    @computed_field  # type: ignore[prop-decorator] # mypy knows no decorated properties
    @property
    def advance_ratio(self) -> float:
        both = self.advances + self.declines
        return self.advances / both if both > 0 else 0.0


class _Delta:
    __slots__ = ("bought", "sold", "when")

    def __init__(self, bought: int, sold: int, when: datetime) -> None:
        self.bought, self.sold, self.when = bought, sold, when


class Predecessor:
    """Its handlers, over state in memory that nothing survives."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.stats: dict[str, SymbolStats] = {}
        self.prices: dict[str, tuple[float, float, float]] = {}
        self._told: dict[str, Foreign] = {}
        self.foreign: dict[str, ForeignStats] = {}
        self._deltas: dict[str, deque[_Delta]] = {}
        self._speeds: dict[str, tuple[float, float]] = {}
        self.indices: dict[str, IndexStats] = {}
        self._points: dict[str, deque[Point]] = {}
        self._watched: set[str] = set()
        self._subscribers: list[Callable[[str], None]] = []

    def best(self, symbol: str) -> tuple[float, float]:
        """Best bid and best ask."""
        quote = self.quotes.get(symbol)
        return (quote.bid_price_1, quote.ask_price_1) if quote else (0.0, 0.0)

    async def on_quote(self, quote: Quote) -> None:
        if not self._wants(quote.symbol):
            return
        self.quotes[quote.symbol] = quote
        self._tell("market")

    async def on_match(self, match: Match) -> tuple[Classified, SymbolStats] | None:
        if not self._wants(match.symbol) or match.symbol.startswith("VN30F"):
            return None
        self.prices[match.symbol] = (match.last_price, match.change, match.ratio_change)
        classified = self._classify(match)
        stats = self._add(classified)
        self._tell("market")
        return classified, stats

    async def on_foreign(self, told: Foreign) -> ForeignStats | None:
        if not self._wants(told.symbol):
            return None
        stats = self._follow(told)
        self._tell("foreign")
        return stats

    async def on_index(self, told: Index) -> IndexStats:
        now = datetime.now()  # noqa: DTZ005 # as it does
        if told.index_id not in self._points:
            self._points[told.index_id] = deque(maxlen=POINTS)
        if told.index_value > 0:
            self._points[told.index_id].append(Point(timestamp=now, value=told.index_value))
        stats = IndexStats(
            index_id=told.index_id, value=told.index_value, prior_value=told.prior_index_value, change=told.change,
            ratio_change=told.ratio_change, total_volume=told.total_qtty, advances=told.advances, declines=told.declines,
            no_changes=told.no_changes, intraday=list(self._points[told.index_id]), last_updated=now,
        )  # fmt: skip
        self.indices[told.index_id] = stats
        self._tell("index")
        return stats

    def _wants(self, symbol: str) -> bool:
        return not self._watched or symbol.startswith("VN30F") or symbol in self._watched

    def _tell(self, channel: str) -> None:
        for subscriber in self._subscribers:
            subscriber(channel)

    def _classify(self, match: Match) -> Classified:
        begun = time.monotonic()
        bid, ask = self.best(match.symbol)
        if match.trading_session in ("ATO", "ATC"):
            aggressor = Aggressor.NEUTRAL
        elif ask > 0 and match.last_price >= ask:
            aggressor = Aggressor.BUY
        elif bid > 0 and match.last_price <= bid:
            aggressor = Aggressor.SELL
        else:
            aggressor = Aggressor.NEUTRAL
        classified = Classified(
            symbol=match.symbol, price=match.last_price, volume=match.last_vol, value=match.last_price * match.last_vol * 1000,
            aggressor=aggressor, bid_price=bid, ask_price=ask,
            timestamp=datetime.now(), trading_session=match.trading_session,  # noqa: DTZ005 # as it does
        )  # fmt: skip
        CLASSIFYING.observe(time.monotonic() - begun)
        return classified

    def _add(self, match: Classified) -> SymbolStats:
        if match.symbol not in self.stats:
            self.stats[match.symbol] = SymbolStats(symbol=match.symbol)
        stats = self.stats[match.symbol]
        if match.aggressor is Aggressor.BUY:
            stats.bought += match.volume
            stats.bought_value += match.value
        elif match.aggressor is Aggressor.SELL:
            stats.sold += match.volume
            stats.sold_value += match.value
        else:
            stats.neutral += match.volume
        stats.total += match.volume
        stats.last_updated = match.timestamp
        phase: Phase = getattr(stats, {"ATO": "ato", "ATC": "atc"}.get(match.trading_session, "continuous"))
        if match.aggressor is Aggressor.BUY:
            phase.bought += match.volume
        elif match.aggressor is Aggressor.SELL:
            phase.sold += match.volume
        else:
            phase.neutral += match.volume
        phase.total += match.volume
        return stats

    def _follow(self, told: Foreign) -> ForeignStats:
        symbol, now = told.symbol, datetime.now()  # noqa: DTZ005 # as it does
        before = self._told.get(symbol)
        if before is None:
            bought, sold = told.f_buy_vol, told.f_sell_vol
        else:
            bought, sold = told.f_buy_vol - before.f_buy_vol, told.f_sell_vol - before.f_sell_vol
            if bought < 0 or sold < 0:
                log.warning(
                    "Foreign %s: a counter fell, beginning anew. bought: %d→%d, sold: %d→%d",
                    symbol, before.f_buy_vol, told.f_buy_vol, before.f_sell_vol, told.f_sell_vol,
                )  # fmt: skip
                bought, sold = max(0, bought), max(0, sold)
        self._told[symbol] = told
        if symbol not in self._deltas:
            self._deltas[symbol] = deque(maxlen=HISTORY)
        self._deltas[symbol].append(_Delta(bought, sold, now))
        buy_speed, sell_speed = self._speed(symbol)
        buy_before, sell_before = self._speeds.get(symbol, (0.0, 0.0))
        self._speeds[symbol] = (buy_speed, sell_speed)
        stats = ForeignStats(
            symbol=symbol, buy_volume=told.f_buy_vol, sell_volume=told.f_sell_vol, net_volume=told.f_buy_vol - told.f_sell_vol,
            buy_value=told.f_buy_val, sell_value=told.f_sell_val, net_value=told.f_buy_val - told.f_sell_val,
            total_room=told.total_room, current_room=told.current_room, buy_speed=buy_speed, sell_speed=sell_speed,
            buy_acceleration=buy_speed - buy_before, sell_acceleration=sell_speed - sell_before, last_updated=now,
        )  # fmt: skip
        self.foreign[symbol] = stats
        return stats

    def _speed(self, symbol: str) -> tuple[float, float]:
        since = datetime.now() - timedelta(minutes=WINDOW_MIN)  # noqa: DTZ005 # as it does
        recent = [delta for delta in self._deltas[symbol] if delta.when >= since]
        if not recent:
            return 0.0, 0.0
        return sum(delta.bought for delta in recent) / WINDOW_MIN, sum(delta.sold for delta in recent) / WINDOW_MIN


# --- the loop of its profiler, over either


class Handlers:
    """How to make and hand over each kind of message: of the re-creation, or of a checkout of the original."""

    def __init__(self, original: Path | None = None) -> None:
        if original is None:
            made = Predecessor()
            self.quote, self.match, self.foreign, self.index = Quote, Match, Foreign, Index
            self.on: dict[str, Callable[[Any], Awaitable[object]]] = {
                "quote": made.on_quote, "match": made.on_match, "foreign": made.on_foreign, "index": made.on_index,
            }  # fmt: skip
            self.best = made.best
            return
        if str(original) not in sys.path:
            sys.path.insert(0, str(original))
        messages: Any = importlib.import_module("app.models.ssi_messages")
        theirs: Any = importlib.import_module("app.services.market_data_processor").MarketDataProcessor()
        self.quote, self.match = messages.SSIQuoteMessage, messages.SSITradeMessage
        self.foreign, self.index = messages.SSIForeignMessage, messages.SSIIndexMessage
        self.on = {
            "quote": theirs.handle_quote, "match": theirs.handle_trade,
            "foreign": theirs.handle_foreign, "index": theirs.handle_index,
        }  # fmt: skip
        self.best = theirs.quote_cache.get_bid_ask

    def make(self, kind: str, draw: random.Random) -> Any:
        """A random message, as its profiler makes them."""
        symbol = draw.choice(SYMBOLS)
        if kind == "quote":
            base = draw.uniform(50, 150)
            return self.quote(
                symbol=symbol, bid_price_1=round(base, 1), ask_price_1=round(base + 0.5, 1), ref_price=round(base + 0.2, 1),
                ceiling=round(base * 1.07, 1), floor=round(base * 0.93, 1), bid_vol_1=draw.randint(100, 5000),
                ask_vol_1=draw.randint(100, 5000),
            )  # fmt: skip
        if kind == "match":
            bid, ask = self.best(symbol)
            return self.match(
                symbol=symbol, last_price=draw.choice([bid, ask, (bid + ask) / 2]), last_vol=draw.randint(10, 500),
                trading_session=draw.choice(["ATO", "LO", "ATC"]), change=draw.uniform(-2, 5),
                ratio_change=draw.uniform(-1.5, 3.5),
            )  # fmt: skip
        if kind == "foreign":
            return self.foreign(
                symbol=symbol, f_buy_vol=draw.randint(100, 5000), f_sell_vol=draw.randint(100, 5000),
                f_buy_val=draw.uniform(10_000, 500_000), f_sell_val=draw.uniform(10_000, 500_000), total_room=1_000_000,
                current_room=draw.randint(500_000, 999_000),
            )  # fmt: skip
        return self.index(
            index_id=draw.choice(["VN30", "VNINDEX"]), index_value=draw.uniform(1200, 1300),
            prior_index_value=draw.uniform(1190, 1290), change=draw.uniform(-10, 10), ratio_change=draw.uniform(-1, 1),
            advances=draw.randint(10, 20), declines=draw.randint(5, 15), no_changes=draw.randint(0, 5),
        )  # fmt: skip


async def its_loop(handlers: Handlers, messages: int) -> None:
    draw = random.Random(1)
    on = handlers.on
    for _ in SYMBOLS:
        await on["quote"](handlers.make("quote", draw))
    for _ in range(messages):
        kind = draw.choice(["match", "match", "foreign", "index"])
        await on[kind](handlers.make(kind, draw))


def measure_loop(original: Path | None, messages: int, *, as_profiled: bool) -> float:
    """CPU of the profiler's loop, in microseconds a message."""
    handlers = Handlers(original)
    profiler = cProfile.Profile()
    loggers = [log, logging.getLogger("app.services.foreign_investor_tracker")]
    for logger in loggers:
        logger.disabled = not as_profiled
    if as_profiled:
        profiler.enable()
    begun = time.process_time()
    asyncio.run(its_loop(handlers, messages))
    seconds = time.process_time() - begun
    profiler.disable()
    return seconds / messages * 1e6


def measure_kind(original: Path | None, kind: str, messages: int) -> float:
    """CPU of one kind of message that is there already, warnings off, in microseconds."""
    handlers = Handlers(original)
    draw = random.Random(2)
    logging.getLogger("app.services.foreign_investor_tracker").disabled = log.disabled = True
    ready = [handlers.make(kind, draw) for _ in range(messages)]
    handle = handlers.on[kind]

    async def handle_all() -> None:
        for message in ready:
            await handle(message)

    begun = time.process_time()
    asyncio.run(handle_all())
    return (time.process_time() - begun) / messages * 1e6


def measure(original: Path | None, messages: int, rounds: int) -> dict[str, list[float]]:
    """The figures of the re-creation, and beside each that of the original, in turn."""
    sides: list[Path | None] = [None, *([original] if original else [])]
    work: dict[str, Callable[[Path | None], float]] = {
        "as_profiled": partial(measure_loop, messages=messages, as_profiled=True),
        "bare": partial(measure_loop, messages=messages, as_profiled=False),
        **{kind: partial(measure_kind, kind=kind, messages=messages) for kind in ("quote", "match", "foreign", "index")},
    }
    figures: dict[str, list[float]] = {}
    for name, of in work.items():
        taken = [[of(side) for side in sides] for _ in range(rounds)]
        figures[name] = [round(statistics.median(each), 2) for each in zip(*taken, strict=True)]
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--original", type=Path, metavar="DIR")
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    # Its warnings go to stderr, which costs it what writing costs.
    with Path(os.devnull).open("w") as nowhere:
        logging.basicConfig(level=logging.WARNING, stream=nowhere)
        figures = measure(arguments.original, arguments.messages, arguments.rounds)
    print(json.dumps({"messages": arguments.messages, "cpu_us_a_message": figures}))


if __name__ == "__main__":
    main()
