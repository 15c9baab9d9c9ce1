"""The processes behind the connector, of this checkout or another: started, watched, stopped. What benchmarks of the whole share.

Each runs as on a machine of its own: a broker with new topics, an embedded archive, the pipelines, the sink and the gateway, all
on free ports of 127.0.0.1, with their data in a folder that goes when they stop.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, NamedTuple

from stock_tracker.ports import free_port

HERE: Final = Path(__file__).resolve().parents[1]
PATIENCE_S: Final = 600.0
"""How long anything may take before the benchmark gives up: it judges nothing by it."""
LOOK_S: Final = 0.25
PIPELINES: Final = ("prices", "alerts", "foreign", "indices")
SHARING: Final = ("prices", "foreign", "indices")
"""The pipelines that read records."""
Layout = Literal["apart", "process", "application"]
"""Whether these run in a process each, together in one, or as one application."""
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Usage(NamedTuple):
    """What a process has used since it began."""

    cpu_s: float
    """User and system, all threads."""
    peak_mb: float
    """The most memory that it had resident."""
    switches: int
    """How often one of its living threads gave up its processor to wait for something: how often it wakes."""


def usage_of(pid: int) -> Usage:
    """What the process ``pid`` has used, by the kernel's account."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    switches = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            lines = (task / "status").read_text().splitlines()
            switches += next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
    return Usage((int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND, peak_kb / 1024, switches)


class Chain:
    """The running processes of a checkout, by name; :func:`running` makes it."""

    def __init__(self, directory: Path, home: Path) -> None:
        self.directory = directory
        self.home = home
        self.bootstrap = f"127.0.0.1:{free_port()}"
        self.archive = f"http://127.0.0.1:{free_port()}"
        self.gateway = f"http://127.0.0.1:{free_port()}"
        self._pids: dict[str, int] = {}
        self._children: list[subprocess.Popen[bytes]] = []
        self.environ = {
            **{name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "TOPIC_PREFIX")},
            "PYTHONPATH": str(directory),
            "STOCK_TRACKER_HOME": str(home),
            "KAFKA_BOOTSTRAP": self.bootstrap,
            "CLICKHOUSE_URL": self.archive,
            "GATEWAY_PORT": self.gateway.rpartition(":")[2],
        }

    @property
    def kafka(self) -> dict[str, str]:
        """Librdkafka's connection settings."""
        return {"bootstrap.servers": self.bootstrap}

    def usage(self) -> dict[str, Usage]:
        """What each process has used."""
        for child in self._children:
            assert child.poll() is None, f"{child.args!r} ended by itself: see {self.home}"
        return {name: usage_of(pid) for name, pid in self._pids.items()}

    def ask(self, sql: str) -> list[list[Any]]:
        """What the archive answers."""
        url = f"{self.archive}/?database=market&default_format=JSONCompact"
        with urllib.request.urlopen(url, data=sql.encode(), timeout=PATIENCE_S) as answer:
            rows: list[list[Any]] = json.load(answer)["data"]
        return rows

    def board(self) -> list[dict[str, Any]]:
        """What the gateway shows of each symbol's prices; nothing while it is not ready to."""
        try:
            with urllib.request.urlopen(f"{self.gateway}/api/v1/snapshot/px", timeout=PATIENCE_S) as answer:
                said = json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code == 503:
                return []
            raise
        return [dict(zip(said["cols"], row, strict=True)) for row in said["rows"]]

    def command(self, *arguments: str) -> None:
        """Run a ``stock-tracker`` command to its end."""
        subprocess.run(self._argv(arguments), env=self.environ, cwd=self.directory, check=True, stdout=subprocess.DEVNULL)

    def start_broker(self, shards: int) -> None:
        """Start the broker, and make the topics."""
        # Only here: with a Kafka in the environment there is none to be started.
        environ = {name: value for name, value in self.environ.items() if name != "KAFKA_BOOTSTRAP"}
        start = self._argv(("kafka", "start", "--port", self.bootstrap.rpartition(":")[2]))
        subprocess.run(start, env=environ, cwd=self.directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._pids["broker"] = int((self.home / "kafka" / "broker.pid").read_text())
        self.command("topics", "apply", "--shards", str(shards))

    def start(self, name: str, *arguments: str) -> str:
        """Start a ``stock-tracker`` command as ``name``, with a health port; where it says whether it is ready."""
        port = free_port()
        return self.launch(name, self._argv((*arguments, "--port", str(port))), f"http://127.0.0.1:{port}/readyz")

    def start_pipelines(self, layout: Layout) -> list[str]:
        """Start all pipelines; where they say whether they are ready."""
        if layout == "apart":
            return [self.start(name, "run", name, "--wait", "60") for name in PIPELINES]
        alerts = self.start("alerts", "run", "alerts", "--wait", "60")
        if layout == "process":
            return [self.start("records", "run", *SHARING, "--wait", "60"), alerts]
        port = free_port()
        command = [sys.executable, "-P", "-W", "ignore", str(HERE / "benchmarks" / "one_application.py"), str(port), *SHARING]
        return [self.launch("records", command, f"http://127.0.0.1:{port}/readyz"), alerts]

    def start_archive(self) -> str:
        """Start the archive's server; where it says whether it is ready."""
        command = self._argv(("archive", "serve", "--port", self.archive.rpartition(":")[2]))
        return self.launch("archive", command, f"{self.archive}/ping")

    def start_gateway(self) -> str:
        """Start the gateway; where it says whether it is ready."""
        return self.launch("gateway", self._argv(("gateway",)), f"{self.gateway}/readyz")

    def launch(self, name: str, command: Sequence[str], ready: str) -> str:
        """Start a process, which will say at ``ready`` when it is ready; returns that."""
        with (self.home / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(command, env=self.environ, cwd=self.directory, stdout=log, stderr=log)
        self._children.append(child)
        self._pids[name] = child.pid
        return ready

    def wait_ready(self, urls: Sequence[str]) -> None:
        """Wait until all services say that they are ready."""
        deadline = time.monotonic() + PATIENCE_S
        for url in urls:
            while True:
                with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10):
                    break
                self.usage()
                assert time.monotonic() < deadline, f"{url} did not become ready: see {self.home}"
                time.sleep(LOOK_S)

    def stop(self) -> None:
        """Stop all that runs."""
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        if "broker" in self._pids:
            environ = {name: value for name, value in self.environ.items() if name != "KAFKA_BOOTSTRAP"}
            stop = self._argv(("kafka", "stop"))
            subprocess.run(
                stop, env=environ, cwd=self.directory, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-P", "-W", "ignore", "-m", "stock_tracker", *arguments]


@contextlib.contextmanager
def running(directory: Path, *, shards: int, layout: Layout = "apart") -> Iterator[Chain]:
    """The chain of the checkout in ``directory``, ready for the first message, as long as the block runs.

    Args:
        directory: A clone.
        shards: How many partitions a sharded topic has.
        layout: How the pipelines share processes.
    """
    # Whoever ends the benchmark ends its processes, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with TemporaryDirectory(prefix="chain-") as folder:
        chain = Chain(directory, Path(folder))
        try:
            chain.start_broker(shards)
            archive, gateway = chain.start_archive(), chain.start_gateway()
            services = chain.start_pipelines(layout)
            chain.wait_ready([archive])
            sink = chain.start("sink", "archive", "sink", "--wait", "60")
            chain.wait_ready([*services, gateway, sink])
            yield chain
        finally:
            chain.stop()
