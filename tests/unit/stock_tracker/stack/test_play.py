import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from stock_tracker.errors import Abandoned
from stock_tracker.stack import play as playing
from stock_tracker.stack.display import Display
from stock_tracker.stack.plan import Options, Stack, plan
from stock_tracker.verify.core.deals import DealsReport
from stock_tracker.verify.core.ledger import LedgerReport
from stock_tracker.verify.core.records import RecordsReport
from stock_tracker.verify.core.tape import TapeReport
from stock_tracker.verify.run import Verification

Report = Callable[[Verification, int], None]
Run = Callable[[Report], Awaitable[None]]
"""What happens to the stack, given who is told the verdict."""


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], Awaitable[bool]]:
    """Play a stack with ``--for`` and ``--json``, to which that happens."""
    stack = plan(Options(seconds=60, free_ports=True), {"STOCK_TRACKER_HOME": str(tmp_path), "PATH": "/usr/bin"}, "1")

    async def played(run: Run) -> bool:
        async def instead(stack: Stack, display: Display, report: Report) -> None:
            await run(report)

        monkeypatch.setattr(playing, "_run", instead)
        return await playing.play(stack, as_json=True)

    return played


def verification() -> Verification:
    return Verification(RecordsReport(1, 1), TapeReport(), DealsReport(), LedgerReport(), 0, {}, [])


async def test_a_verdict_is_printed_although_stopping_the_stack_fails(
    play: Callable[[Run], Awaitable[bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(report: Report) -> None:
        report(verification(), 5)
        raise OSError("the broker does not die")

    with pytest.raises(OSError, match="the broker does not die"):
        await play(run)
    told = json.loads(capsys.readouterr().out)
    assert (told["reconciled"], told["gateway_messages"]) == (True, 5)


async def test_a_signal_while_the_stack_is_stopped_changes_no_verdict(
    play: Callable[[Run], Awaitable[bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(report: Report) -> None:
        report(verification(), 5)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert await play(run)
    assert json.loads(capsys.readouterr().out)["reconciled"]


async def test_a_signal_before_the_verdict_says_so_in_json(
    play: Callable[[Run], Awaitable[bool]], capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(report: Report) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    assert not await play(run)
    assert json.loads(capsys.readouterr().out) == {"reconciled": False, "stopped": playing.STOPPED}


async def test_a_run_that_is_given_up_by_nobody_s_wish_is_an_error(play: Callable[[Run], Awaitable[bool]]) -> None:
    async def run(report: Report) -> None:
        raise asyncio.CancelledError

    with pytest.raises(Abandoned, match="although no signal came"):
        await play(run)
