import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from confluent_kafka import KafkaError, KafkaException

from stock_tracker.kafka import metadata
from stock_tracker.kafka.broker import Broker, RunningBroker
from stock_tracker.ports import free_port
from stock_tracker.stack.core.silence import Heard, Silences
from stock_tracker.stack.hangs import end_the_hung, end_the_hung_broker
from stock_tracker.stack.supervisor import Part, Supervisor
from tests.patience import reached

EVERY_S = 5.0
ASKS = 9


class Rounds:
    """Rounds of health checks, one after the other, of one process."""

    def __init__(self) -> None:
        self.silences = Silences(ASKS, EVERY_S)
        self.now_s = 1_000.0
        self.pid = 1

    def hears(self, answered: bool, after_s: float = EVERY_S, *, moved: bool = False) -> bool:
        """Whether it is taken to hang after one more round."""
        self.now_s += after_s
        return self.silences.take(self.now_s, {"app": Heard(self.pid, answered, moved)}) == ["app"]

    def silent(self, rounds: int) -> list[bool]:
        return [self.hears(False) for _ in range(rounds)]


@pytest.fixture
def rounds() -> Rounds:
    return Rounds()


def test_a_process_that_has_answered_and_falls_silent_hangs_after_nine_rounds(rounds: Rounds) -> None:
    assert not rounds.hears(True)
    assert rounds.silent(ASKS) == [False] * (ASKS - 1) + [True]


def test_one_that_starts_is_silent_for_as_long_as_it_likes(rounds: Rounds) -> None:
    assert not any(rounds.silent(500))


def test_one_that_was_started_again_starts_anew(rounds: Rounds) -> None:
    rounds.hears(True)
    rounds.silent(ASKS - 1)
    rounds.pid = 2
    assert not any(rounds.silent(500))


def test_one_answer_in_nine_is_enough(rounds: Rounds) -> None:
    for _ in range(20):
        assert not rounds.hears(True)
        assert not any(rounds.silent(ASKS - 1))


def test_one_that_gets_on_does_not_hang_though_it_answers_nothing(rounds: Rounds) -> None:
    rounds.hears(True)
    assert not any(rounds.hears(False, moved=True) for _ in range(500))
    assert rounds.silent(ASKS) == [False] * (ASKS - 1) + [True]


def test_one_that_gets_on_with_its_start_may_still_fall_silent(rounds: Rounds) -> None:
    rounds.hears(False, moved=True)
    assert not any(rounds.silent(500))


def test_silence_proves_nothing_when_we_did_not_run_ourselves(rounds: Rounds) -> None:
    rounds.hears(True)
    rounds.silent(ASKS - 1)
    assert not rounds.hears(False, after_s=15 + EVERY_S)
    assert rounds.silent(ASKS) == [False] * (ASKS - 1) + [True]


def test_on_a_machine_five_times_slower_nobody_hangs(rounds: Rounds) -> None:
    rounds.hears(True)
    assert not any(rounds.hears(False, after_s=5 * EVERY_S) for _ in range(500))


def test_those_that_hang_together_are_all_named() -> None:
    silences = Silences(2, EVERY_S)
    for number, answered in enumerate((True, False, False)):
        hung = silences.take(number * EVERY_S, {name: Heard(1, answered) for name in ("one", "two")} | {"three": Heard(1, True)})
    assert hung == ["one", "two"]


SERVE = """
import http.server, sys
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
async def supervisor() -> AsyncIterator[tuple[Supervisor, list[str]]]:
    told: list[str] = []
    supervisor = Supervisor(told.append)
    yield supervisor, told
    await supervisor.stop()


async def test_a_stopped_process_is_killed_and_started_again_and_it_is_said(
    supervisor: tuple[Supervisor, list[str]], tmp_path: Path
) -> None:
    supervised, told = supervisor
    port = free_port()
    part = Part("app", (sys.executable, "-c", SERVE, str(port)), dict(os.environ), port, tmp_path / "app.log")
    await supervised.start(part)
    async with aiohttp.ClientSession() as session:

        async def answers() -> bool:
            try:
                async with session.get(part.ready_url) as answer:
                    return answer.status == 404
            except aiohttp.ClientError:
                return False

        await reached(answers, "its first answer")

        def questions() -> int:
            return part.log.read_text().count("GET /readyz")

        of_ours = questions()
        watching = asyncio.create_task(end_the_hung(session, supervised, asks=3, every_s=0.3))
        try:
            # With its second question the watch has got the answer to its first: one that never answered may still be starting.
            await reached(lambda: questions() >= of_ours + 2, "the watch's second question")
            (life,) = supervised.lives
            stopped = life.pid
            assert stopped is not None
            os.kill(stopped, signal.SIGSTOP)
            await reached(lambda: life.pid not in (None, stopped), "its new process")
            assert told[0].startswith("app lives, but has not answered a health check for 1 s; killing it")
            assert told[1].startswith("app was killed by SIGKILL; starting it again")
            await reached(answers, "an answer of the new one")
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


class HangingBroker:
    """Answers its first questions, then none; writes its log for a while longer."""

    def __init__(self, folder: Path, answers: int, writes: int) -> None:
        self.log = folder / "broker.log"
        self.log.write_text("")
        self._answers = answers
        self._writes = writes
        self.asked = 0
        self.stopped = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def list_topics(self, timeout: float) -> None:
        self.asked += 1
        if self.asked > self._answers:
            if self.asked <= self._answers + self._writes:
                self.log.write_text("x" * self.asked)
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def running(self) -> RunningBroker:
        return RunningBroker(4711, "127.0.0.1:9092")

    def stop(self, tell: Callable[[str], None]) -> bool:
        self._loop.call_soon_threadsafe(self.stopped.set)
        return True


@pytest.mark.parametrize("writes", [0, 4])
async def test_a_broker_that_hangs_is_stopped_but_not_while_its_log_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    broker = HangingBroker(tmp_path, answers=2, writes=writes)
    monkeypatch.setattr(metadata, "admin", lambda kafka: broker)
    told: list[str] = []
    watching = asyncio.create_task(end_the_hung_broker(cast("Broker", broker), {}, told.append, asks=3, every_s=0.1))
    try:
        await reached(broker.stopped.is_set, "its stop")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    # A round in which we were late ourselves does not count, so there may be more of them.
    assert broker.asked >= 2 + writes + 3
    assert told[0].startswith("kafka lives, but has answered nothing for 0 s; stopping it")
