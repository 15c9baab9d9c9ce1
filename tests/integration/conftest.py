"""What the gateway's tests share: a market that writes rows, a gateway over real sockets.

The market writes what the pipelines would, straight to the state topics, so that a test decides each row.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest
from confluent_kafka import Producer

from gateway.service import run
from gateway.settings import GatewaySettings
from schemas import topics as names
from schemas.calendar import at
from schemas.deployment import LOCAL_SHARDS
from schemas.shards import shard_keys
from schemas.structs import (
    AlertsFrame,
    BasisRow,
    BreadthRow,
    CandleEvent,
    CandlesFrame,
    FlowRow,
    ForeignRow,
    IndexRow,
    Mover,
    PriceRow,
    ReferenceMessage,
    ShardProgress,
)
from schemas.topics import Topic, encode
from schemas.units import SessionPhase
from stock_tracker.testing.topic_sets import TopicSets
from tests.builders import DAY, a_feed_status, a_reference, an_alert
from tests.patience import PATIENCE_S, reached
from tests.wire_client import Wire

OPEN_MS = at(DAY, 9, 15)


class Market:
    """Writes rows as the pipelines do: keyed by symbol, placed by murmur2, each with a greater ``src`` than the one before."""

    def __init__(self, kafka: str, prefix: str, **settings: Any) -> None:
        self._prefix = prefix
        self._src = 0
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2_random", "linger.ms": 5, **settings})

    def write(self, topic: Topic[Any], key: str, value: Any) -> None:
        self.producer.produce(topic.named(self._prefix), encode(value), key)
        self.producer.poll(0)

    def flush(self) -> None:
        assert self.producer.flush(PATIENCE_S) == 0

    def _row(
        self, topic: Topic[Any], make: Callable[..., Any], key: str, defaults: dict[str, Any], changes: dict[str, Any]
    ) -> Any:
        """Write a row: as the last one of its key, with ``changes``."""
        self._src += 1
        fields = self._rows.get((topic.name, key), defaults) | {"src": self._src} | changes
        self._rows[topic.name, key] = fields
        row = make(**fields)
        self.write(topic, key, row)
        return row

    def price(self, symbol: str, **changes: Any) -> Any:
        defaults: dict[str, Any] = {
            "day": DAY, "ts_ms": OPEN_MS, "symbol": symbol, "exchange": "HOSE", "session": "LO", "status": "N",
            "phase": SessionPhase.CONTINUOUS, "reference": 60_000, "ceiling": 64_200, "floor": 55_800, "previous_close": None,
            "last": None, "last_volume": 0, "change": None, "expected": None, "open": None, "high": None, "low": None,
            "total_volume": 0, "total_value": 0, "average": None, "bids": [], "asks": [], "quote_ms": None, "active_buy": 0,
            "active_sell": 0, "neutral": 0, "put_through_volume": 0, "candle": None, "prints": 0, "repeats": 0, "gaps": 0,
            "missed_volume": 0,
        }  # fmt: skip
        return self._row(names.STATE_PRICES, PriceRow, symbol, defaults, changes)

    def index(self, symbol: str, **changes: Any) -> Any:
        defaults: dict[str, Any] = {
            "day": DAY, "ts_ms": OPEN_MS, "symbol": symbol, "session": "LO", "value": 166_550, "prior_value": 165_000,
            "change": 1_550, "change_pct": 0.94, "volume": 0, "traded_value": 0, "put_through_volume": 0,
            "put_through_value": 0, "advances": 0, "no_changes": 0, "declines": 0, "ceilings": 0, "floors": 0,
        }  # fmt: skip
        return self._row(names.STATE_INDICES, IndexRow, symbol, defaults, changes)

    def breadth(self, symbol: str, **changes: Any) -> Any:
        defaults: dict[str, Any] = {
            "day": DAY, "ts_ms": OPEN_MS, "symbol": symbol, "advances": 0, "no_changes": 0, "declines": 0, "ceilings": 0,
            "floors": 0, "untraded": 30,
        }  # fmt: skip
        return self._row(names.STATE_BREADTH, BreadthRow, symbol, defaults, changes)

    def basis(self, symbol: str, **changes: Any) -> Any:
        defaults: dict[str, Any] = {
            "day": DAY, "ts_ms": OPEN_MS, "symbol": symbol, "underlying": "VN30", "month": 202612, "alias": "F1M",
            "price": 190_500, "index_value": 190_000, "basis": 500, "basis_pct": 0.2632, "days_to_expiry": 27, "stale": False,
        }  # fmt: skip
        return self._row(names.STATE_BASIS, BasisRow, symbol, defaults, changes)

    def foreign(self, symbol: str, **changes: Any) -> Any:
        defaults: dict[str, Any] = {
            "day": DAY, "ts_ms": OPEN_MS, "symbol": symbol, "exchange": "HOSE", "bought": 0, "sold": 0, "bought_value": 0,
            "sold_value": 0, "net_volume": 0, "net_value": 0, "room": 1_000_000, "total_room": 5_000_000, "buy_speed_1m": 0,
            "sell_speed_1m": 0, "buy_speed_5m": 0, "sell_speed_5m": 0, "acceleration": 0, "stale": 0, "suspects": 0,
            "unresolved": 0,
        }  # fmt: skip
        return self._row(names.STATE_FOREIGN, ForeignRow, symbol, defaults, changes)

    def flow(self, scope: str, **changes: Any) -> Any:
        for side in ("buyers", "sellers"):
            movers = changes.pop(side, None)
            if movers is not None:
                changes[side] = [Mover(symbol=symbol, net_value=value, net_volume=volume) for symbol, value, volume in movers]
        defaults: dict[str, Any] = {
            "day": DAY, "ts_ms": OPEN_MS, "scope": scope, "bought": 0, "sold": 0, "bought_value": 0, "sold_value": 0,
            "net_value": 0, "buyers": [], "sellers": [],
        }  # fmt: skip
        return self._row(names.STATE_FLOW, FlowRow, scope, defaults, changes)

    def status(self, feed: str = "a", **changes: Any) -> None:
        fields = {"epoch": OPEN_MS, "ts_us": time.time_ns() // 1_000, "market_ms": OPEN_MS}
        self.write(names.SSI_STATUS, feed, a_feed_status(feed, **(fields | changes)))
        self.progress()

    def progress(self) -> None:
        """Say of every shard that what came until now has been folded."""
        for topic in names.RECORD_TOPICS:
            for number in range(LOCAL_SHARDS):
                row = ShardProgress(topic=topic.name, partition=number, offset=0, recv_us=time.time_ns() // 1_000)
                self.write(names.STATE_PROGRESS, f"{topic.name}/{number}", row)

    def reference(self, symbol: str, **changes: Any) -> None:
        record = a_reference(symbol, **({"name": f"{symbol} JSC"} | changes))
        self.write(names.SSI_REFERENCE, symbol, ReferenceMessage(record=record))

    def alert(self, *numbers: int, shard: int = 0, **changes: Any) -> None:
        """Write one message with the alerts ``numbers``."""
        events = [an_alert(f"alert-{number}", OPEN_MS + 1_000 * number, **changes) for number in numbers]
        self.write(names.MARKET_ALERTS, shard_keys(3)[shard], AlertsFrame(events=events))

    def candles(self, *events: CandleEvent, shard: int = 0) -> None:
        """Write one message with these candles."""
        self.write(names.MARKET_CANDLES, shard_keys(3)[shard], CandlesFrame(events=list(events)))


class Gateway:
    """A gateway that runs in the test's event loop, over real sockets."""

    def __init__(self, url: str, stop: asyncio.Event, task: asyncio.Task[None]) -> None:
        self.url = url
        self.stop = stop
        self.task = task
        self.is_over = False

    async def end(self) -> None:
        """Wait until it has ended, by itself or because it was told to; what ended it is raised, once."""
        self.is_over = True
        await self.task

    async def readiness(self) -> tuple[int, str]:
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/readyz") as answer:
            return answer.status, await answer.text()

    async def ready(self) -> "Gateway":
        """Wait until it has read the topics."""

        async def is_ready() -> bool:
            return (await self.readiness())[0] == 200

        await reached(is_ready, "a gateway that is ready")
        return self


@pytest.fixture
def market(kafka: str, topics: str) -> Market:
    """A writer of rows to the test's own topics."""
    return Market(kafka, topics)


@pytest.fixture
def new_market(kafka: str, topics: str) -> Callable[..., Market]:
    """Makes more writers, with librdkafka settings of their own."""
    return lambda **settings: Market(kafka, topics, **settings)


@pytest.fixture
def new_market_at() -> Callable[[str], Market]:
    """Makes writers to topics without a prefix, on a broker of the test's own."""
    return lambda kafka: Market(kafka, "")


async def gateway_at(kafka: str, prefix: str, **settings: Any) -> Gateway:
    """Start a gateway on a free port; somebody must see to its end."""
    stop = asyncio.Event()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    fields: dict[str, Any] = {
        "kafka": {"bootstrap.servers": kafka},
        "topic_prefix": prefix,
        "port": 0,
        "fetch_wait_ms": 5,
        **settings,
    }
    task = asyncio.create_task(run(GatewaySettings(**fields), stop, listening.set_result))
    # Either it listens, or it says why not.
    either: set[asyncio.Future[Any]] = {task, listening}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    return Gateway(await listening, stop, task)


@pytest.fixture
async def start_gateway() -> AsyncIterator[Callable[..., Any]]:
    """Starts gateways on free ports; stops them at the end."""
    started: list[Gateway] = []

    async def start(kafka: str, prefix: str, **settings: Any) -> Gateway:
        started.append(await gateway_at(kafka, prefix, **settings))
        return started[-1]

    yield start
    for gateway in started:
        gateway.stop.set()
    for gateway in started:
        if not gateway.is_over:
            await gateway.end()


@pytest.fixture(scope="module")
async def idle_gateway(kafka: str, topic_sets: Callable[[int], TopicSets]) -> AsyncIterator[Gateway]:
    """A gateway that is ready and has nothing to show, for all tests of a file that only speak to it."""
    sets = topic_sets(LOCAL_SHARDS)
    prefix = sets.take()
    gateway = await gateway_at(kafka, prefix)
    yield await gateway.ready()
    gateway.stop.set()
    await gateway.task
    sets.give_back(prefix)


@pytest.fixture
async def gateway(kafka: str, topics: str, start_gateway: Callable[..., Any]) -> Gateway:
    """A gateway on the test's own topics; not necessarily ready yet."""
    started: Gateway = await start_gateway(kafka, topics)
    return started


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., Any]]:
    """Connects clients to a gateway."""
    async with AsyncExitStack() as stack:

        async def connect(gateway: Gateway, **options: Any) -> Wire:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Wire(await stack.enter_async_context(http.ws_connect(f"{gateway.url}/v1/ws", **options)))

        yield connect
