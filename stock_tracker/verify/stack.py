"""Verification of the stack that runs in this home, or that the environment names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final, Protocol

import aiohttp

from connectors.clickhouse.client import connect
from connectors.clickhouse.settings import SinkSettings
from connectors.ssi.simulator.core.truth import ClockReading
from schemas.deployment import kafka_config, topic_prefix
from schemas.units import UnixMs
from stock_tracker.errors import NotRunning, NoTruth
from stock_tracker.home import Home
from stock_tracker.kafka import metadata
from stock_tracker.stack import runfile
from stock_tracker.stack.drain import worked_through
from stock_tracker.stack.simulator import SimulatorClient
from stock_tracker.verify.run import SimulatedDay, Verification, verify
from stock_tracker.verify.sent import sent_by
from stock_tracker.verify.truth import TruthFile

HOLD_AGAIN_S: Final = 60.0
"""How often a market that stands while it is verified is asked to go on standing, in seconds."""
_CLOCK = "/sim/clock"
_ARCHIVE = {"CLICKHOUSE_URL": "CLICKHOUSE_URL", "STOCK_TRACKER_HOME": "STOCK_TRACKER_HOME", "ARCHIVE_DATABASE": "database"}
"""The variables that say where the archive is, each with the name of the sink's setting that takes it."""


async def verify_running(environ: Mapping[str, str], tell: Callable[[str], None]) -> Verification:
    """Verify the simulated stack of this home. What ``environ`` names itself (KAFKA_BOOTSTRAP, TOPIC_PREFIX, …) is used instead.

    A market that still plays is stopped, and goes on afterwards.

    Raises:
        NotInTime: The pipelines and the sink did not get to the end of their topics in time.
        NotRunning: No stack runs, and the environment does not name one either.
        NoTruth: The simulator does not answer.
        KafkaUnavailable: Kafka does not answer.
        ArchiveError: The archive does not answer.
    """
    home = Home(Home.of(environ).root / "simulated")
    # An empty variable counts as unset, here as in `up`.
    environ = {name: value for name, value in environ.items() if value}
    running = runfile.read(home.runfile)
    if (running is None or not running.alive) and "SSI_CLOCK" not in environ:
        raise NotRunning(home.root)
    environment = {**(running.environment if running else {}), **environ}
    environment["STOCK_TRACKER_HOME"] = str(home.root)
    # No pipeline of this stack reads topics under another prefix (copies, or another stack's), so there is nothing to wait for.
    is_stack = running is not None and running.environment.get("TOPIC_PREFIX", "") == topic_prefix(environment)
    # Waiting below outlasts a broker that goes away for a moment. One that is not there at all should be an error at once.
    await asyncio.to_thread(metadata.ask, kafka_config(environment))
    async with aiohttp.ClientSession() as session:
        simulator = SimulatorClient(session, environment["SSI_CLOCK"].removesuffix(_CLOCK))
        async with stopped_market(simulator, tell):
            if is_stack:
                tell("Waiting until everything has been worked through")
                await worked_through(simulator, kafka_config(environment), topic_prefix(environment))
            simulated = await ask_simulator(simulator)
            # The gateway reads the topics of the stack and no others.
            gateway = gateway_of(environment) if is_stack else None
            return await asyncio.to_thread(verify_against, simulated, environment, tell, (), gateway)


class PlayedMarket(Protocol):
    """What is asked of the simulator here; SimulatorClient is one."""

    async def clock(self) -> ClockReading:
        """The market time, and where the market is going."""

    async def hold(self) -> None:
        """Stop the market."""

    async def resume(self, until: UnixMs | None = None) -> None:
        """Let it go on, for good or until that market time."""


@asynccontextmanager
async def stopped_market(simulator: PlayedMarket, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Stop a market that still plays as long as the block runs, so that what is compared does not change meanwhile."""
    clock = await simulator.clock()
    if clock.state != "running":
        yield
        return
    tell("The simulated market is stopped meanwhile")
    await simulator.hold()
    holding = asyncio.create_task(_keep_holding(simulator))
    try:
        yield
    finally:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await simulator.resume(clock.stand_ms)


async def _keep_holding(simulator: PlayedMarket) -> None:
    """Ask again and again that the market be held. It goes on by itself some time after it was last asked to stand."""
    while True:
        await asyncio.sleep(HOLD_AGAIN_S)
        with contextlib.suppress(NoTruth):
            await simulator.hold()


async def ask_simulator(simulator: SimulatorClient) -> SimulatedDay:
    """Ask the simulator for everything that it did.

    Raises:
        NoTruth: It does not answer.
    """
    truth = await asyncio.to_thread(TruthFile.ask, simulator.url)
    return SimulatedDay(truth=truth, status=await simulator.status(), sent=sent_by(simulator.url))


def archive_of(environment: Mapping[str, str]) -> SinkSettings:
    """The settings with which the stack's own sink reaches the archive."""
    told = {field: environment[name] for name, field in _ARCHIVE.items() if name in environment}
    return SinkSettings.model_validate({"kafka": kafka_config(environment), **told})


def gateway_of(environment: Mapping[str, str]) -> str | None:
    """Where the gateway is that ``environment`` names by GATEWAY_PORT: on this machine. None when it names none."""
    port = environment.get("GATEWAY_PORT")
    return f"http://127.0.0.1:{port}" if port else None


def verify_against(
    simulated: SimulatedDay,
    environment: Mapping[str, str],
    tell: Callable[[str], None],
    never_empty: Collection[str],
    gateway_url: str | None,
) -> Verification:
    """Verify the Kafka and the archive that ``environment`` names; see :func:`stock_tracker.verify.run.verify`.

    What the simulator said of its day is closed afterwards.
    """
    kafka = kafka_config(environment)
    sink = archive_of(environment)
    archive = connect(sink.clickhouse_url, sink.user, sink.read_password(), sink.database, sink.password_file, sink.ca_file)
    try:
        return verify(simulated, kafka, topic_prefix(environment), archive, tell, never_empty, gateway_url)
    finally:
        archive.close()
        simulated.truth.close()
