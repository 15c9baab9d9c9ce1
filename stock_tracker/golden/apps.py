"""The real pipelines on a real Kafka, as ``stock-tracker run`` runs them: processes that may be killed at any time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from pipelines.catalogue import Pipeline
from stock_tracker.errors import AppEnded, NotInTime
from stock_tracker.stack.drain import Backlog, ConsumerGroup

STOP_S: Final = 12.0
"""How long a process may take to stop by itself before it is killed."""
STILL_S: Final = 300.0
"""After so long without a commit a pipeline is taken to stand still; one that starts on a slow machine needs a tenth of it."""
TAIL_LINES: Final = 12
_LOOK_S: Final = 0.05


class Apps:
    """Pipelines as processes on the topics of one prefix; they run as long as the ``with`` block does."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, processes: Sequence[Sequence[str]], home: Path) -> None:
        """Prepare; nothing runs yet.

        Args:
            kafka: librdkafka's connection settings; those of security must be in this process's environment too.
            prefix: What stands before the names of topics and groups.
            processes: The names of the pipelines of each process.
            home: The folder for their state and their logs.
        """
        self._home = home
        self._environ = {
            **os.environ,
            "KAFKA_BOOTSTRAP": kafka["bootstrap.servers"],
            "TOPIC_PREFIX": prefix,
            "STOCK_TRACKER_HOME": str(home),
        }
        self._processes = [tuple(names) for names in processes]
        self._running: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        for names in self._processes:
            self._start(names)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, number: int) -> None:
        """Kill process ``number`` at once, whatever it is doing, and start it again."""
        names = self._processes[number]
        self._running[names].kill()
        self._running[names].wait()
        self._start(names)

    def check(self) -> None:
        """Look whether all of them run.

        Raises:
            AppEnded: One has ended by itself.
        """
        for names, process in self._running.items():
            if process.poll() is not None:
                lines = self._log(names).read_text(errors="replace").splitlines()
                raise AppEnded(" ".join(names), process.returncode, "\n".join(lines[-TAIL_LINES:]))

    def _start(self, names: tuple[str, ...]) -> None:
        with self._log(names).open("ab") as log:
            self._running[names] = subprocess.Popen(
                [sys.executable, "-m", "stock_tracker", "run", *names],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C is for who started us: we stop them in good order.
                start_new_session=True,
            )

    def _log(self, names: tuple[str, ...]) -> Path:
        return self._home / f"{'-'.join(names)}.log"


def wait_until_folded(
    kafka: Mapping[str, str], prefix: str, pipelines: Sequence[Pipeline], check: Callable[[], None] = lambda: None
) -> None:
    """Wait until each pipeline has committed all that is on its topics; nobody else may write them meanwhile.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of topics and groups.
        pipelines: Of the catalogue, upstream first: what one publishes another may read.
        check: Called at each look; what it raises ends the wait.

    Raises:
        NotInTime: A pipeline commits nothing any more although there is something to read.
        KafkaUnavailable: Kafka does not answer.
    """
    with closing(Backlog(kafka)) as backlog:
        for pipeline in pipelines:
            group = ConsumerGroup(f"{prefix}{pipeline.group}", tuple(source.named(prefix) for source in pipeline.sources))
            moved_at, last = time.monotonic(), -1
            while backlog.has_unread(group):
                check()
                lag = backlog.lag(group)
                if lag != last:
                    moved_at, last = time.monotonic(), lag
                elif time.monotonic() - moved_at > STILL_S:
                    raise NotInTime(f"{pipeline.name} stands still, {lag} offsets before the end of its topics", STILL_S)
                time.sleep(_LOOK_S)
