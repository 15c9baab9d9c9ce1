"""When rows and values leave memory, and when they are forgotten."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from quixstreams.checkpointing import Checkpoint
from quixstreams.dataframe import StreamingDataFrame
from quixstreams.internal_producer import InternalProducer
from quixstreams.processing import ProcessingContext
from quixstreams.state import PartitionTransaction

from pipelines.core.codec import Codec, DayState, LiveState, Stored
from pipelines.core.frames import Folded, Output
from pipelines.write_behind import BATCH_S, BUSY_S, WAIT_S, WaitingOutputs, WriteBehind
from schemas.structs import BreadthRow, ShardProgress
from schemas.topics import SSI_DLQ, STATE_BREADTH, STATE_PROGRESS, encode
from schemas.units import Symbol, TradingDay, UnixMs
from tests.builders import DAY, a_state

UPGRADE = "this release of Quix Streams has changed what pipelines/write_behind.py leans on: see docs/decisions/014"


class Sum(Stored):
    of: int = 0


SUMS = Codec(Sum)


class Quix:
    """What is produced and stored, where Quix has its producer and its store."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.produced: list[tuple[str, bytes, bytes]] = []
        self.headers: list[object] = []
        """Of what was produced; None where nobody named any."""
        self.taken_ms: list[int | None] = []
        """The same of its time."""
        self.stored: dict[bytes, bytes] = {}
        self.behind = WriteBehind("prices", self._produce, "t.", lambda: self.now_s)
        stored: Any = self.stored
        (self.state,) = self.behind.keep([stored])

    def _produce(self, topic: str, key: bytes, value: bytes, headers: object = None, taken_ms: int | None = None) -> None:
        self.produced.append((topic, key, value))
        self.headers.append(headers)
        self.taken_ms.append(taken_ms)

    def message(self, src: int, *, after_s: float, takes_s: float = 0.0) -> None:
        """A message that shows VN30, ``after_s`` after the pipeline has asked for it."""
        self.now_s += after_s
        self.behind.reads()
        folded = Folded()
        folded.show(STATE_BREADTH, "VN30", a_row(src))
        state = DayState(self.state, lambda: DAY, folded.counts)
        total = state.load(SUMS, b"sum") or Sum()
        total.of += 1
        state.store(SUMS, b"sum", total)
        folded.finish(state)
        self.now_s += takes_s
        self.behind.wait(folded.rows)
        self.loop()

    def loop(self) -> None:
        """What the context does after each message, and when none came."""
        self.behind.look()
        self.behind.free()

    @property
    def srcs(self) -> list[int]:
        """Of the rows that were produced."""
        return [STATE_BREADTH.decode(value).src for _, _, value in self.produced]


def a_letter(n: int, headers: object = None) -> WaitingOutputs:
    return WaitingOutputs([Output(SSI_DLQ, "prices", b"%d" % n)], headers, n)


def a_progress() -> Output:
    row = ShardProgress(topic="ssi.ticks", partition=0, offset=7, recv_us=1)
    return Output(STATE_PROGRESS, "ssi.ticks/0", encode(row))


@pytest.fixture
def quix() -> Quix:
    return Quix()


def a_row(src: int) -> BreadthRow:
    return BreadthRow(
        day=TradingDay(DAY), src=src, ts_ms=UnixMs(src), symbol=Symbol("VN30"), advances=0, no_changes=0, declines=0, ceilings=0,
        floors=0, untraded=0,
    )  # fmt: skip


def test_a_row_is_published_at_once_while_the_pipeline_keeps_up(quix: Quix) -> None:
    for src in range(3):
        quix.message(src, after_s=WAIT_S)
    assert quix.srcs == [0, 1, 2]
    assert quix.produced[0][:2] == ("t.state.breadth", b"VN30")


def test_rows_wait_while_messages_are_queued_and_the_newest_is_published(quix: Quix) -> None:
    quix.message(0, after_s=WAIT_S)
    for src in range(1, 12):
        quix.message(src, after_s=0.0, takes_s=0.3 * BUSY_S)
    assert quix.srcs == [0, 4, 8]
    quix.behind.flush()
    assert quix.srcs == [0, 4, 8, 11]


def test_what_waits_is_published_when_nothing_comes(quix: Quix) -> None:
    quix.message(0, after_s=0.0)
    assert quix.srcs == []
    assert quix.behind.has_waiting
    quix.loop()
    assert quix.srcs == [0]
    assert not quix.behind.has_waiting
    quix.loop()
    assert quix.srcs == [0]


def test_outputs_go_at_once_while_the_pipeline_keeps_up_and_together_while_messages_are_queued(quix: Quix) -> None:
    def take(n: int, *, after_s: float) -> list[bytes]:
        quix.now_s += after_s
        quix.behind.reads()
        quix.now_s += 0.4 * BATCH_S
        quix.behind.wait({}, made=a_letter(n))
        quix.loop()
        told, quix.produced[:] = [value for _, _, value in quix.produced], []
        return told

    assert take(0, after_s=WAIT_S) == [b"0"]
    assert [take(n, after_s=0.0) for n in range(1, 7)] == [[], [], [b"1", b"2", b"3"], [], [], [b"4", b"5", b"6"]]
    assert take(7, after_s=0.0) == []
    assert quix.behind.has_waiting
    quix.behind.flush()
    assert [value for _, _, value in quix.produced] == [b"7"]
    assert not quix.behind.has_waiting


def test_outputs_keep_the_time_and_the_headers_of_their_own_messages_however_long_they_wait(quix: Quix) -> None:
    for n in (1, 2):
        quix.behind.reads()
        quix.behind.wait({}, made=a_letter(n, [("traceparent", b"%d" % n)]))
    quix.behind.flush()
    assert quix.produced == [("t.ssi.dlq", b"prices", b"1"), ("t.ssi.dlq", b"prices", b"2")]
    assert quix.taken_ms == [1, 2]
    assert quix.headers == [[("traceparent", b"1")], [("traceparent", b"2")]]


def test_what_was_folded_is_published_before_its_rows_and_before_it_is_told_how_far_that_was(quix: Quix) -> None:
    folded = Folded()
    folded.show(STATE_BREADTH, "VN30", a_row(1))
    quix.behind.reads()
    quix.behind.wait(folded.rows, a_progress(), a_letter(1))
    quix.behind.flush()
    assert [topic for topic, _, _ in quix.produced] == ["t.ssi.dlq", "t.state.breadth", "t.state.progress"]


def test_outputs_that_are_dropped_are_never_published(quix: Quix) -> None:
    quix.behind.reads()
    quix.behind.wait({}, made=a_letter(1))
    quix.behind.drop()
    quix.behind.flush()
    assert quix.produced == []
    assert not quix.behind.has_waiting


def test_a_pipeline_is_busy_while_messages_are_queued(quix: Quix) -> None:
    told = []
    for after_s in (WAIT_S, 0.0, 0.0, WAIT_S, 0.0):
        quix.message(0, after_s=after_s)
        told.append(quix.behind.is_busy)
    assert told == [False, True, True, False, True]
    quix.loop()
    assert not quix.behind.is_busy, "nothing came"


def test_how_far_a_shard_is_folded_is_told_after_what_came_of_it(quix: Quix) -> None:
    def topics() -> list[str]:
        told, quix.produced[:] = [topic for topic, _, _ in quix.produced], []
        return told

    quix.behind.reads()
    quix.behind.wait({}, reached := a_progress())
    assert topics() == [], "a message is queued"
    folded = Folded()
    folded.show(STATE_BREADTH, "VN30", a_row(1))
    quix.behind.wait(folded.rows, reached)
    quix.behind.flush()
    assert topics() == ["t.state.breadth", "t.state.progress"]
    quix.behind.wait({}, reached)
    quix.behind.drop()
    quix.behind.flush()
    assert topics() == []
    quix.behind.wait({}, reached)
    quix.loop()
    quix.loop()
    assert topics() == ["t.state.progress"]


def test_values_are_stored_at_a_flush_and_not_before(quix: Quix) -> None:
    for src in range(3):
        quix.message(src, after_s=WAIT_S)
    assert quix.stored == {}
    quix.behind.flush()
    assert {key: SUMS.decode(value) for key, value in quix.stored.items()} == {b"sum": Sum(3)}


def test_what_is_dropped_is_neither_published_nor_stored(quix: Quix) -> None:
    quix.message(0, after_s=0.0)
    quix.behind.flush()
    quix.message(1, after_s=0.0)
    quix.behind.drop()
    quix.behind.flush()
    assert quix.srcs == [0]
    quix.message(2, after_s=0.0)
    quix.behind.flush()
    assert SUMS.decode(quix.stored[b"sum"]) == Sum(2)


def test_a_live_state_lets_all_values_go_when_they_are_too_many() -> None:
    stored: dict[bytes, bytes] = {}
    live = LiveState(stored, most=2)
    for number in range(3):
        live.change(SUMS, b"%d" % number, Sum(number))
    assert live.is_changed
    live.store()
    assert not live.is_changed
    assert live.value(b"0") is None
    assert a_state(stored).load(SUMS, b"2") == Sum(2)


def test_bytes_are_written_to_a_live_state_by_nobody_else() -> None:
    with pytest.raises(TypeError, match="by store\\(\\) alone"):
        LiveState({})[b"a"] = b"b"


@pytest.mark.parametrize(
    ("theirs", "parameters"),
    [
        (Checkpoint.get_store_transaction, {"stream_id", "partition"}),
        (PartitionTransaction.get_bytes, {"key", "prefix"}),
        (PartitionTransaction.set_bytes, {"key", "value", "prefix"}),
        (InternalProducer.produce, {"topic", "key", "value", "headers", "timestamp"}),
        (StreamingDataFrame.register_store, set()),
        (ProcessingContext.commit_checkpoint, {"force", "revoking"}),
        (Checkpoint.close, {"revoking"}),
        (Checkpoint.empty, set()),
    ],
    ids=lambda it: getattr(it, "__qualname__", ""),
)
def test_what_we_lean_on_of_quix_is_still_there(theirs: Callable[..., Any], parameters: set[str]) -> None:
    assert parameters <= inspect.signature(theirs).parameters.keys(), UPGRADE


def test_quix_begins_its_commit_with_what_a_flush_has_stored() -> None:
    source = inspect.getsource(Checkpoint.commit)
    assert source.index("transaction.prepare(") < source.index("commit_transaction("), UPGRADE
    assert isinstance(StreamingDataFrame.stream_id, property), UPGRADE
    assert isinstance(StreamingDataFrame.processing_context, property), UPGRADE


def test_quix_asks_for_a_commit_after_every_message_and_when_none_came() -> None:
    from quixstreams import Application

    loop = inspect.getsource(Application._run_dataframe)
    assert loop.index("process_message(dataframes_composed)") < loop.index("processing_context.commit_checkpoint()"), UPGRADE


def test_rows_have_the_trace_of_the_newest_message_that_had_one_and_later_rows_have_none(quix: Quix) -> None:
    quix.message(1, after_s=WAIT_S)
    quix.behind.trace("00-older")
    quix.behind.trace("00-newer")
    quix.message(2, after_s=WAIT_S)
    quix.message(3, after_s=WAIT_S)
    assert quix.srcs == [1, 2, 3]
    assert quix.headers == [None, [("traceparent", "00-newer")], None]
