"""A client of the simulator: asks what it has done, and stops and starts its market."""

import asyncio
from typing import TypeVar

import aiohttp
import msgspec

from connectors.ssi.simulator.core.truth import ClockReading, SimulatorStatus, Truth
from schemas.units import UnixMs
from stock_tracker.errors import NoTruth

T = TypeVar("T")
_LOOK_S = 0.01
_LIMIT = aiohttp.ClientTimeout(total=60.0)


class SimulatorClient:
    """The ``/sim/`` paths of the simulator at ``url``. Every method raises NoTruth if what answers there is no simulator."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url.rstrip("/")

    async def clock(self) -> ClockReading:
        """The market time, and whether the market clock runs."""
        return self._read(await self._ask("GET", "/sim/clock"), ClockReading)

    async def status(self) -> SimulatorStatus:
        """Its connections, and how many records were put on each."""
        return self._read(await self._ask("GET", "/sim/status"), SimulatorStatus)

    async def truth(self) -> Truth:
        """Everything that happened on the simulated market so far."""
        return Truth.load(await self._ask("GET", "/sim/truth"))

    async def hold(self) -> None:
        """Stop the market: nothing happens on it until :meth:`resume`. Returns when all that was due by then has been sent."""
        await self._ask("POST", "/sim/hold")
        while True:
            if (await self.clock()).state != "running":
                return
            await asyncio.sleep(_LOOK_S)

    async def resume(self, until: UnixMs | None = None) -> None:
        """Let the market go on: for good, or until that market time, at which it stands as after :meth:`hold`."""
        await self._ask("POST", "/sim/resume" if until is None else f"/sim/resume?until={until}")

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
