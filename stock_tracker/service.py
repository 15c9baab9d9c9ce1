"""What the commands that run a service have in common: the log, the health port, the signals that stop it."""

import asyncio
import gc
import json
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from schemas.errors import PortTaken, WrongSetting
from schemas.plain_text import harmless
from stock_tracker.health import HOST_NAME, LOOPBACK, HealthServer

Health = Callable[[str], None]
"""Takes the reason why a service is not ready; an empty text when it is ready."""


LOG = "STOCK_TRACKER_LOG"
_PLACES = ("trading_day", "topic", "partition", "offset")
"""What an entry of the log may say of the message that it is about, as ``extra`` of the call."""


def log_to_stderr(environ: Mapping[str, str] = os.environ) -> None:
    """Log to stderr, with the time in UTC at the start of each entry; as JSON lines where STOCK_TRACKER_LOG says ``json``.

    Raises:
        WrongSetting: It says something else.
    """
    if (form := environ.get(LOG) or "text") not in ("text", "json"):
        raise WrongSetting(LOG, form, "text or json")
    logging.Formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class TextLines(logging.Formatter):
    """An entry as a line, with its time in UTC; a traceback follows in lines of its own.

    What others have sent, SSI's hub say, may be in it: it begins no line, and does nothing to a terminal.
    """

    def __init__(self) -> None:
        super().__init__("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """The line, without its end."""
        return harmless(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging calls it so
        """The traceback, line by line."""
        return "\n".join(map(harmless, super().formatException(ei).split("\n")))


class JsonLines(logging.Formatter):
    """An entry as one line of JSON: ``time``, ``level``, ``logger``, ``message``; ``error`` with a traceback where there is one.

    ``trading_day``, ``topic``, ``partition`` and ``offset`` say which message it is about, where it is about one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        made: dict[str, object] = {
            "time": f"{self.formatTime(record, '%Y-%m-%dT%H:%M:%S')}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        made |= {name: getattr(record, name) for name in _PLACES if hasattr(record, name)}
        if record.exc_info:
            made["error"] = self.formatException(record.exc_info)
        line = json.dumps(made, ensure_ascii=False)
        # What is not plainly visible can only be within a string of it.
        return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


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
