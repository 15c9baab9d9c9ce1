"""Several processes of the same pipelines on this machine: one is this process, the others are its children.

Each is an instance of its own: it has its own state directory, transactional id and membership, and Kafka gives each its share of
the shards. They live and end together: when a child ends by itself, this process stops too, and whoever supervises it starts all
of them again, each where its last commit ended.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from schemas.errors import HALTED
from stock_tracker.errors import InstanceEnded

STOP_S: Final = 12.0
"""How long a child may take to stop by itself before it is killed."""

log = logging.getLogger(__name__)


def instance_names(first: str, count: int) -> list[str]:
    """The names of ``count`` instances: ``first``, and those made of it. The same over restarts, whatever their number."""
    return [first, *(f"{first}.{number}" for number in range(1, count))]


@contextmanager
def beside(names: Sequence[str], arguments: Sequence[str]) -> Iterator[None]:
    """Run ``stock-tracker run`` with ``arguments`` once for each of the instances ``names``, as long as the block runs.

    Call it in the main thread. A child that ends by itself has this process told to stop (SIGTERM).

    Raises:
        InstanceEnded: A child ended by itself.
        SystemExit: A child halted: starting it again would meet the same.
    """
    children: dict[str, subprocess.Popen[bytes]] = {}
    ended: list[tuple[str, int]] = []
    stopping = threading.Event()

    def watch(name: str, child: "subprocess.Popen[bytes]") -> None:
        code = child.wait()
        if not stopping.is_set():
            log.error("instance %s ended with exit code %d; the others stop too", name, code)
            ended.append((name, code))
            os.kill(os.getpid(), signal.SIGTERM)

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        for name in names:
            command = [sys.executable, "-m", "stock_tracker", "run", *arguments]
            children[name] = subprocess.Popen(command, env={**os.environ, "PIPELINE_INSTANCE": name})
            threading.Thread(target=watch, args=(name, children[name]), name=f"instance-{name}", daemon=True).start()
        yield
    except SystemExit:
        # Before the pipelines have begun there is nothing to bring to a good end.
        if not ended:
            raise
    finally:
        stopping.set()
        _stop(children)
        signal.signal(signal.SIGTERM, before)
    for name, code in ended:
        if code == HALTED:
            raise SystemExit(HALTED)
        raise InstanceEnded(name, code)


def _stop(children: "dict[str, subprocess.Popen[bytes]]") -> None:
    """Stop all: each folds its message to the end and commits."""
    for child in children.values():
        child.terminate()
    for name, child in children.items():
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("instance %s did not stop within %.0f s and is killed; it goes on from its last commit", name, STOP_S)
            child.kill()
            child.wait()
