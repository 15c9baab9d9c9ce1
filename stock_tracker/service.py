"""What the commands that run a service share: its log, its health port, the signals that stop it."""

import asyncio
import gc
import logging
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from schemas.errors import PortTaken
from stock_tracker.health import HealthServer

Health = Callable[[str], None]
"""Takes why a service is not ready, or an empty text when it is."""


def log_to_stderr() -> None:
    """Log one line an event, with the time in UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )


def spare_the_collector() -> None:
    """Keep what lives as long as the process out of garbage collection, and collect less often; call it once all is imported.

    Measured: with many objects alive the default makes decoding and folding twice as slow.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@contextmanager
def serving_health(port: int) -> Iterator[Health]:
    """Serve health on ``port`` as long as the block runs.

    Raises:
        PortTaken: Another process listens there.
    """
    try:
        server = HealthServer(port)
    except OSError as error:
        remedy = "Name another port with --port, or --port 0 for any that is free"
        raise PortTaken.of(error, "127.0.0.1", port, remedy) from error
    try:
        yield server.report
    finally:
        server.close()


def run_until_signalled(service: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run an asynchronous service until SIGTERM or SIGINT, then let it end by itself."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await service(stop)

    asyncio.run(run())
