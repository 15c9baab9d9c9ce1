import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from stock_tracker.errors import AlreadyRunning
from stock_tracker.home import Home
from stock_tracker.stack.lock import holder, only_stack
from stock_tracker.stack.shutdown import shut_down

UP = """
import sys
from pathlib import Path
from stock_tracker.errors import AlreadyRunning
from stock_tracker.home import Home
from stock_tracker.stack.lock import only_stack
try:
    with only_stack(Home(Path(sys.argv[1]))):
        print("mine", flush=True)
        sys.stdin.read()
except AlreadyRunning as error:
    print(error, flush=True)
"""
"""As ``stock-tracker up``: it holds the lock until its input ends."""
Process = subprocess.Popen[str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Process]]:
    started: list[Process] = []

    def begin() -> Process:
        command = [sys.executable, "-c", UP, str(tmp_path)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def first_line(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_several_at_once_one_runs_and_the_others_say_who_does(start: Callable[[], Process], tmp_path: Path) -> None:
    said = {process.pid: first_line(process) for process in [start() for _ in range(4)]}
    (winner,) = [pid for pid, line in said.items() if line == "mine"]
    others = [line for pid, line in said.items() if pid != winner]
    assert others == [f"a stack runs in {tmp_path} already (pid {winner})"] * 3
    assert holder(Home(tmp_path)) == winner
    with pytest.raises(AlreadyRunning) as refused, only_stack(Home(tmp_path)):
        pass
    assert "stock-tracker down" in refused.value.remedy


@pytest.mark.parametrize("killed", [True, False])
def test_the_next_one_runs_once_that_is_gone_however_it_ended(start: Callable[[], Process], tmp_path: Path, killed: bool) -> None:
    before = start()
    assert first_line(before) == "mine"
    if killed:
        before.kill()
    before.communicate()
    assert holder(Home(tmp_path)) is None
    after = start()
    assert first_line(after) == "mine"
    assert holder(Home(tmp_path)) == after.pid


def test_down_stops_one_that_has_written_no_run_file_yet(start: Callable[[], Process], tmp_path: Path) -> None:
    process = start()
    assert first_line(process) == "mine"
    with ThreadPoolExecutor() as pool:
        # We are its parent: until we have waited for it, its process id stays taken.
        ended = pool.submit(process.wait)
        assert list(shut_down({"STOCK_TRACKER_HOME": str(tmp_path)})) == [f"stopping pid {process.pid}"]
        assert ended.result() == -signal.SIGTERM
