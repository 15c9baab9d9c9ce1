"""Verification of whatever stack runs in this home, or is named by the environment."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager

import aiohttp

from connectors.clickhouse.client import connect
from connectors.clickhouse.settings import SinkSettings
from schemas.deployment import kafka_config, topic_prefix
from stock_tracker import runfile
from stock_tracker.drain import worked_through
from stock_tracker.errors import NotRunning
from stock_tracker.home import Home
from stock_tracker.kafka import metadata
from stock_tracker.simulator import SimulatorClient
from stock_tracker.verify.run import Simulated, Verification, verify

_CLOCK = "/sim/clock"
_ARCHIVE = {"CLICKHOUSE_URL": "CLICKHOUSE_URL", "STOCK_TRACKER_HOME": "STOCK_TRACKER_HOME", "ARCHIVE_DATABASE": "database"}
"""What of the environment says where the archive is, and what the sink's settings call it."""


async def verify_running(environ: Mapping[str, str], tell: Callable[[str], None]) -> Verification:
    """Verify the simulated stack of this home; what ``environ`` sets itself (KAFKA_BOOTSTRAP, TOPIC_PREFIX, …) wins.

    A market that still plays is held meanwhile.

    Raises:
        NotInTime: Something was not worked through in time.
        NotRunning: None runs, and the environment does not name one either.
        NoTruth: Its simulator does not answer.
        KafkaUnavailable: Its Kafka does not answer.
        ArchiveError: Its archive does not answer.
    """
    home = Home(Home.of(environ).root / "simulated")
    # An empty variable is as good as none, here as in `up`.
    environ = {name: value for name, value in environ.items() if value}
    running = runfile.read(home.runfile)
    if (running is None or not running.alive) and "SSI_CLOCK" not in environ:
        raise NotRunning(home.root)
    environment = {**(running.environment if running else {}), **environ}
    environment["STOCK_TRACKER_HOME"] = str(home.root)
    # Topics that somebody named by hand have no readers to wait for: they are taken as they are.
    is_stack = running is not None and running.environment.get("TOPIC_PREFIX", "") == topic_prefix(environment)
    # Once there, a broker that goes away is waited for; one that is not there at all is said at once.
    await asyncio.to_thread(metadata.ask, kafka_config(environment))
    async with aiohttp.ClientSession() as session:
        simulator = SimulatorClient(session, environment["SSI_CLOCK"].removesuffix(_CLOCK))
        async with standing(simulator, tell):
            if is_stack:
                tell("Waiting until everything has been worked through")
                await worked_through(simulator, kafka_config(environment), topic_prefix(environment))
            simulated = await ask_simulator(simulator)
            return await asyncio.to_thread(verify_against, simulated, environment, tell, ())


@asynccontextmanager
async def standing(simulator: SimulatorClient, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold a market that still plays as long as the block runs: what moves cannot be compared."""
    held = (await simulator.clock()).state == "running"
    if held:
        tell("The simulated market plays: it stands still meanwhile")
        await simulator.hold()
    try:
        yield
    finally:
        if held:
            await simulator.resume()


async def ask_simulator(simulator: SimulatorClient) -> Simulated:
    """Fetch everything that the simulator knows.

    Raises:
        NoTruth: It does not answer.
    """
    clock = await simulator.clock()
    return Simulated(truth=await simulator.truth(), status=await simulator.status(), speed=clock.speed)


def archive_of(environment: Mapping[str, str]) -> SinkSettings:
    """How the sink of a stack reaches its archive; on a server that is not the stack's own it has a database to itself."""
    told = {field: environment[name] for name, field in _ARCHIVE.items() if name in environment}
    return SinkSettings.model_validate({"kafka": kafka_config(environment), **told})


def verify_against(
    simulated: Simulated, environment: Mapping[str, str], tell: Callable[[str], None], never_empty: Collection[str]
) -> Verification:
    """Verify the Kafka and the archive that ``environment`` names; see :func:`stock_tracker.verify.run.verify`."""
    kafka = kafka_config(environment)
    sink = archive_of(environment)
    archive = connect(sink.clickhouse_url, sink.user, sink.read_password(), sink.database, sink.password_file)
    try:
        return verify(simulated, kafka, topic_prefix(environment), archive, tell, never_empty)
    finally:
        archive.close()
