"""The sink as a process of its own that kills itself at a named step: ``sink_process.py [STEP COUNT]``.

Steps: ``before_declaring``, ``declared`` (the intent is in Kafka, nothing inserted), ``inserting`` (the insert is on its way),
``inserted`` (Kafka does not know yet), ``between_blocks`` (some of a batch's blocks are in). COUNT says which time.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from connectors.clickhouse import sink
from connectors.clickhouse.core.intent import Intents
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas.deployment import dead_letter_limit, kafka_config

log = logging.getLogger(__name__)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if len(sys.argv) == 3:
        arm(sys.argv[1], int(sys.argv[2]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings, limit = SinkSettings(kafka=kafka_config(os.environ)), dead_letter_limit(os.environ)
    sink.run(settings, limit, stop, lambda text: log.info("health: %s", text))


STEPS = {
    "before_declaring": (Intents, "commits", "after"),
    "declared": (Writer, "insert", "before"),
    "inserting": (Writer, "_insert", "during"),
    "between_blocks": (Writer, "_insert", "after"),
    "inserted": (Writer, "insert", "after"),
}


def arm(step: str, count: int) -> None:
    owner, name, moment = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    left = count

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if moment == "after":
            result = original(*args, **kwargs)
            left -= result != []
        else:
            left -= 1
        if left == 0:
            if moment == "during":
                threading.Timer(0.004, die).start()
            else:
                die()
        return result if moment == "after" else original(*args, **kwargs)

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    main()
