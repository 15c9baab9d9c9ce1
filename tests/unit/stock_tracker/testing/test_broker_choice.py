"""Which Kafka a run of tests gets where no local broker can be started. A program and a class stand in for Docker."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from stock_tracker.errors import NoJava
from stock_tracker.testing import broker

CONTAINERS = "testcontainers.community.kafka"


class Container:
    """What testcontainers gives, as far as it is used."""

    running = 0

    def with_kraft(self) -> "Container":
        return self

    def get_bootstrap_server(self) -> str:
        return "127.0.0.1:39092"

    def __enter__(self) -> "Container":
        Container.running += 1
        return self

    def __exit__(self, *_: object) -> None:
        Container.running -= 1


@contextmanager
def _no_local_broker(folder: Path) -> Iterator[str]:
    raise NoJava([str(folder)])
    yield ""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the program `docker` is looked for; there is none yet, and no local broker either."""
    module = ModuleType(CONTAINERS)
    module.KafkaContainer = Container  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, CONTAINERS, module)
    monkeypatch.delenv("KAFKA_BOOTSTRAP", raising=False)
    monkeypatch.setattr(broker, "_local", _no_local_broker)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "docker"


def answering(docker: Path, code: int) -> None:
    docker.write_text(f"#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\nexit {code}\n")
    docker.chmod(0o755)


def test_where_docker_answers_it_is_a_container_which_goes_when_the_run_is_over(docker: Path, tmp_path: Path) -> None:
    answering(docker, 0)
    with broker.kafka_of_run(tmp_path) as bootstrap:
        assert bootstrap == "127.0.0.1:39092"
        assert Container.running == 1
    assert Container.running == 0


@pytest.mark.parametrize("is_there", [False, True])
def test_where_docker_does_not_answer_it_is_said_what_the_local_broker_lacks(
    docker: Path, tmp_path: Path, is_there: bool
) -> None:
    if is_there:
        answering(docker, 1)
    with pytest.raises(NoJava) as raised, broker.kafka_of_run(tmp_path):
        pass
    assert "Java" in raised.value.remedy
    why = (
        "docker is there, and its engine does not answer: Cannot connect to the Docker daemon"
        if is_there
        else "docker is not on PATH"
    )
    assert raised.value.__notes__ == [f"In a container neither: {why}."]
    assert Container.running == 0


def test_where_testcontainers_is_not_installed_docker_is_not_asked(
    docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(docker, 0)
    monkeypatch.setattr(broker, "find_spec", lambda name: None)
    with pytest.raises(NoJava) as raised, broker.kafka_of_run(tmp_path):
        pass
    assert raised.value.__notes__ == ["In a container neither: testcontainers is not installed."]


def test_testcontainers_has_what_is_used_of_it() -> None:
    from testcontainers.community.kafka import KafkaContainer

    assert all(
        callable(getattr(KafkaContainer, name)) for name in ("with_kraft", "get_bootstrap_server", "__enter__", "__exit__")
    )
