"""The local broker's life, with real ones on free ports."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.errors import PortTaken
from stock_tracker.errors import BrokerFailed, StrangeData
from stock_tracker.kafka import class_data
from stock_tracker.kafka.broker import HEAP, Broker, RunningBroker
from stock_tracker.kafka.fetch import fetch
from stock_tracker.kafka.java import Java
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import free_port
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.kafka


def silent(line: str) -> None:
    """Tell nobody."""


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Broker, RunningBroker]]]:
    """A broker that the tests leave alone, with a secret in the environment, as three starts at once have left it."""
    environ = {**os.environ, "SSI_CONSUMER_SECRET": "hush"}
    folder = tmp_path_factory.mktemp("started") / "kafka"
    brokers, port = [Broker(folder, environ) for _ in range(3)], free_port()
    with ThreadPoolExecutor() as pool:
        starts = [pool.submit(broker.start, port, silent) for broker in brokers]
        yield [(broker, start.result()) for broker, start in zip(brokers, starts, strict=True)]
    brokers[0].stop(silent)


@pytest.fixture
def broker(tmp_path: Path, started: list[tuple[Broker, RunningBroker]]) -> Iterator[Broker]:
    """A broker of the test's own, on fresh storage that was formatted before."""
    broker = Broker(tmp_path / "kafka", os.environ)
    (broker.folder / "data").mkdir(parents=True)
    for name in ("meta.properties", "bootstrap.checkpoint"):
        shutil.copy(started[0][0].folder / "data" / name, broker.folder / "data" / name)
    yield broker
    broker.stop(silent)


def write(bootstrap: str, values: list[bytes]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic("kept", 1, 1)], operation_timeout=PATIENCE_S)["kept"].result()
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce("kept", value)
    assert producer.flush(PATIENCE_S) == 0


def read(bootstrap: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    consumer.assign([TopicPartition("kept", 0, OFFSET_BEGINNING)])
    messages = consumer.consume(count, timeout=PATIENCE_S)
    consumer.close()
    return [message.value() for message in messages]


def command(broker: Broker, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    home = {"STOCK_TRACKER_HOME": str(broker.folder.parent), "KAFKA_BOOTSTRAP": ""}
    return subprocess.run(
        [sys.executable, "-m", "stock_tracker", *words],
        env={**os.environ, **home, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_broker_keeps_what_was_acknowledged_and_never_gets_the_new_owner_of_its_pid_killed(broker: Broker) -> None:
    port = free_port()
    first = broker.start(port, silent)
    values = [f"{n}".encode() for n in range(1000)]
    write(first.bootstrap, values)
    identity = broker.cluster_id()

    os.kill(first.pid, signal.SIGKILL)
    until(lambda: broker.running() is None, "the end of the killed one")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        (broker.folder / "broker.pid").write_text(f"{bystander.pid}\n")
        assert broker.running() is None
        assert not broker.stop(silent)
        (broker.folder / "broker.pid").write_text(f"{bystander.pid}\n")
        second = broker.start(port, silent)
        assert second.pid not in (first.pid, bystander.pid)
        assert broker.cluster_id() == identity
        assert read(second.bootstrap, len(values)) == values
        assert broker.stop(silent)
        assert bystander.poll() is None
        bystander.communicate(b"\n")
    assert bystander.returncode == 0


def test_starts_at_once_make_one_broker(started: list[tuple[Broker, RunningBroker]]) -> None:
    assert len({running for _, running in started}) == 1


def test_the_command_starts_shows_and_stops_it(broker: Broker) -> None:
    port = free_port()
    down = command(broker, "kafka", "status", KAFKA_BOOTSTRAP=f"127.0.0.1:{port}")
    assert down.returncode == 1

    started = command(broker, "kafka", "start", "--port", str(port))
    assert (started.returncode, started.stderr.count("Traceback")) == (0, 0)
    assert f"Kafka is running at 127.0.0.1:{port}" in started.stdout

    again = command(broker, "kafka", "start", "--port", str(port))
    assert again.returncode == 0
    assert "was running already" in again.stdout

    shown = json.loads(command(broker, "kafka", "status", "--json").stdout)
    running = broker.running()
    assert running is not None
    assert (shown["bootstrap"], shown["pid"], shown["brokers"]) == (f"127.0.0.1:{port}", running.pid, 1)

    stopped = command(broker, "kafka", "stop")
    assert (stopped.returncode, stopped.stdout) == (0, "Kafka is stopped; its data stays\n")
    assert broker.running() is None
    assert command(broker, "kafka", "stop").stdout == "Kafka was not running\n"


def test_it_lives_in_a_session_of_its_own(started: list[tuple[Broker, RunningBroker]]) -> None:
    _, running = started[0]
    assert os.getsid(running.pid) == running.pid


def test_it_sees_no_secret_of_our_environment(started: list[tuple[Broker, RunningBroker]]) -> None:
    _, running = started[0]
    environ = subprocess.run(["ps", "eww", "-o", "command=", "-p", str(running.pid)], capture_output=True, text=True, check=True)
    assert "kafka.Kafka" in environ.stdout
    assert "hush" not in environ.stdout


def test_topics_are_made_once_and_found_where_the_broker_is(started: list[tuple[Broker, RunningBroker]]) -> None:
    broker, _ = started[0]
    made = command(broker, "topics", "apply", TOPIC_PREFIX="x.")
    assert made.returncode == 0
    assert "made x.ssi.ticks" in made.stdout
    again = command(broker, "topics", "apply", TOPIC_PREFIX="x.")
    assert (again.returncode, again.stdout.startswith("0 topics made")) == (0, True)

    other = command(broker, "topics", "apply", "--shards", "6", TOPIC_PREFIX="x.")
    assert other.returncode == 1
    assert "x.ssi.ticks: partitions is 3, we would make it 6" in other.stderr
    assert "What to do:" in other.stderr


def test_a_taken_port_is_said_with_who_has_it(broker: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken) as caught:
            broker.start(port, silent)
    assert caught.value.port == port
    assert f"(pid {os.getpid()})" in str(caught.value)
    assert "--port" in caught.value.remedy
    assert broker.running() is None


def test_a_controller_s_port_that_somebody_takes_first_is_not_the_end_and_a_deaf_broker_is_killed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        # The first launch chooses two: one to suggest if its own port is taken, and the controller's.
        chosen = iter([taken, taken])
        monkeypatch.setattr("stock_tracker.kafka.broker.free_port", lambda: next(chosen, None) or free_port())
        running = broker.start(port, silent)
        assert running.bootstrap == f"127.0.0.1:{port}"
    assert next(chosen, None) is None

    monkeypatch.setattr("stock_tracker.kafka.broker.STOP_S", 1.0)
    os.kill(running.pid, signal.SIGSTOP)  # deaf to SIGTERM
    told: list[str] = []
    assert broker.stop(told.append)
    assert told == ["Kafka did not stop within 1 s; killing it"]
    assert broker.running() is None


def test_a_broker_that_dies_at_once_shows_its_last_words(broker: Broker) -> None:
    properties = broker.folder / "data" / "meta.properties"
    properties.write_text(properties.read_text().replace("version=1", "version=9"))
    with pytest.raises(BrokerFailed) as caught:
        broker.start(free_port(), silent)
    assert "stopped before it answered" in str(caught.value)
    assert "version" in caught.value.tail.lower()
    assert re.search(r"^\s+at ", str(caught.value), re.MULTILINE) is None
    assert broker.running() is None


def test_a_start_that_is_interrupted_leaves_nothing_behind(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def interrupt(bootstrap: str) -> str | None:
        asked.append(bootstrap)
        raise KeyboardInterrupt

    monkeypatch.setattr("stock_tracker.kafka.metadata.cluster_at", interrupt)
    with pytest.raises(KeyboardInterrupt):
        broker.start(free_port(), silent)
    assert len(asked) == 1  # it was there to be asked
    assert broker.running() is None


@pytest.fixture(scope="module")
def fetched() -> tuple[Java, Path]:
    """The Java and the jars, with whose classes ``make setup`` has filled the archive."""
    return fetch(Recipe.of_repository(), os.environ, silent)


def asked_for_help(fetched: tuple[Java, Path], *options: str) -> str:
    """What one of Kafka's programs says with options of Java's."""
    runtime, classes = fetched
    argv = [str(runtime.path), *HEAP, *options, "-cp", f"{classes}/*", "kafka.tools.StorageTool", "--help"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_java_takes_the_classes_that_were_kept(fetched: tuple[Java, Path]) -> None:
    runtime, classes = fetched
    options = class_data.options(class_data.archive_of(classes, runtime))
    said = asked_for_help(fetched, *options, "-Xlog:class+load").splitlines()
    kept = [line for line in said if line.endswith("source: shared objects file (top)")]
    assert any("org.apache.kafka." in line for line in kept)


def test_kept_classes_that_do_not_fit_are_done_without(fetched: tuple[Java, Path], tmp_path: Path) -> None:
    unfit = tmp_path / "classes.jsa"
    unfit.touch()
    assert class_data.options(tmp_path / "none.jsa") == []
    assert asked_for_help(fetched, *class_data.options(unfit)).startswith("usage: kafka-storage")


def test_another_nodes_data_is_refused(broker: Broker) -> None:
    properties = broker.folder / "data" / "meta.properties"
    properties.write_text(properties.read_text().replace("node.id=1", "node.id=7"))
    with pytest.raises(StrangeData, match="node 7"):
        broker.start(free_port(), silent)
