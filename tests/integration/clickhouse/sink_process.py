"""The sink as a process of its own that kills or stops itself at a named step: ``sink_process.py [STEP COUNT [stop]]``.

Steps: ``before_declaring``, ``declared`` (the intent is in Kafka, nothing inserted), ``sending`` (the insert is made, and nothing
is asked any more before it is sent), ``inserting`` (it is on its way), ``inserted`` (Kafka does not know yet), ``between_blocks``
(some of a batch's blocks are in). COUNT says which time.

With SINK_SESSION_SECONDS Kafka gives its partitions to others after it has been silent for so long.
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


def end_itself(how: signal.Signals) -> None:
    os.kill(os.getpid(), how)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    if len(sys.argv) > 1:
        step, count, *how = sys.argv[1:]
        arm(step, int(count), signal.SIGSTOP if how else signal.SIGKILL)
    if session_s := os.environ.get("SINK_SESSION_SECONDS"):
        sink._SESSION_MS = int(session_s) * 1_000
        sink._SURE_SECONDS = int(session_s) * 2 / 3
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings, limit = SinkSettings(kafka=kafka_config(os.environ)), dead_letter_limit(os.environ)
    sink.run(settings, limit, stop, lambda text: log.info("health: %s", text))


STEPS = {
    "before_declaring": (Intents, "commits", "after"),
    "declared": (Writer, "insert", "before"),
    "sending": (Writer, "_insert", "before"),
    "inserting": (Writer, "_insert", "during"),
    "between_blocks": (Writer, "_insert", "after"),
    "inserted": (Writer, "insert", "after"),
}


def arm(step: str, count: int, how: signal.Signals) -> None:
    owner, name, moment = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    left = count

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if moment == "after":
            result = original(*args, **kwargs)
            if result == []:
                # Nothing was to be done. A process that was stopped and goes on comes by here again.
                return result
            left -= 1
        else:
            left -= 1
        if left == 0:
            if moment == "during":
                threading.Timer(0.004, end_itself, [how]).start()
            else:
                end_itself(how)
        return result if moment == "after" else original(*args, **kwargs)

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    main()
