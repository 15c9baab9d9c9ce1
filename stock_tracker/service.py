"""What the commands that run a service have in common: the log, the health port, the signals that stop it."""

import asyncio
import gc
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from schemas.errors import PortTaken
from stock_tracker.health import HOST_NAME, LOOPBACK, HealthServer

Health = Callable[[str], None]
"""Takes the reason why a service is not ready; an empty text when it is ready."""


def log_to_stderr() -> None:
    """Log to stderr, with the time in UTC at the start of each entry."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )


def spare_the_collector() -> None:
    """Make garbage collection rare, and let it skip what exists already; call it once all that lasts is there.

    Python's collector looks at all living objects again and again. With many of them decoding and folding take twice as long.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@contextmanager
def serving_health(port: int) -> Iterator[Health]:
    """Serve health on ``port`` as long as the block runs, to this machine only if STOCK_TRACKER_HEALTH_HOST names no address.

    Raises:
        PortTaken: Another process listens there.
    """
    host = os.environ.get(HOST_NAME) or LOOPBACK
    try:
        server = HealthServer(port, host)
    except OSError as error:
        remedy = "Name another port with --port, or --port 0 for any that is free"
        raise PortTaken.of(error, host, port, remedy) from error
    try:
        yield server.report
    finally:
        server.close()


def run_until_signalled(
    service: Callable[[asyncio.Event], Awaitable[None]], signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT)
) -> None:
    """Run an asynchronous service; ``signals`` set the event that it is given, and it then ends by itself."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, stop.set)
        await service(stop)

    asyncio.run(run())
