"""The local broker: started in the background, found again by its pidfile, stopped, started again on the same data.

A broker holds a lock on its pidfile as long as it lives: it inherits the open file, and the kernel releases the lock when the
process is gone, whatever ended it. So the pid in the file is valid exactly while the lock is held. A pidfile that was left behind
never gets another process killed, and of two starts at the same time only one succeeds.
"""

import base64
import contextlib
import fcntl
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stock_tracker.errors import BrokerFailed, StrangeData
from stock_tracker.home import Home, cache
from stock_tracker.kafka import PORT_NAME, class_data, jars, java, metadata
from stock_tracker.kafka.programs import ProgramFailed, Tell, run
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import free_port, require_free

START_S = 60.0
"""How long a broker that starts may say nothing. A quiet machine is ready in 2 to 3 s; a very slow one was seen to need 70."""
LONGEST_START_S = 600.0
"""How long a start may take although the broker goes on writing its log."""
LAUNCHES = 5
"""How often another port is chosen for the controller when somebody else takes it first."""
_PORT_TAKEN = "Address already in use"
"""What the broker writes to its log when a port is taken."""
STOP_S = 20.0
"""How long a stop may take; 0.2 to 2 s are usual. Then it is killed: nothing is lost by that, but the next start takes longer."""
TAIL_LINES = 12
_PAUSE_S = 0.1

HEAP = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError")
"""Java's options for a broker that starts quickly and needs little memory, because it shares the machine with everything else."""

_PASSED_ON = ("HOME", "JAVA_TOOL_OPTIONS", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")
"""The variables that the broker gets from our environment. Others may be secrets."""


class StartLimit:
    """Says when a start has taken too long: when nothing has moved for a time, or when it never ends."""

    def __init__(self, now_s: float) -> None:
        self._began_s = self._moved_s = now_s
        self._seen = 0

    def over(self, now_s: float, log_bytes: int) -> bool:
        """Whether to give up now; ``log_bytes`` is how long the log is, which grows as long as the broker is getting on."""
        if log_bytes != self._seen:
            self._seen, self._moved_s = log_bytes, now_s
        return now_s - self._moved_s > START_S or now_s - self._began_s > LONGEST_START_S


@dataclass(frozen=True)
class RunningBroker:
    """A broker that runs."""

    pid: int
    bootstrap: str
    """Where it listens, as ``host:port``."""


class Broker:
    """The broker whose data, log and pidfile are in ``folder``, whether it runs or not. It gets its port when it is started."""

    def __init__(self, folder: Path, environ: Mapping[str, str], java_options: Sequence[str] | None = None) -> None:
        """``java_options`` are further ones; if not given, those to start with the classes that :mod:`fetch` has kept."""
        self.folder = folder
        self.log = folder / "broker.log"
        """Its log since the last start; that of the run before is ``broker.previous.log``."""
        self._environ = environ
        self._java_options = java_options
        self._pidfile = folder / "broker.pid"
        self._settings = folder / "server.properties"
        self._data = folder / "data"

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Broker":
        """The broker in the home that ``environ`` names."""
        return cls(Home.of(environ).kafka, environ)

    def running(self) -> RunningBroker | None:
        """Its pid and its address; None when it does not run."""
        try:
            pidfile = self._pidfile.open("r+")
        except FileNotFoundError:
            return None
        with pidfile:
            if _take(pidfile, fcntl.LOCK_SH):
                # No broker holds the lock. A pid that is left in the file is removed, so that it is not taken for the pid of the
                # next broker, whose start takes the lock before it writes its own.
                pidfile.truncate(0)
                return None
            pid = pidfile.read().strip()
        # No pid: a start holds the lock, and has not launched the broker yet.
        return RunningBroker(int(pid), self._bootstrap()) if pid else None

    def start(self, port: int, tell: Tell) -> RunningBroker:
        """Start it on 127.0.0.1:``port`` and wait until it answers. If it runs already it stays as it is, on whatever port.

        It goes on when this process ends and the terminal closes. Java, jars and storage are prepared first if need be.

        Raises:
            PortTaken: Something else listens on ``port``.
            BrokerFailed: It did not come up; the error has the end of its log.
            StrangeData: The data was written by another broker than ours.
            NoJava, JarsUnavailable, WrongJars, NoRecipe, ToolsUnavailable: Something that it needs is not there.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as undo:
            limit, launches = StartLimit(time.monotonic()), 0
            while not limit.over(time.monotonic(), self._log_bytes()):
                running = self.running()
                if running is not None:
                    # Compared by cluster id, because another broker may answer on that port.
                    if metadata.cluster_at(running.bootstrap) == self.cluster_id():
                        undo.pop_all()
                        return running
                elif launches and not (launches < LAUNCHES and self._lost_a_port()):
                    raise BrokerFailed("stopped before it answered", self.log, self._tail())
                elif self._launch(port, tell):
                    # If the start fails from here on, or is interrupted with Ctrl-C, the process must not stay behind.
                    undo.callback(self.stop, tell)
                    launches += 1
                    limit = StartLimit(time.monotonic())
                time.sleep(_PAUSE_S)
            raise BrokerFailed(f"did not answer, and wrote nothing for {START_S:.0f} s", self.log, self._tail())

    def stop(self, tell: Tell) -> bool:
        """Stop it and wait until it is gone; False when it did not run.

        Raises:
            BrokerFailed: It did not stop, and was still there after it had been killed.
        """
        running = self.running()
        if running is None:
            return False
        self._signal(running, signal.SIGTERM)
        if not self._gone_within(STOP_S):
            tell(f"Kafka did not stop within {STOP_S:.0f} s; killing it")
            self._signal(running, signal.SIGKILL)
            if not self._gone_within(STOP_S):
                raise BrokerFailed(f"(pid {running.pid}) does not die", self.log, self._tail())
        return True

    def cluster_id(self) -> str | None:
        """The id that was given to its storage; None when there is no storage yet."""
        properties = self._data / "meta.properties"
        return _properties(properties.read_text()).get("cluster.id") if properties.exists() else None

    def _launch(self, port: int, tell: Tell) -> bool:
        """Start the process and write its pid to the file; False when a start, or a broker that still stops, has the lock."""
        with self._pidfile.open("a+") as pidfile:
            if not _take(pidfile, fcntl.LOCK_EX):
                return False
            process = self._spawn(pidfile, port, tell)
            pidfile.write(f"{process.pid}\n")
        # It may end while we run, and a child that nobody waits for would stay in the system's list as a zombie.
        threading.Thread(target=process.wait, name="Kafka's end", daemon=True).start()
        return True

    def _spawn(self, pidfile: IO[str], port: int, tell: Tell) -> subprocess.Popen[bytes]:
        other = free_port()
        require_free(
            port,
            f"Stop that, or take another port: stock-tracker kafka start --port {other} (or {PORT_NAME}={other}). "
            f"If it is a Kafka that you want to use: KAFKA_BOOTSTRAP=127.0.0.1:{port}",
        )
        recipe = Recipe.of_repository()
        downloads = cache(self._environ)
        runtime = java.find(recipe, downloads, self._environ, tell)
        classes = jars.ready(recipe, downloads, self._environ, tell)
        kept = class_data.options(class_data.archive_of(classes, runtime))

        def command(options: Sequence[str]) -> list[str]:
            logging = f"-Dlog4j2.configurationFile={recipe.logging.as_uri()}"
            return [str(runtime.path), *HEAP, *options, logging, "-cp", f"{classes}/*"]

        environ = {name: value for name, value in self._environ.items() if name in _PASSED_ON}
        self._configure(recipe, port)
        self._format(command(kept), environ, tell)
        with contextlib.suppress(FileNotFoundError):
            self.log.rename(self.log.with_suffix(".previous.log"))
        tell(f"Starting Kafka {recipe.version} on 127.0.0.1:{port} with {runtime}")
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*command(kept if self._java_options is None else self._java_options), "kafka.Kafka", self._settings.name],
                cwd=self.folder,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own, so that Ctrl-C and the closing of the terminal do not reach it.
                start_new_session=True,
                pass_fds=[pidfile.fileno()],
            )

    def _configure(self, recipe: Recipe, port: int) -> None:
        # Only the broker itself uses the controller's port, so it may be another one at each start.
        controller = free_port()
        self._settings.write_text(
            f"{recipe.settings}\n"
            "# Added by stock-tracker at each start.\n"
            f"listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n"
            f"advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
        )

    def _format(self, command: list[str], environ: Mapping[str, str], tell: Tell) -> None:
        properties = self._data / "meta.properties"
        # Kafka writes this file last. Without it the storage was not formatted, or that was interrupted.
        if properties.exists():
            node = _properties(properties.read_text()).get("node.id")
            if node != "1":
                raise StrangeData(self._data, f"it belongs to node {node}, this broker is node 1")
            return
        tell(f"Formatting {self._data}")
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", f"c{cluster[1:]}", "-c", str(self._settings)]
        try:
            run([*command, *tool], lambda line: None, env=environ, cwd=self.folder)
        except ProgramFailed as failed:
            raise BrokerFailed("could not format its storage", self.log, failed.tail) from failed

    def _bootstrap(self) -> str:
        return _properties(self._settings.read_text())["advertised.listeners"].removeprefix("PLAINTEXT://")

    def _signal(self, running: RunningBroker, number: signal.Signals) -> None:
        # Asked again right before the signal: only while it holds the lock does the pid belong to our broker.
        if self.running() == running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(running.pid, number)

    def _gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.running() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_PAUSE_S)
        return True

    def _log_bytes(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def _lost_a_port(self) -> bool:
        """Whether it ended because a port was taken. If it was not the controller's, the next launch says who has it."""
        return self.log.exists() and _PORT_TAKEN in self.log.read_text(errors="replace")

    def _tail(self) -> str:
        """The end of its log, without the lines of Java's stack traces, among which the reason would be hard to find."""
        with contextlib.suppress(FileNotFoundError):
            lines = self.log.read_text(errors="replace").splitlines()
            return "\n".join([line for line in lines if not line.startswith("\tat ")][-TAIL_LINES:])
        return ""


def _take(pidfile: IO[str], kind: int) -> bool:
    """Take the lock on ``pidfile``; False when a broker or a start holds it. Closing the file releases it."""
    try:
        fcntl.flock(pidfile, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _properties(text: str) -> dict[str, str]:
    """The settings in a Java properties file; of its syntax only what Kafka's own files use."""
    rows = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in rows}
