"""Asking the simulator what it does and did."""

from typing import TypeVar

import aiohttp
import msgspec

from connectors.ssi.simulator.core.truth import ClockReading, SimulatorStatus, Truth
from stock_tracker.errors import NoTruth

T = TypeVar("T")
_LIMIT = aiohttp.ClientTimeout(total=60.0)


class SimulatorClient:
    """The ``/sim/`` paths of a simulator at ``url``. Every method raises NoTruth when it does not answer as one."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url.rstrip("/")

    async def clock(self) -> ClockReading:
        """Market time, and whether it runs."""
        return self._read(await self._ask("GET", "/sim/clock"), ClockReading)

    async def status(self) -> SimulatorStatus:
        """Its connections, and what was put on each."""
        return self._read(await self._ask("GET", "/sim/status"), SimulatorStatus)

    async def truth(self) -> Truth:
        """Everything that happened on the simulated market so far."""
        return Truth.load(await self._ask("GET", "/sim/truth"))

    async def hold(self) -> None:
        """Let the market stand: nothing happens on it until :meth:`resume`."""
        await self._ask("POST", "/sim/hold")

    async def resume(self) -> None:
        """Let the market go on."""
        await self._ask("POST", "/sim/resume")

    async def _ask(self, method: str, path: str) -> bytes:
        try:
            async with self._session.request(method, self.url + path, timeout=_LIMIT) as answer:
                if answer.status != 200:
                    raise NoTruth(self.url, f"{path} answered {answer.status}")
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoTruth(self.url, str(error) or type(error).__name__) from error

    def _read(self, body: bytes, model: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=model)
        except msgspec.MsgspecError as error:
            raise NoTruth(self.url, f"what it says is not what a simulator says: {error}") from error
