"""When a pipeline commits: Quix's own checkpoint is asked for what became of it."""

import inspect
from collections import Counter
from typing import Any

import pytest
from quixstreams.processing import ProcessingContext

from pipelines.checkpoints import BUSY_COMMIT_S, DeadLetterWatch, WatchedContext
from pipelines.core.frames import Folded, Shard
from pipelines.core.price_shard import fold_frame
from pipelines.write_behind import WAIT_S, WriteBehind
from schemas.dead_letters import FEW, HOLD_S, Limit
from schemas.errors import TooManyDeadLetters
from schemas.position import Position
from schemas.structs import TradesFrame
from schemas.topics import SSI_DLQ, SSI_TICKS
from tests.builders import a_dead_letter, a_frame, a_tick, a_trade, a_trade_event, offers

TICKS = "ssi.ticks"
GOOD = a_frame(a_tick(), *(a_trade() for _ in range(50)))


def with_a_dead_letter(**counts: int) -> Folded:
    folded = Folded(counts=Counter(counts))
    letter = a_dead_letter(reason="unreadable", detail="it is cut off", topic="t.ssi.ticks", partition=1, offset=7, idx=None)
    folded.publish(SSI_DLQ, "prices", letter)
    return folded


class Checkpoint:
    """Stands for Quix's: says what was done with it."""

    def __init__(self) -> None:
        self.is_due = True
        self.is_empty = False
        self.committed: list[bool] = []
        self.closed: list[bool] = []

    def expired(self) -> bool:
        return self.is_due

    def empty(self) -> bool:
        return self.is_empty

    def commit(self, *, revoking: bool = False) -> None:
        self.committed.append(revoking)

    def close(self, *, revoking: bool = False) -> None:
        self.closed.append(revoking)


class Context(WatchedContext):
    """A context whose checkpoints are :class:`Checkpoint`."""

    begun: list[Checkpoint]
    behind: "Behind"

    def init_checkpoint(self) -> None:
        self.begun.append(Checkpoint())
        self._checkpoint: Any = self.begun[-1]


class Behind(WriteBehind):
    """Says what was done with it, and at which commit."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__("prices", lambda topic, key, value: None, "", lambda: clock[0])
        self.calls: list[str] = []

    def flush(self) -> None:
        self.calls.append("flush")

    def drop(self) -> None:
        self.calls.append("drop")


@pytest.fixture
def watch() -> DeadLetterWatch:
    return DeadLetterWatch("prices", Limit())


@pytest.fixture
def context(watch: DeadLetterWatch, clock: list[float]) -> Context:
    nobody: Any = None
    made = ProcessingContext(0.25, nobody, nobody, nobody, nobody, nobody, exactly_once=True)
    context = Context.around(made, watch, Behind(clock), lambda: None, lambda: clock[0])
    context.begun = []
    context.init_checkpoint()
    return context


@pytest.fixture
def clock() -> list[float]:
    """The time that the context sees; to be set."""
    return [0.0]


def read(watch: DeadLetterWatch, *, good: int = 0, bad: int = 0, topic: str = TICKS) -> None:
    for _ in range(bad):
        watch.read(topic, None, with_a_dead_letter(unreadable=1))
    for _ in range(good):
        watch.read(topic, GOOD, Folded())


def test_what_we_override_of_quix_is_still_there() -> None:
    for name in ("commit_checkpoint", "init_checkpoint"):
        assert callable(getattr(ProcessingContext, name))
    ours, theirs = WatchedContext.commit_checkpoint, ProcessingContext.commit_checkpoint
    assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()


def test_a_context_goes_on_where_the_one_it_is_made_around_stood(watch: DeadLetterWatch, context: Context) -> None:
    assert (context.commit_interval, context.exactly_once, context.dead_letters) == (0.25, True, watch)


def test_at_each_commit_the_state_is_looked_at_but_not_while_it_is_taken_away(context: Context) -> None:
    looks: list[None] = []
    context.look = lambda: looks.append(None)
    context.commit_checkpoint()
    context.begun[-1].is_due = False
    context.commit_checkpoint()
    assert len(looks) == 1
    context.commit_checkpoint(force=True, revoking=True)
    assert len(looks) == 1


def test_a_few_dead_letters_are_committed_when_nothing_else_comes(
    watch: DeadLetterWatch, context: Context, clock: list[float]
) -> None:
    read(watch, bad=FEW - 1)
    context.commit_checkpoint()
    assert context.begun[0].committed == []
    clock[0] += HOLD_S
    context.commit_checkpoint()
    assert context.begun[0].committed == [False]
    assert len(context.begun) == 2


def test_a_few_dead_letters_among_others_are_committed_at_once(watch: DeadLetterWatch, context: Context) -> None:
    read(watch, bad=FEW - 1, good=FEW - 1)
    context.commit_checkpoint()
    assert context.begun[0].committed == [False]


def test_waiting_begins_anew_after_a_commit(watch: DeadLetterWatch, context: Context, clock: list[float]) -> None:
    read(watch, bad=FEW)
    context.commit_checkpoint()
    read(watch, good=FEW)
    clock[0] += 1.0
    context.commit_checkpoint()
    read(watch, bad=FEW)
    clock[0] += HOLD_S - 1.0
    context.commit_checkpoint()
    before, waiting = context.begun
    assert (before.committed, waiting.committed) == ([False], [])


def test_a_commit_waits_no_longer_for_several_topics_than_for_one(
    watch: DeadLetterWatch, context: Context, clock: list[float]
) -> None:
    read(watch, bad=1)
    context.commit_checkpoint()
    clock[0] += HOLD_S - 1.0
    read(watch, bad=1, topic="partial.flow")
    context.commit_checkpoint()
    assert context.begun[0].committed == []
    clock[0] += 1.0
    context.commit_checkpoint()
    assert context.begun[0].committed == [False]


@pytest.mark.parametrize(
    ("bad", "how", "calls"),
    [
        (0, {}, ["flush"]),
        (0, {"force": True}, ["flush"]),
        (0, {"force": True, "revoking": True}, ["flush"]),
        (FEW, {}, []),
        (FEW, {"force": True}, ["drop"]),
        (FEW, {"force": True, "revoking": True}, ["drop"]),
    ],
)
def test_what_is_in_memory_is_flushed_before_a_commit_and_dropped_where_there_is_none(
    watch: DeadLetterWatch, context: Context, bad: int, how: dict[str, bool], calls: list[str]
) -> None:
    read(watch, bad=bad)
    context.commit_checkpoint(**how)
    assert context.behind.calls == calls
    assert len(context.begun) == (1 if not calls else 2)


def test_what_is_given_up_is_aborted_and_dropped(watch: DeadLetterWatch, context: Context) -> None:
    read(watch, bad=FEW)
    context.give_up()
    given_up, new = context.begun
    assert (given_up.committed, given_up.closed, context.behind.calls) == ([], [False], ["drop"])
    context.commit_checkpoint()
    assert new.committed == [False], "the dead letters are read again, and judged then"


def test_an_empty_checkpoint_is_not_aborted_when_partitions_come(context: Context) -> None:
    context.begun[-1].is_empty = True
    context.give_up()
    assert len(context.begun) == 1
    assert context.behind.calls == ["drop"]


def test_a_pipeline_is_idle_when_nothing_is_to_be_committed(context: Context) -> None:
    assert not context.is_idle
    context.begun[-1].is_empty = True
    assert context.is_idle


def test_nothing_is_committed_before_it_is_time(watch: DeadLetterWatch, context: Context) -> None:
    context.begun[0].is_due = False
    context.commit_checkpoint()
    assert context.begun[0].committed == []


def fold_queued(context: Context, clock: list[float], takes_s: float) -> None:
    """A message that was there when it was asked for, and what Quix does after it."""
    context.behind.reads()
    clock[0] += takes_s
    context.commit_checkpoint()


def test_while_messages_are_queued_a_second_of_them_is_one_transaction(context: Context, clock: list[float]) -> None:
    for _ in range(3):
        fold_queued(context, clock, 0.3 * BUSY_COMMIT_S)
    assert context.begun[0].committed == []
    fold_queued(context, clock, 0.3 * BUSY_COMMIT_S)
    assert context.begun[0].committed == [False]
    assert context.behind.calls == ["flush"]
    fold_queued(context, clock, 0.9 * BUSY_COMMIT_S)
    fold_queued(context, clock, 0.2 * BUSY_COMMIT_S)
    assert [checkpoint.committed for checkpoint in context.begun] == [[False], [False], []]


@pytest.mark.parametrize("comes", [True, False])
def test_a_pipeline_that_keeps_up_again_commits_at_once(context: Context, clock: list[float], comes: bool) -> None:
    fold_queued(context, clock, 0.3)
    assert context.begun[0].committed == []
    clock[0] += WAIT_S
    if comes:
        context.behind.reads()
    context.commit_checkpoint()
    assert context.begun[0].committed == [False]


@pytest.mark.parametrize("revoking", [False, True])
def test_who_stops_or_loses_its_shards_commits_though_messages_are_queued(
    context: Context, clock: list[float], revoking: bool
) -> None:
    fold_queued(context, clock, 0.1)
    context.behind.reads()
    context.commit_checkpoint(force=True, revoking=revoking)
    assert context.begun[0].committed == [revoking]


def test_a_commit_waits_while_most_of_what_came_is_bad_and_is_made_when_that_is_over(
    watch: DeadLetterWatch, context: Context, clock: list[float]
) -> None:
    read(watch, bad=FEW)
    context.commit_checkpoint()
    (waiting,) = context.begun
    assert (waiting.committed, waiting.closed) == ([], [])
    read(watch, good=FEW)
    clock[0] += HOLD_S - 1
    context.commit_checkpoint()
    assert waiting.committed == [False]


def test_a_commit_that_waited_long_enough_is_given_up_with_the_last_reason_and_where_it_is(
    watch: DeadLetterWatch, context: Context, clock: list[float]
) -> None:
    read(watch, bad=FEW)
    context.commit_checkpoint()
    clock[0] += HOLD_S
    with pytest.raises(TooManyDeadLetters, match="pipeline prices could not use 10 of the last 10 messages") as caught:
        context.commit_checkpoint()
    assert caught.value.reason == "it is cut off (unreadable, at t.ssi.ticks[1]@7)"
    assert "has stopped before committing what it read last" in str(caught.value)
    assert str(caught.value).endswith("Started again, it goes on at what it has not committed")
    assert context.begun[0].committed == []


@pytest.mark.parametrize("how", [{}, {"force": True}, {"force": True, "revoking": True}])
def test_a_full_window_of_bad_messages_is_never_committed(watch: DeadLetterWatch, context: Context, how: dict[str, bool]) -> None:
    read(watch, bad=101, good=99)
    with pytest.raises(TooManyDeadLetters):
        context.commit_checkpoint(**how)
    assert context.begun[0].committed == []


def test_a_bad_stretch_in_the_middle_of_what_is_committed_is_never_committed(watch: DeadLetterWatch, context: Context) -> None:
    read(watch, bad=2_000)
    read(watch, good=200)
    with pytest.raises(TooManyDeadLetters, match="200 of the last 200 messages"):
        context.commit_checkpoint()
    assert context.begun[0].committed == []


@pytest.mark.parametrize("revoking", [False, True])
def test_what_waits_is_aborted_when_the_pipeline_stops_or_loses_its_shards(
    watch: DeadLetterWatch, context: Context, revoking: bool
) -> None:
    read(watch, bad=FEW)
    context.begun[0].is_due = False
    context.commit_checkpoint(force=True, revoking=revoking)
    aborted, _ = context.begun
    assert (aborted.committed, aborted.closed) == ([], [revoking])


def test_what_a_pipeline_gave_up_with_its_shards_does_not_count_when_it_has_some_again(
    watch: DeadLetterWatch, context: Context, clock: list[float]
) -> None:
    read(watch, bad=FEW)
    context.commit_checkpoint()
    context.commit_checkpoint(force=True, revoking=True)
    clock[0] += HOLD_S
    read(watch, good=FEW - 1)
    context.commit_checkpoint()
    assert context.begun[-2].committed == [False]
    read(watch, bad=FEW + 1)
    context.commit_checkpoint()
    assert (context.begun[-1].committed, context.begun[-1].closed) == ([], [])


def test_an_idle_pipeline_goes_on_though_the_last_it_read_was_bad(
    watch: DeadLetterWatch, context: Context, clock: list[float]
) -> None:
    read(watch, bad=FEW)
    for _ in range(3):
        context.begun[-1].is_empty = True
        clock[0] += HOLD_S
        context.commit_checkpoint()
    assert len(context.begun) == 4


def test_topics_are_judged_apart(watch: DeadLetterWatch, context: Context) -> None:
    read(watch, bad=120, good=80)
    read(watch, good=200, topic="partial.flow")
    with pytest.raises(TooManyDeadLetters):
        context.commit_checkpoint()


def test_rejected_records_count_too(watch: DeadLetterWatch, context: Context) -> None:
    for _ in range(20):
        watch.read(TICKS, GOOD, with_a_dead_letter(rejected=26))
    with pytest.raises(TooManyDeadLetters, match="520 of the last 1000 records"):
        context.commit_checkpoint()


def test_clock_ticks_do_not_hide_how_bad_the_records_of_a_quiet_market_are(watch: DeadLetterWatch, context: Context) -> None:
    for _ in range(1_000):
        watch.read(TICKS, a_frame(a_tick()), Folded())
        watch.read(TICKS, a_frame(a_tick(), a_trade()), with_a_dead_letter(rejected=1))
    with pytest.raises(TooManyDeadLetters, match="1000 of the last 1000 records"):
        context.commit_checkpoint()


def test_clock_ticks_that_are_rejected_count_as_read_and_as_bad(watch: DeadLetterWatch, context: Context) -> None:
    frame = a_frame(a_tick(0), a_trade())
    shard = Shard.of("prices", 0, 1)
    folded = fold_frame(frame, Position(TICKS, 0, 0), shard, {}, offers=offers(SSI_TICKS))
    for _ in range(FEW):
        watch.read(TICKS, frame, folded)
    context.commit_checkpoint()
    assert context.begun[0].committed == [False], "half of it was good"
    ticks = a_frame(a_tick(0))
    folded = fold_frame(ticks, Position(TICKS, 0, 0), shard, {}, offers=offers(SSI_TICKS))
    for _ in range(1_000):
        watch.read(TICKS, ticks, folded)
    with pytest.raises(TooManyDeadLetters, match="of the last 1000 records"):
        context.commit_checkpoint()


def test_events_count_as_records(watch: DeadLetterWatch, context: Context, clock: list[float]) -> None:
    for _ in range(FEW):
        watch.read("market.trades", TradesFrame(events=[a_trade_event()]), with_a_dead_letter(rejected=1))
    context.commit_checkpoint()
    clock[0] += HOLD_S
    with pytest.raises(TooManyDeadLetters, match="10 of the last 10 records"):
        context.commit_checkpoint()
    assert context.begun[0].committed == []
