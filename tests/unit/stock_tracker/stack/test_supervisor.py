import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from schemas.errors import HALTED
from stock_tracker.errors import PartFailed, PartHalted
from stock_tracker.stack.supervisor import Part, Supervisor
from tests.patience import reached

STAY = "import signal, sys; print('here', flush=True); signal.sigwait([signal.SIGTERM])"
MASKED = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); "


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def supervisor(told: list[str]) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(told.append)
    yield supervisor
    await supervisor.stop()


@pytest.fixture
def part(tmp_path: Path) -> Callable[[str, str], Part]:
    def make(name: str, code: str) -> Part:
        return Part(name, (sys.executable, "-c", code), dict(os.environ), 0, tmp_path / f"{name}.log")

    return make


async def test_a_killed_part_is_told_of_and_comes_back(
    supervisor: Supervisor, part: Callable[[str, str], Part], told: list[str]
) -> None:
    await supervisor.start(part("app", MASKED + STAY))
    first = supervisor.lives[0].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await reached(lambda: supervisor.lives[0].pid not in (None, first), "the part is back")
    assert told[0].startswith("app was killed by SIGKILL; starting it again")
    assert supervisor.lives[0].crashes == 1


async def test_a_part_that_keeps_dying_is_reported_with_the_end_of_its_log(
    supervisor: Supervisor, part: Callable[[str, str], Part]
) -> None:
    await supervisor.start(part("app", "raise SystemExit('no such topic')"))
    await reached(lambda: supervisor.lives[0].crashes >= 2, "two crashes")
    with pytest.raises(PartFailed, match="no such topic"):
        supervisor.check("app", 2)


async def test_a_part_that_halts_is_told_of_and_stays_down(
    supervisor: Supervisor, part: Callable[[str, str], Part], told: list[str]
) -> None:
    words = "Error: a newer release writes ssi.ticks: upgrade this process first"
    await supervisor.start(part("app", f"import sys; print('as always\\n{words}', file=sys.stderr); sys.exit({HALTED})"))
    await reached(lambda: told, "a word of it")
    assert told[0].startswith("app has halted and is not started again: a newer release writes ssi.ticks: upgrade")
    (life,) = supervisor.lives
    assert (life.starts, life.crashes, life.pid) == (1, 0, None)
    assert life.halted == "a newer release writes ssi.ticks: upgrade this process first"
    with pytest.raises(PartHalted, match="app has halted: a newer release writes"):
        supervisor.check("app", crashes=3)


async def test_stopping_lets_parts_end_by_themselves_the_last_started_first(
    supervisor: Supervisor, part: Callable[[str, str], Part], tmp_path: Path
) -> None:
    farewells = tmp_path / "farewells"
    for name in ("first", "second"):
        await supervisor.start(part(name, f"{MASKED}{STAY}; open({str(farewells)!r}, 'a').write('{name} ')"))
    logs = [life.part.log for life in supervisor.lives]
    await reached(lambda: all("here" in log.read_text() for log in logs), "both say that they run")
    await supervisor.stop()
    assert farewells.read_text() == "second first "
    assert [life.pid for life in supervisor.lives] == [None, None]


async def test_a_part_that_ignores_the_stop_is_killed(
    part: Callable[[str, str], Part], told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stock_tracker.stack.supervisor.STOP_S", 0.2)
    supervisor = Supervisor(told.append)
    await supervisor.start(part("app", MASKED + "print('here', flush=True); import time; time.sleep(60)"))
    log = supervisor.lives[0].part.log
    await reached(lambda: "here" in log.read_text(), "it says that it runs")
    await supervisor.stop()
    assert supervisor.lives[0].pid is None
    assert "killing it" in told[-1]


async def test_a_part_that_the_system_cannot_start_for_a_while_comes_back(
    supervisor: Supervisor, part: Callable[[str, str], Part], told: list[str], tmp_path: Path
) -> None:
    made = part("app", STAY)
    await supervisor.start(made)
    first = supervisor.lives[0].pid
    assert first is not None
    await reached(lambda: "here" in made.log.read_text(), "it says that it runs")
    made.log.unlink()
    made.log.mkdir()
    os.kill(first, signal.SIGKILL)
    await reached(lambda: any("cannot be started, trying again" in line for line in told), "a word of it")
    made.log.rmdir()
    await reached(lambda: supervisor.lives[0].pid not in (None, first), "the part is back")
