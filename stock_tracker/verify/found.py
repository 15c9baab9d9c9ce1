"""Verification of whatever stack runs in this home, or is named by the environment."""

import asyncio
from collections.abc import Callable, Mapping

import aiohttp

from connectors.clickhouse.client import connect
from connectors.clickhouse.settings import SinkSettings
from schemas.deployment import kafka_config, topic_prefix
from stock_tracker import runfile
from stock_tracker.errors import NotRunning
from stock_tracker.home import Home
from stock_tracker.simulator import SimulatorClient
from stock_tracker.verify.run import Simulated, Verification, verify

_CLOCK = "/sim/clock"
_ARCHIVE = ("CLICKHOUSE_URL", "STOCK_TRACKER_HOME")


async def verify_running(environ: Mapping[str, str], tell: Callable[[str], None]) -> Verification:
    """Verify the simulated stack of this home; what ``environ`` sets itself (KAFKA_BOOTSTRAP, TOPIC_PREFIX, …) wins.

    Raises:
        NotRunning: None runs, and the environment does not name one either.
        NoTruth: Its simulator does not answer.
        BrokerUnreachable: Its Kafka does not answer.
        ArchiveError: Its archive does not answer.
    """
    home = Home(Home.of(environ).root / "simulated")
    running = runfile.read(home.runfile)
    if (running is None or not running.alive) and "SSI_CLOCK" not in environ:
        raise NotRunning(home.root)
    environment = {**(running.environment if running else {}), **environ}
    async with aiohttp.ClientSession() as session:
        simulated = await ask_simulator(session, environment["SSI_CLOCK"].removesuffix(_CLOCK))
    return await asyncio.to_thread(verify_against, simulated, {**environment, "STOCK_TRACKER_HOME": str(home.root)}, tell)


async def ask_simulator(session: aiohttp.ClientSession, url: str) -> Simulated:
    """Fetch everything that the simulator at ``url`` knows.

    Raises:
        NoTruth: It does not answer.
    """
    simulator = SimulatorClient(session, url)
    clock = await simulator.clock()
    return Simulated(truth=await simulator.truth(), status=await simulator.status(), speed=clock.speed)


def verify_against(simulated: Simulated, environment: Mapping[str, str], tell: Callable[[str], None]) -> Verification:
    """Verify the Kafka and the archive that ``environment`` names."""
    kafka = kafka_config(environment)
    sink = SinkSettings.model_validate({"kafka": kafka, **{name: environment[name] for name in _ARCHIVE if name in environment}})
    archive = connect(sink.clickhouse_url, sink.user, sink.read_password(), sink.database, sink.password_file)
    try:
        return verify(simulated, kafka, topic_prefix(environment), archive, tell)
    finally:
        archive.close()
