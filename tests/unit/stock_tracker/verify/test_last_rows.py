"""The last rows of a topic are read without keeping those before them."""

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from stock_tracker.verify import gateway
from stock_tracker.verify.topics import RawMessage

ROWS = 500


@dataclass(eq=False)
class WatchedRow:
    """A row of which one can see whether it is still in memory."""

    src: int
    symbol: str = "VN30"
    day: int = 20261120


class WatchedTopic:
    """A topic of such rows."""

    name = "state.watched"

    def __init__(self) -> None:
        self.alive: weakref.WeakSet[WatchedRow] = weakref.WeakSet()

    def named(self, prefix: str) -> str:
        return f"{prefix}{self.name}"

    def decode(self, value: bytes) -> WatchedRow:
        row = WatchedRow(int(value))
        self.alive.add(row)
        return row


def test_of_a_topic_with_many_rows_few_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    topic: Any = WatchedTopic()
    counts: list[int] = []

    def messages(kafka: object, wanted: object) -> Iterator[tuple[str, RawMessage]]:
        for src in range(ROWS):
            yield topic.name, RawMessage(0, src, str(src).encode())
            counts.append(len(topic.alive))

    monkeypatch.setattr(gateway, "count_partitions", lambda kafka, name: 1)
    monkeypatch.setattr(gateway, "read_partitions", messages)
    [(at, row)] = gateway.read_last({}, "", [topic])
    assert (row.src, at.message.offset) == (ROWS - 1, ROWS - 1)
    assert len(counts) == ROWS
    assert 0 < max(counts) <= 3
