"""Starts whole stacks and sees that none outlives its tests."""

from collections.abc import Iterator

import pytest

from tests.e2e.running_up import RunningUp, StartUp


@pytest.fixture(scope="module")
def start_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartUp]:
    """Start ``stock-tracker up`` with arguments, each time in a home of its own; it is stopped at the end."""
    started: list[RunningUp] = []

    def start(*arguments: str, **environ: str) -> RunningUp:
        started.append(RunningUp(tmp_path_factory.mktemp("up"), *arguments, **environ))
        return started[-1]

    yield start
    for up in started:
        up.stop()
