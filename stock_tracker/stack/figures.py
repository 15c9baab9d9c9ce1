"""The few numbers that tell whether a stack is well: market time, records a second, lag, rows, messages to a client."""

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp

from schemas.calendar import ICT
from schemas.deployment import CLICKHOUSE_DATABASE
from schemas.errors import KafkaUnavailable
from stock_tracker.errors import NoTruth
from stock_tracker.stack.drain import Backlog, consumer_groups

if TYPE_CHECKING:
    from stock_tracker.stack.up import Up

_ROWS = "SELECT sum(total_rows) FROM system.tables WHERE database = '{database}' AND name NOT LIKE '%\\_state'"


@dataclass
class StackFigures:
    """How a running stack is doing; None where the one who knows did not answer."""

    market_time: str | None = None
    """HH:MM:SS in Vietnam, and whether the market clock runs."""
    records: int = 0
    """Records that the simulator has sent."""
    records_per_s: float = 0.0
    lag: int | None = None
    """Offsets that the consumer groups have still to read, over all of them; the marks that end transactions count too."""
    rows: int | None = None
    """Rows in the archive."""
    messages: int = 0
    """Messages that the gateway sent to the watcher."""
    messages_per_s: float = 0.0


class Gauge:
    """Reads the figures of a stack, again and again; what is per second is over the time since the reading before."""

    def __init__(self, up: "Up") -> None:
        self._up = up
        self._backlog = Backlog(up.stack.kafka)
        self._before: tuple[float, int, int] | None = None

    async def close(self) -> None:
        """Close the connections to Kafka, after the request that is perhaps under way."""
        await asyncio.to_thread(self._backlog.close)

    async def read(self) -> StackFigures:
        """Ask the simulator, Kafka and the archive. The figures of those that do not answer stay None or 0."""
        up, figures = self._up, StackFigures()
        if up.simulator is not None:
            try:
                clock, status = await asyncio.gather(up.simulator.clock(), up.simulator.status())
            except NoTruth:
                pass
            else:
                figures.market_time = f"{datetime.fromtimestamp(clock.market_ms / 1000, ICT):%H:%M:%S} ({clock.state})"
                figures.records = status.records
        figures.messages = up.watcher.messages
        now = time.monotonic()
        if self._before is not None:
            then, records, messages = self._before
            figures.records_per_s = max(0.0, (figures.records - records) / (now - then))
            figures.messages_per_s = max(0.0, (figures.messages - messages) / (now - then))
        self._before = (now, figures.records, figures.messages)
        figures.lag = await asyncio.to_thread(self._lag)
        figures.rows = await self._rows()
        return figures

    def _lag(self) -> int | None:
        try:
            return sum(self._backlog.lag(group) for group in consumer_groups(self._up.stack.prefix))
        except KafkaUnavailable:
            return None

    async def _rows(self) -> int | None:
        environment = self._up.stack.environment
        query = _ROWS.format(database=environment.get("ARCHIVE_DATABASE", CLICKHOUSE_DATABASE))
        try:
            async with self._up.session.get(environment["CLICKHOUSE_URL"], params={"query": query}) as answer:
                return int(await answer.text()) if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None
