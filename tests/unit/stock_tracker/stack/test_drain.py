import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Literal

import pytest
from confluent_kafka import KafkaError, KafkaException

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
    assert consumer.done == ["answered", "closed"]
