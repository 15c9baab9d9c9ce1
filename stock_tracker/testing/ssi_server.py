"""A simulated SSI for a test: its REST API and its stream, on a free port of this machine."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import aiohttp

from connectors.ssi.simulator.core.truth import ClockReading, SimulatorStatus, Truth
from connectors.ssi.simulator.server import simulator
from connectors.ssi.simulator.settings import HOST, SimulatorSettings
from stock_tracker.stack.simulator import SimulatorClient
from stock_tracker.testing.loop import LoopThread
from stock_tracker.testing.patience import until


class SsiServer:
    """A simulated SSI that runs."""

    def __init__(self, loop: LoopThread, client: SimulatorClient, settings: SimulatorSettings) -> None:
        self._loop = loop
        self._client = client
        self.url = client.url
        """Of REST and stream alike."""
        self.environ = {
            "SSI_API_URL": self.url,
            "SSI_STREAM_URL": self.url,
            "SSI_CLOCK": f"{self.url}/sim/clock",
            "SSI_CONSUMER_ID": settings.consumer_id.partition(",")[0],
            "SSI_CONSUMER_SECRET": settings.consumer_secret.get_secret_value(),
        }
        """What ``stock-tracker ssi run`` needs in its environment to connect to it."""

    def clock(self) -> ClockReading:
        """The market time, and whether the market clock runs."""
        return self._loop.call(self._client.clock())

    def status(self) -> SimulatorStatus:
        """Its connections, and how many records were put on each."""
        return self._loop.call(self._client.status())

    def truth(self) -> Truth:
        """Everything that happened on the simulated market so far."""
        return self._loop.call(self._client.truth())

    def wait_until_finished(self) -> None:
        """Wait until the day is over."""
        until(lambda: self.clock().state == "finished", "the end of the simulated day")


@contextmanager
def ssi_servers() -> Iterator[Callable[..., SsiServer]]:
    """Gives what starts simulated SSIs; they end with the block."""
    with LoopThread("ssi_server") as loop, ExitStack() as stack:

        def start(**settings: Any) -> SsiServer:
            told = SimulatorSettings(**{"port": 0, "speed": "max", "wait_for_client": True, **settings})
            return SsiServer(loop, stack.enter_context(loop.entered(_client(told))), told)

        yield start


@asynccontextmanager
async def _client(settings: SimulatorSettings) -> AsyncIterator[SimulatorClient]:
    async with simulator(settings) as port, aiohttp.ClientSession() as session:
        yield SimulatorClient(session, f"http://{HOST}:{port}")
