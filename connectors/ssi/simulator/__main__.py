"""``python -m connectors.ssi.simulator``: the simulator on its own, set by ``SIM_*``."""

import asyncio
import logging
import signal
import sys

from pydantic import ValidationError

from connectors.ssi.simulator.errors import SimulatorError
from connectors.ssi.simulator.server import run
from connectors.ssi.simulator.settings import SimulatorSettings


async def _run_until_signal(settings: SimulatorSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop)


def main() -> int:
    """Run it until it is told to stop; 0 then, 1 when it cannot run, 2 when its settings are wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = SimulatorSettings()
    except ValidationError as error:
        logging.getLogger(__name__).error("the SIM_* settings are wrong: %s", error)
        return 2
    try:
        asyncio.run(_run_until_signal(settings))
    except SimulatorError as error:
        logging.getLogger(__name__).error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
