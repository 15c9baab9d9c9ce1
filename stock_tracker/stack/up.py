"""Starts a stack in the right order, keeps it running, and stops it; waits until a simulated day has been worked through."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from connectors.clickhouse.client import shown
from schemas.deployment import LOCAL_SHARDS
from schemas.errors import PortTaken
from stock_tracker.errors import NotInTime, NoTruth, StockTrackerError
from stock_tracker.kafka import topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.stack import runfile
from stock_tracker.stack.drain import DRAIN_S, worked_through
from stock_tracker.stack.hangs import end_the_hung, end_the_hung_broker
from stock_tracker.stack.plan import Stack
from stock_tracker.stack.readiness import wait_until_ready
from stock_tracker.stack.shutdown import shut_down
from stock_tracker.stack.simulator import SimulatorClient
from stock_tracker.stack.supervisor import Supervisor
from stock_tracker.stack.together import together
from stock_tracker.stack.watcher import Watcher

Tell = Callable[[str], None]

_LOOK_S = 0.5


@dataclass
class Up:
    """A stack that runs."""

    stack: Stack
    supervisor: Supervisor
    session: aiohttp.ClientSession
    watcher: Watcher
    tell: Tell
    simulator: SimulatorClient | None
    """None when the stack is live."""
    broker: Broker | None
    """The local Kafka; None when the environment names another."""
    urls: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def running(stack: Stack, tell: Tell) -> AsyncIterator[Up]:
    """Start a stack, give it to the block once all its processes are ready, and stop it at the end of the block.

    Raises:
        StockTrackerError: A process did not become ready. Those that had been started have been stopped again.
        PortTaken, KafkaUnavailable: The same for Kafka.
    """
    stack.home.root.mkdir(parents=True, exist_ok=True)
    if not stack.options.live:
        # A simulated day begins with no data: what another run has left may come from another seed, and so from another market.
        await asyncio.to_thread(_forget, stack, tell)

    supervisor = Supervisor(tell)
    async with aiohttp.ClientSession() as session:
        up = Up(
            stack=stack,
            supervisor=supervisor,
            session=session,
            watcher=Watcher(f"ws://127.0.0.1:{stack.gateway.port}/v1/ws"),
            simulator=SimulatorClient(session, f"http://127.0.0.1:{stack.simulator.port}") if stack.simulator else None,
            broker=Broker.of(stack.environment) if stack.local_kafka_port else None,
            tell=tell,
            urls=_urls(stack),
        )
        chores: list[asyncio.Task[None]] = []
        try:
            await _start(up, chores)
            yield up
        finally:
            stopping = asyncio.create_task(_stop(up, chores))
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError:
                # A signal that comes now must not leave anything running.
                await asyncio.wait({stopping})
                raise


async def _stop(up: Up, chores: list[asyncio.Task[None]]) -> None:
    for chore in chores:
        chore.cancel()
    await asyncio.gather(*chores, return_exceptions=True)
    await up.supervisor.stop()
    if up.broker is not None:
        await asyncio.to_thread(up.broker.stop, up.tell)
    up.stack.runfile.unlink(missing_ok=True)


async def _start(up: Up, chores: list[asyncio.Task[None]]) -> None:
    stack, supervisor, broker = up.stack, up.supervisor, up.broker
    # The run file is written from the beginning, so that `down` finds the processes even if we are killed during the start.
    chores.append(asyncio.create_task(_keep_noting(up)))
    # All start at once, to save time: those that need Kafka import their modules while it boots, and wait for the topics.
    first = [part for part in stack.parts if part is not stack.connector]
    for part in first:
        await supervisor.start(part)
    if broker is not None and stack.local_kafka_port is not None:
        await to_its_end(broker.start, stack.local_kafka_port, up.tell)
        chores.append(asyncio.create_task(keep_running(broker, stack.local_kafka_port, up.tell)))
        chores.append(asyncio.create_task(end_the_hung_broker(broker, stack.kafka, up.tell)))
    applied = await asyncio.to_thread(topics.apply, stack.kafka, stack.prefix, LOCAL_SHARDS, 1)
    up.tell(f"Topics: {len(applied.created)} made, {len(applied.present)} there before")
    await wait_until_ready(up.session, supervisor, first)
    chores.append(asyncio.create_task(up.watcher.run()))
    await supervisor.start(stack.connector)
    await wait_until_ready(up.session, supervisor, [stack.connector])
    chores.append(asyncio.create_task(end_the_hung(up.session, supervisor)))


async def to_its_end(start: Callable[..., object], *arguments: object) -> None:
    """Run ``start`` in a thread. A task that is cancelled meanwhile still waits for its end.

    A thread cannot be cancelled. If we went on at once, it could launch a broker after everything has been stopped, and nobody
    would stop that broker.
    """
    started = asyncio.ensure_future(asyncio.to_thread(start, *arguments))
    try:
        await asyncio.shield(started)
    except asyncio.CancelledError:
        await asyncio.gather(started, return_exceptions=True)
        raise


async def keep_running(broker: Broker, port: int, tell: Tell) -> None:
    """Start the broker again whenever it dies, and try again when that fails, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_S)
        if await asyncio.to_thread(broker.running) is None:
            tell(f"kafka died; starting it again (log: {broker.log})")
            try:
                await to_its_end(broker.start, port, tell)
            except (StockTrackerError, PortTaken) as error:
                tell(f"kafka did not come up, trying again: {error}")


async def _keep_noting(up: Up) -> None:
    """Write the run file again and again, so that its process ids stay right when processes are started again."""
    told = ""
    while True:
        try:
            _note(up)
        except OSError as error:
            # A full disk, say, may have room again. Until then `status` and `down` see what was written last.
            if told != (told := str(error)):
                up.tell(f"What runs cannot be written to {up.stack.runfile}, trying again: {error}")
        else:
            told = ""
        await asyncio.sleep(_LOOK_S)


def _note(up: Up) -> None:
    stack = up.stack
    names = ("KAFKA_BOOTSTRAP", "TOPIC_PREFIX", "CLICKHOUSE_URL", "ARCHIVE_DATABASE", "SSI_CLOCK", "GATEWAY_PORT")
    lives = {life.part.name: life for life in up.supervisor.lives}
    runfile.write(
        stack.runfile,
        runfile.RunningStack(
            pid=os.getpid(),
            home=str(stack.home.root),
            simulated=not stack.options.live,
            environment={name: stack.environment[name] for name in names if name in stack.environment},
            urls=up.urls,
            parts={
                part.name: {
                    "pid": life.pid if (life := lives.get(part.name)) else None,
                    "port": part.port,
                    "restarts": max(0, life.starts - 1) if life else 0,
                }
                for part in stack.parts
            },
            halted={name: life.halted for name, life in lives.items() if life.halted},
        ),
    )


def _urls(stack: Stack) -> dict[str, str]:
    urls = {"dashboard": f"http://127.0.0.1:{stack.gateway.port}/", "archive": shown(stack.clickhouse_url)}
    if stack.simulator is not None:
        urls["simulator"] = f"http://127.0.0.1:{stack.simulator.port}/sim/status"
    urls["Kafka"] = stack.kafka["bootstrap.servers"]
    return urls


def _forget(stack: Stack, tell: Tell) -> None:
    if stack.runfile.exists():
        # A supervisor was killed and left its processes behind. They must be stopped before the file that names them is deleted.
        for line in shut_down(stack.environment):
            tell(f"Left behind by a stack that was killed: {line}")
    Broker.of(stack.environment).stop(tell)
    for entry in stack.home.root.iterdir():
        # The lock is ours: another `up` that found no file would take the lock on a file of its own.
        if entry != stack.home.lock:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()


async def played_and_drained(
    up: Up, simulator: SimulatorClient, limit_s: float, beside: Callable[[], Coroutine[Any, Any, None]] | None = None
) -> None:
    """Wait until the simulator has played to its end, and the pipelines and the sink have worked through all of it.

    Args:
        up: The stack.
        simulator: Its simulator.
        limit_s: How long the simulated day lasts, in seconds.
        beside: What is done while it plays; it is waited for before the rest is worked through.

    Raises:
        NotInTime: The simulator was not done :data:`DRAIN_S` after ``limit_s``, or the others needed longer than that.
        PartHalted: A part halted, so this would never be over.
    """
    await unless_one_halts(up.supervisor, _played_and_drained(up, simulator, limit_s, beside))


async def unless_one_halts(supervisor: Supervisor, work: Coroutine[Any, Any, None]) -> None:
    """Wait until ``work`` is over, but give it up when a part has halted: what a person has to see to cannot be waited for.

    Raises:
        PartHalted: A part halted.
    """
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_LOOK_S)
            supervisor.check_halted()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    task.result()


async def _played_and_drained(
    up: Up, simulator: SimulatorClient, limit_s: float, beside: Callable[[], Coroutine[Any, Any, None]] | None
) -> None:
    await together([_played(simulator, limit_s), *([beside()] if beside is not None else [])])
    await worked_through(simulator, up.stack.kafka, up.stack.prefix)


async def _played(simulator: SimulatorClient, limit_s: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s + DRAIN_S
    while True:
        try:
            if (await simulator.clock()).state == "finished":
                return
        except NoTruth:
            # It died, and is started again.
            if loop.time() > deadline:
                raise
        if loop.time() > deadline:
            raise NotInTime("the simulator has not played to its end", limit_s + DRAIN_S)
        await asyncio.sleep(_LOOK_S)
