"""The Kafka of a test run: the cluster of ``KAFKA_BOOTSTRAP``, else a local broker, else a container where Docker answers."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.deployment import kafka_config
from stock_tracker.errors import StockTrackerError
from stock_tracker.home import Home
from stock_tracker.kafka import metadata
from stock_tracker.kafka.broker import Broker
from stock_tracker.ports import free_port
from stock_tracker.testing.guard import HELD
from stock_tracker.testing.patience import until


@contextmanager
def kafka_of_run(folder: Path) -> Iterator[str]:
    """A Kafka for the tests of one run; gives its bootstrap address.

    Args:
        folder: Where a local broker lives, the same for all processes of the run: the first one starts it, the last one stops it.

    Raises:
        KafkaUnavailable: ``KAFKA_BOOTSTRAP`` is set, and nothing answers there.
        StockTrackerError: A local broker cannot be started, and there is no Docker; a note of it says why not.
    """
    external = os.environ.get("KAFKA_BOOTSTRAP")
    if external:
        metadata.ask(kafka_config(os.environ))
        yield external
        return
    with contextlib.ExitStack() as stack:
        try:
            bootstrap = stack.enter_context(_local(folder))
        except StockTrackerError as error:
            if why := _no_docker():
                error.add_note(f"In a container neither: {why}.")
                raise
            bootstrap = stack.enter_context(_container())
        yield bootstrap


@contextmanager
def _local(folder: Path) -> Iterator[str]:
    with _guarded(folder):
        environ = {**os.environ, "STOCK_TRACKER_HOME": str(folder)}
        # Two starts at once make one broker.
        running = Broker(Home(folder).kafka, environ).start(free_port(), tell=_say)
        _await_groups(running.bootstrap)
        yield running.bootstrap


@contextmanager
def _guarded(folder: Path) -> Iterator[None]:
    """Keep the broker in ``folder`` as long as the block runs; whoever comes to the end last stops it, however it ends."""
    guard = subprocess.Popen(
        [sys.executable, "-m", "stock_tracker.testing.guard", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        if guard.stdout is None or guard.stdout.readline() != HELD:
            raise AssertionError(f"{folder} cannot be guarded")
        yield
    finally:
        guard.communicate()
    if guard.returncode:
        raise AssertionError(f"the broker in {folder} could not be stopped")


def _await_groups(bootstrap: str) -> None:
    """Wait until the broker knows of consumer groups.

    It makes the topic of their commits when it is first asked for them, and librdkafka's administrator who asks at that moment
    gets no answer for a minute.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "the-first"})

    def answers() -> bool:
        with contextlib.suppress(KafkaException):
            consumer.committed([TopicPartition("none", 0)], timeout=1.0)
            return True
        return False

    until(answers, "the broker's word of consumer groups")
    consumer.close()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _no_docker() -> str:
    """Why there can be no container; empty where there can."""
    if find_spec("testcontainers") is None:
        return "testcontainers is not installed"
    docker = shutil.which("docker")
    if docker is None:
        return "docker is not on PATH"
    try:
        asked = subprocess.run([docker, "info"], capture_output=True, text=True, errors="replace", timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return "docker is there, and its engine has not answered for 10 s"
    return "" if asked.returncode == 0 else f"docker is there, and its engine does not answer: {_last_line(asked.stderr)}"


def _last_line(said: str) -> str:
    return next(iter(said.strip().splitlines()[-1:]), "it says nothing")


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.community.kafka import KafkaContainer

    with KafkaContainer().with_kraft() as container:
        yield container.get_bootstrap_server()
