"""``python -m connectors.ssi``: the connector alone, configured by the environment."""

import asyncio
import logging
import os
import signal
import sys

from pydantic import ValidationError

from connectors.ssi.errors import SsiError
from connectors.ssi.service import run
from connectors.ssi.settings import SsiSettings
from schemas.deployment import kafka_config, topic_prefix


async def _run(settings: SsiSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(settings, stop, lambda said: logging.getLogger(__package__).info("%s", said or "ready"))


def main() -> int:
    """Run until a signal comes. Exit code 2: wrong settings; 1: cannot work."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = SsiSettings(kafka=kafka_config(os.environ), topic_prefix=topic_prefix(os.environ))
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            sys.stderr.write(f"{problem['msg'].removeprefix('Value error, ')}\n")
        return 2
    try:
        asyncio.run(_run(settings))
    except SsiError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
