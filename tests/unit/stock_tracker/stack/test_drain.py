import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, Literal, NamedTuple

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from connectors.ssi.simulator.core.truth import ConnectionStatus, Ending
from schemas.errors import KafkaUnavailable
from schemas.structs import FeedStatus
from schemas.units import UnixMs
from stock_tracker.stack.drain import Backlog, ConsumerGroup, not_received
from tests.builders import a_feed_status
from tests.patience import PATIENCE_S

State = Literal["connecting", "up", "down", "stopped"]


def a_connection(records: int, *, malformed: int = 0, ended: Ending | None = None) -> ConnectionStatus:
    return ConnectionStatus(
        id=1, connection_id="x", opened_ms=UnixMs(1), upgraded_ms=UnixMs(1), subscribed_ms=UnixMs(1), channels="ALL",
        closed_ms=UnixMs(2) if ended else None, ended=ended, sent={},
        records=records, put=records + malformed, read=0, skipped=0, malformed=malformed,
    )  # fmt: skip


def a_status(received: int, state: State = "up") -> FeedStatus:
    return a_feed_status(state=state, reason="no reply in time", received=received)


@pytest.mark.parametrize(
    ("connections", "received"),
    [
        ([a_connection(100)], 100),
        ([a_connection(70, ended="reset"), a_connection(100)], 100),
        ([a_connection(100, malformed=2)], 102),
    ],
)
def test_what_was_put_on_the_open_connection_is_received_when_the_connector_says_so(
    connections: list[ConnectionStatus], received: int
) -> None:
    assert not_received(connections, a_status(received)) == ""
    assert not_received(connections, a_status(received - 1)) == (
        f"the connector has received {received - 1} of the {received} records on its connection"
    )


@pytest.mark.parametrize("state", ["connecting", "down"])
def test_nothing_is_over_while_the_connector_looks_for_a_connection(state: State) -> None:
    said = not_received([a_connection(70, ended="reset")], a_status(0, state))
    assert said == "the connector has no connection: no reply in time"


class SlowConsumer:
    """A consumer whose broker answers when it is told to."""

    def __init__(self, _: object) -> None:
        self.asked, self.answer = threading.Event(), threading.Event()
        self.done: list[str] = []

    def list_topics(self, timeout: float) -> None:
        self.asked.set()
        self.answer.wait(timeout)
        self.done.append("answered")
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def close(self) -> None:
        self.done.append("closed")


def test_what_is_being_asked_is_answered_before_the_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = SlowConsumer({})
    monkeypatch.setattr("stock_tracker.stack.drain.Consumer", lambda _: consumer)
    backlog = Backlog({"bootstrap.servers": "127.0.0.1:1"})
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(backlog.lag, ConsumerGroup("a group", ("a topic",)))
        assert consumer.asked.wait(PATIENCE_S)
        closing = pool.submit(backlog.close)
        # Without a lock it would be over by then; with it, it waits for as long as we like.
        wait([closing], timeout=0.2)
        assert consumer.done == []
        consumer.answer.set()
        closing.result(PATIENCE_S)
        assert isinstance(asking.exception(PATIENCE_S), KafkaUnavailable)
    assert consumer.done[0] == "answered"
    assert set(consumer.done[1:]) == {"closed"}


MARKET, TICKS = ("market", 0), ("ticks", 0)


class Log(NamedTuple):
    """What is in a partition: offsets with a message; all others below the end are marks of transactions."""

    messages: tuple[int, ...]
    end: int


class LogConsumer:
    """A consumer of logs, with one group's commits in them."""

    def __init__(self, logs: dict[tuple[str, int], Log], commits: dict[tuple[str, int], int]) -> None:
        self.logs = logs
        self.commits = commits
        self.waiting: list[Any] = []

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [TopicPartition(p.topic, p.partition, self.commits.get((p.topic, p.partition), -1001)) for p in places]

    def assign(self, places: list[TopicPartition]) -> None:
        self.waiting = []
        for p in places:
            offsets = [offset for offset in self.logs[p.topic, p.partition].messages if offset >= p.offset]
            self.waiting += [_Message(p.topic, p.partition, offset, None) for offset in offsets]
            self.waiting.append(_Message(p.topic, p.partition, None, KafkaError(KafkaError._PARTITION_EOF)))

    def consume(self, count: int, timeout: float) -> list[Any]:
        given, self.waiting = self.waiting[:count], self.waiting[count:]
        return given

    def unassign(self) -> None:
        self.waiting = []


class _Message:
    def __init__(self, topic: str, partition: int, offset: int | None, error: KafkaError | None) -> None:
        self._told = topic, partition, offset, error

    def topic(self) -> str:
        return self._told[0]

    def partition(self) -> int:
        return self._told[1]

    def offset(self) -> int | None:
        return self._told[2]

    def error(self) -> KafkaError | None:
        return self._told[3]


@pytest.mark.parametrize(
    ("commits", "behind", "is_left"),
    [
        ({MARKET: 8, TICKS: 120}, {MARKET: 8}, False),
        ({MARKET: 7, TICKS: 120}, {MARKET: 7}, True),
        ({MARKET: 9, TICKS: 100}, {}, False),
        ({MARKET: 9, TICKS: 99}, {TICKS: 99}, True),
        ({TICKS: 120}, {MARKET: 0}, True),
    ],
)
def test_a_group_has_caught_up_although_more_has_come_since_and_marks_end_its_topics(
    commits: dict[tuple[str, int], int],
    behind: dict[tuple[str, int], int],
    is_left: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logs = {MARKET: Log((5, 6, 7), 9), TICKS: Log(tuple(range(150)), 150)}
    monkeypatch.setattr("stock_tracker.stack.drain.Consumer", lambda _: LogConsumer(logs, commits))
    backlog = Backlog({"bootstrap.servers": "127.0.0.1:1"})
    ends = {MARKET: 9, TICKS: 100}
    assert backlog.behind(ConsumerGroup("a group", ("market", "ticks")), ends) == behind
    assert backlog.has_left(behind, ends) is is_left
