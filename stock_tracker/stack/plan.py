"""The processes of a local stack: which there are, in which order they start, and which settings each gets.

A live stack keeps its data in the home and goes on where it stopped. A simulated one keeps its data in ``simulated/`` of the home
and begins with none each time, so that it never mixes with real data. A Kafka or ClickHouse that the environment names
(``KAFKA_BOOTSTRAP``, ``CLICKHOUSE_URL``) is used instead of a local one; there a simulated stack has a topic prefix and a
database of its own.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines import catalogue
from schemas import deployment
from schemas.errors import WrongSetting
from stock_tracker.errors import CredentialsMissing
from stock_tracker.home import Home
from stock_tracker.kafka import PORT_NAME
from stock_tracker.ports import free_port, require_free
from stock_tracker.stack.supervisor import Part

START = "08:55"
"""Market time at which a simulated day begins: shortly before the opening auctions."""
END_OF_DAY = "15:15"
"""Market time at which a simulated day is over: nothing trades after it."""
SECRETS = ("SSI_CONSUMER_ID", "SSI_CONSUMER_ID_FILE", "SSI_CONSUMER_SECRET", "SSI_CONSUMER_SECRET_FILE")
"""Variables that only the connector's process gets."""
ARCHIVE_PORT = "ARCHIVE_PORT"
_DEMO = {"SSI_CONSUMER_ID": "demo", "SSI_CONSUMER_SECRET": "demo"}
"""The credentials that the simulator accepts."""
WAIT_S = "60"
"""How many seconds a process waits for Kafka and the topics, when all are started at once."""
_COMMAND = (sys.executable, "-m", "stock_tracker")


@dataclass(frozen=True)
class Options:
    """What a user of ``stock-tracker up`` can choose."""

    speed: float = 20.0
    """Market seconds in a second."""
    seed: int = 1
    seconds: float | None = None
    """Play for so many seconds, or to the end of the day, then drain, verify and stop; None plays all of it and stays up."""
    live: bool = False
    """Connect to the real SSI instead of the simulator."""
    free_ports: bool = False
    """Take any free ports instead of the usual ones."""
    faults: str | None = None
    """What goes wrong with a simulated feed: ``calm``, ``rough``, ``hostile``, or a file with a schedule; None for nothing."""

    @property
    def whole_day_s(self) -> float:
        """How many seconds a simulated day lasts at this speed."""
        return (_seconds_of(END_OF_DAY) - _seconds_of(START)) / self.speed

    @property
    def longer_than_the_day(self) -> bool:
        """Whether more seconds were asked for than a simulated day lasts at this speed."""
        return self.seconds is not None and self.seconds > self.whole_day_s


@dataclass(frozen=True)
class Stack:
    """The processes of a stack, and how to reach it."""

    home: Home
    options: Options
    local_kafka_port: int | None
    """Where the local broker listens; None when KAFKA_BOOTSTRAP names a cluster."""
    environment: Mapping[str, str]
    """The environment of its processes, and of commands that talk to it; without secrets."""
    archive: Part | None
    """The embedded ClickHouse; None when CLICKHOUSE_URL names a server."""
    pipelines: tuple[Part, ...]
    sink: Part
    gateway: Part
    simulator: Part | None
    connector: Part

    @property
    def kafka(self) -> dict[str, str]:
        """Librdkafka's connection settings."""
        return deployment.kafka_config(self.environment)

    @property
    def prefix(self) -> str:
        """What stands before the names of its topics and consumer groups."""
        return deployment.topic_prefix(self.environment)

    @property
    def clickhouse_url(self) -> str:
        """Where the archive is."""
        return self.environment["CLICKHOUSE_URL"]

    @property
    def runfile(self) -> Path:
        """The file in which it describes itself while it runs."""
        return self.home.runfile

    @property
    def parts(self) -> tuple[Part, ...]:
        """All processes but the broker, in the order in which they start."""
        maybe = (self.archive, *self.pipelines, self.sink, self.gateway, self.simulator, self.connector)
        return tuple(part for part in maybe if part is not None)


def home_of(options: Options, environ: Mapping[str, str]) -> Home:
    """Where a stack keeps its data: in the home that ``environ`` names, or in ``simulated`` there."""
    home = Home.of(environ)
    return home if options.live else Home(home.root / "simulated")


def plan(options: Options, environ: Mapping[str, str], run_id: str) -> Stack:
    """Decide what a stack consists of.

    Args:
        options: The user's choices.
        environ: The environment; what is set there wins over defaults.
        run_id: Something unique; names the topic prefix and the database of a simulated stack on a shared Kafka or ClickHouse.

    Raises:
        WrongSetting: The environment names something else for a port.
        PortTaken: Another process listens on one of its ports.
        CredentialsMissing: The stack is live, and SSI's credentials are not in the environment.
    """
    if options.live and not all(environ.get(name) or environ.get(f"{name}_FILE") for name in _DEMO):
        raise CredentialsMissing
    if options.longer_than_the_day:
        options = replace(options, seconds=options.whole_day_s)
    home = home_of(options, environ)
    port_of = _free if options.free_ports else _usual(environ)

    shared = {name: value for name, value in environ.items() if name not in SECRETS}
    shared["STOCK_TRACKER_HOME"] = str(home.root)
    shared["PYTHONUNBUFFERED"] = "1"
    kafka_port = None
    if not environ.get("KAFKA_BOOTSTRAP"):
        kafka_port = port_of(PORT_NAME, 9092)
        shared["KAFKA_BOOTSTRAP"] = f"127.0.0.1:{kafka_port}"
    elif not options.live:
        shared["TOPIC_PREFIX"] = environ.get("TOPIC_PREFIX") or f"sim.{run_id}."

    def part(name: str, *argv: str, port: int, ready_path: str = "/readyz", **extra: str) -> Part:
        return Part(name, (*_COMMAND, *argv), {**shared, **extra}, port, home.logs / f"{name}.log", ready_path)

    archive = None
    if not environ.get("CLICKHOUSE_URL"):
        port = port_of(ARCHIVE_PORT, 8123)
        shared["CLICKHOUSE_URL"] = f"http://127.0.0.1:{port}"
        archive = part("archive", "archive", "serve", "--port", str(port), port=port, ready_path="/ping")
    elif not options.live:
        shared["ARCHIVE_DATABASE"] = environ.get("ARCHIVE_DATABASE") or f"market_sim_{run_id}"

    simulator = None
    credentials = {name: environ[name] for name in SECRETS if name in environ}
    if not options.live:
        port = port_of("SIM_PORT", deployment.SIMULATOR_PORT)
        url = f"http://127.0.0.1:{port}/"
        shared |= {"SSI_API_URL": url, "SSI_STREAM_URL": url, "SSI_CLOCK": f"{url}sim/clock"}
        credentials = _DEMO
        argv = ["ssi", "simulate", "--port", str(port), "--seed", str(options.seed), "--speed", f"{options.speed:g}"]
        # Killed, it goes on with its day: what it has sent already must not be sent again.
        argv += ["--state", str(home.root / "simulator")]
        argv += ["--start", START, "--wait", *(["--end", _until(options.seconds * options.speed)] if options.seconds else [])]
        argv += ["--faults", options.faults] if options.faults else []
        simulator = part("simulator", *argv, port=port, ready_path="/sim/status")

    gateway_port = port_of("GATEWAY_PORT", deployment.GATEWAY_PORT)
    gateway = part("gateway", "gateway", port=gateway_port, GATEWAY_PORT=str(gateway_port))
    shared["GATEWAY_PORT"] = str(gateway_port)

    def with_health(name: str, *argv: str, **extra: str) -> Part:
        port = free_port()
        return part(name, *argv, "--port", str(port), port=port, **extra)

    return Stack(
        home=home,
        options=options,
        local_kafka_port=kafka_port,
        environment=shared,
        archive=archive,
        pipelines=tuple(with_health(name, "run", name, "--wait", WAIT_S) for name in catalogue.NAMES),
        sink=with_health("sink", "archive", "sink", "--wait", WAIT_S),
        gateway=gateway,
        simulator=simulator,
        connector=with_health("connector", "ssi", "run", **credentials),
    )


def _until(market_s: float) -> str:
    """The market time, HH:MM:SS, that is ``market_s`` seconds after the start of the simulated day."""
    end = _seconds_of(START) + int(market_s)
    return f"{end // 3600:02}:{end // 60 % 60:02}:{end % 60:02}"


def _seconds_of(clock: str) -> int:
    """The seconds from midnight to ``clock``, HH:MM."""
    hour, minute = map(int, clock.split(":"))
    return hour * 3600 + minute * 60


def _usual(environ: Mapping[str, str]) -> Callable[[str, int], int]:
    """A function that takes the variable for a port and the usual port, and gives the port to use, which must be free."""

    def port_of(name: str, usual: int) -> int:
        said = environ.get(name, "")
        if said and not (said.isascii() and said.isdigit() and 0 < int(said) < 65_536):
            raise WrongSetting(name, said, "a port from 1 to 65535")
        port = int(said or usual)
        require_free(port, _remedies(name, port))
        return port

    return port_of


def _free(name: str, usual: int) -> int:
    return free_port()


def _remedies(name: str, port: int) -> str:
    use_it = {
        PORT_NAME: f"use that broker with KAFKA_BOOTSTRAP=127.0.0.1:{port}, ",
        ARCHIVE_PORT: f"use that server with CLICKHOUSE_URL=http://127.0.0.1:{port}, ",
    }.get(name, "")
    return (
        f"Stop it (stock-tracker down, if it is a stack of ours), {use_it}choose another port with {name}=…, "
        "or take free ports: stock-tracker up --free-ports"
    )
