"""Several processes of the same service on this machine: one is this process, the others are its children.

Each is an instance of its own. A pipeline's has its own state directory, transactional id and membership, and Kafka gives it a
share of the shards; a gateway's gets a share of the connections. They live and end together: when a child ends by itself, this
process stops too, and whoever supervises it starts all of them again.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NamedTuple

from schemas.errors import HALTED
from stock_tracker.errors import InstanceEnded

STOP_S: Final = 12.0
"""How long a child may take to stop by itself before it is killed."""

log = logging.getLogger(__name__)


def instance_names(first: str, count: int) -> list[str]:
    """The names of ``count`` instances: ``first``, and those made of it. The same over restarts, whatever their number."""
    return [first, *(f"{first}.{number}" for number in range(1, count))]


class Child(NamedTuple):
    """A process that runs beside this one."""

    name: str
    arguments: Sequence[str]
    """Of ``stock-tracker``."""
    environ: Mapping[str, str] = {}
    """What it finds in its environment beside what this process has."""
    files: Sequence[int] = ()
    """Descriptors that it inherits."""


@contextmanager
def beside(others: Sequence[Child]) -> Iterator[Callable[[], None]]:
    """Run ``stock-tracker`` once for each of ``others``, as long as the block runs.

    Call it in the main thread. A child that ends by itself has this process told to stop (SIGTERM). The block is given what tells
    the others to stop already; they are waited for when it ends.

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

    def tell_to_stop() -> None:
        stopping.set()
        for child in children.values():
            child.terminate()

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        for name, arguments, environ, files in others:
            command = [sys.executable, "-m", "stock_tracker", *arguments]
            child = children[name] = subprocess.Popen(command, env={**os.environ, **environ}, pass_fds=files)
            threading.Thread(target=watch, args=(name, child), name=f"instance-{name}", daemon=True).start()
        yield tell_to_stop
    except SystemExit:
        # Before the service has begun there is nothing to bring to a good end.
        if not ended:
            raise
    finally:
        tell_to_stop()
        _wait_for(children)
        signal.signal(signal.SIGTERM, before)
    for name, code in ended:
        if code == HALTED:
            raise SystemExit(HALTED)
        raise InstanceEnded(name, code)


def _wait_for(children: "dict[str, subprocess.Popen[bytes]]") -> None:
    """Let all stop: pipelines fold their message to the end and commit, gateways send their clients away."""
    for name, child in children.items():
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("instance %s did not stop within %.0f s and is killed", name, STOP_S)
            child.kill()
            child.wait()
