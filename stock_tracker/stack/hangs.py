"""Ends the processes that hang, so that whoever supervises them starts them again: exits alone do not tell of those."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
from confluent_kafka import KafkaException

from stock_tracker.errors import StockTrackerError
from stock_tracker.kafka import metadata
from stock_tracker.kafka.broker import Broker
from stock_tracker.stack.core.silence import ASK_EVERY_S, ASKS, Heard, Silences
from stock_tracker.stack.supervisor import Supervisor


async def end_the_hung(
    session: aiohttp.ClientSession, supervisor: Supervisor, asks: int = ASKS, every_s: float = ASK_EVERY_S
) -> None:
    """Ask every process of ``supervisor`` for its health again and again, and kill those that hang, until cancelled.

    Args:
        session: To ask with.
        supervisor: Starts again what was killed.
        asks: So many in a row without an answer are a hang.
        every_s: Seconds between two of them.
    """
    loop = asyncio.get_running_loop()
    silences = Silences(asks, every_s)
    while True:
        asked = [(life.part, life.pid) for life in supervisor.lives if life.pid is not None]
        # Whoever answers at once does not shorten the round: its length is what tells whether we ran ourselves.
        answers, _ = await asyncio.gather(
            asyncio.gather(*(_answers(session, part.ready_url, every_s) for part, _ in asked)), asyncio.sleep(every_s)
        )
        heard = {part.name: Heard(pid, answered) for (part, pid), answered in zip(asked, answers, strict=True) if pid is not None}
        for name in silences.take(loop.time(), heard):
            supervisor.end_hung(name, heard[name].pid, asks * every_s)


async def end_the_hung_broker(
    broker: Broker, kafka: Mapping[str, str], tell: Callable[[str], None], asks: int = ASKS, every_s: float = ASK_EVERY_S
) -> None:
    """The same for the local broker, which gets on, too, as long as its log grows; whoever keeps it running starts it again.

    Args:
        broker: The broker, running or not.
        kafka: The connection to it.
        tell: Is told when it is stopped.
        asks: So many in a row without an answer are a hang.
        every_s: Seconds between two of them.
    """
    loop = asyncio.get_running_loop()
    silences = Silences(asks, every_s)
    client = metadata.admin(kafka)

    def answers() -> bool:
        try:
            client.list_topics(timeout=every_s)
        except KafkaException:
            return False
        return True

    written = 0
    while True:
        running = await asyncio.to_thread(broker.running)
        answered, _ = await asyncio.gather(asyncio.to_thread(answers), asyncio.sleep(every_s))
        before, written = written, _length(broker.log)
        heard = {} if running is None else {"kafka": Heard(running.pid, answered, moved=written != before)}
        if silences.take(loop.time(), heard):
            tell(f"kafka lives, but has answered nothing for {asks * every_s:.0f} s; stopping it (log: {broker.log})")
            try:
                await asyncio.to_thread(broker.stop, tell)
            except StockTrackerError as error:
                tell(f"kafka was not stopped, trying again: {error}")


def _length(log: Path) -> int:
    try:
        return log.stat().st_size
    except OSError:
        # A start makes it anew.
        return 0


async def _answers(session: aiohttp.ClientSession, url: str, patience_s: float) -> bool:
    """Whether a process answers at all: one that says that it is not ready, and why, does not hang."""
    try:
        async with session.get(url, timeout=aiohttp.ClientTimeout(total=patience_s)):
            return True
    except (aiohttp.ClientError, TimeoutError):
        return False
