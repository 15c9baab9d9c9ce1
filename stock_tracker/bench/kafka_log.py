"""Reads what is on Kafka while it is measured: frames and rows; and, for comparison, rows as clients of Kafka itself see them.

Each runs in a process of its own, and is told to end through a pipe.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple

import msgspec
from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from schemas.topics import SSI_TICKS, STATE_PRICES
from stock_tracker.bench.core.ages import MarketLog, SeenTick, ShownRow

_POLL_S: Final = 0.05
_MOST: Final = 2_000


class _Tick(msgspec.Struct):
    """What a record changes on the board, as far as that needs to be known."""

    kind: str
    symbol: str = ""
    bids: list[int] = []
    asks: list[int] = []
    total_volume: int = 0

    @property
    def shows(self) -> object:
        """The same as that of the record before: it changes nothing, and no row is made of it."""
        return self.total_volume if self.kind == "trade" else (self.bids, self.asks)


class _FrameHead(msgspec.Struct):
    recv_us: int
    records: list[_Tick]


class _RowHead(msgspec.Struct):
    symbol: str
    src: int


_frame: Final = msgspec.json.Decoder(_FrameHead)
_row: Final = msgspec.json.Decoder(_RowHead)
_TICKS: Final = frozenset({"trade", "quote"})


class KafkaLog:
    """A process that follows ``ssi.ticks`` and ``state.prices`` from now on."""

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self._pipe, there = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=_follow, args=(dict(kafka), prefix, there), daemon=True)
        self._process.start()
        self._pipe.recv()

    def end(self) -> MarketLog:
        """What it has seen."""
        self._pipe.send(None)
        log: MarketLog = self._pipe.recv()
        self._process.join()
        return log

    def stop(self) -> None:
        """End it without asking; does nothing where it has ended."""
        self._process.terminate()
        self._process.join()


class KafkaClients:
    """Clients of Kafka itself: each reads every row of ``state.prices``, and notes when it had it."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, count: int) -> None:
        self._pipe, there = get_context("spawn").Pipe()
        self._process = get_context("spawn").Process(target=_read_rows, args=(dict(kafka), prefix, count, there), daemon=True)
        self._process.start()
        self._pipe.recv()

    def end(self) -> list[dict[str, list[tuple[int, int]]]]:
        """When each client had seen rows of which frame, by symbol."""
        self._pipe.send(None)
        seen: list[dict[str, list[tuple[int, int]]]] = self._pipe.recv()
        self._process.join()
        return seen

    def stop(self) -> None:
        """End it without asking; does nothing where it has ended."""
        self._process.terminate()
        self._process.join()


def _consumer(kafka: dict[str, str], names: Sequence[str]) -> Consumer:
    """A reader of some topics from now on; as the gateway's, it sees rows before their transaction is committed."""
    consumer = Consumer(
        {
            **kafka,
            "group.id": "stock-tracker-bench",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_uncommitted",
            "fetch.wait.max.ms": 100,
        }
    )
    topics = consumer.list_topics(timeout=30).topics
    consumer.assign([TopicPartition(name, number, OFFSET_END) for name in names for number in topics[name].partitions])
    # An assignment to the end is one only once the broker has said where that is.
    for name in names:
        for number in topics[name].partitions:
            consumer.get_watermark_offsets(TopicPartition(name, number), timeout=30)
    return consumer


def _follow(kafka: dict[str, str], prefix: str, pipe: Connection) -> None:
    ticks, prices = SSI_TICKS.named(prefix), STATE_PRICES.named(prefix)
    consumer = _consumer(kafka, [ticks, prices])
    kept: list[_Kept] = []
    pipe.send(None)
    while not pipe.poll():
        # Only kept: what is made of it can wait until nothing is measured.
        kept += [_kept(message) for message in consumer.consume(_MOST, _POLL_S) if message.error() is None]
    consumer.close()
    pipe.send(_log_of(kept, ticks))


class _Kept(NamedTuple):
    topic: str
    partition: int
    offset: int
    appended_ms: int
    value: bytes


def _kept(message: Any) -> _Kept:
    appended_ms = int(message.timestamp()[1])
    return _Kept(str(message.topic()), int(message.partition()), int(message.offset()), appended_ms, message.value() or b"")


def _log_of(kept: list[_Kept], ticks: str) -> MarketLog:
    log = MarketLog()
    shown: dict[tuple[str, str], object] = {}
    for message in kept:
        if message.topic == ticks:
            head = _frame.decode(message.value)
            for record in head.records:
                if record.kind not in _TICKS:
                    continue
                before = shown.get((record.kind, record.symbol))
                shown[record.kind, record.symbol] = record.shows
                # Of the first one nobody knows whether it changes anything.
                if before is not None and before != record.shows:
                    log.ticks.setdefault(record.symbol, []).append(SeenTick(message.offset, head.recv_us))
        else:
            row = _row.decode(message.value)
            log.rows.setdefault(row.symbol, []).append(ShownRow(message.offset, row.src, message.appended_ms * 1_000))
            log.partitions[row.symbol] = message.partition
    return log


def _read_rows(kafka: dict[str, str], prefix: str, count: int, pipe: Connection) -> None:
    over = threading.Event()
    seen: list[dict[str, list[tuple[int, int]]]] = [{} for _ in range(count)]
    consumers = [_consumer(kafka, [STATE_PRICES.named(prefix)]) for _ in range(count)]

    def read(consumer: Consumer, mine: dict[str, list[tuple[int, int]]]) -> None:
        while not over.is_set():
            message = consumer.poll(_POLL_S)
            if message is not None and message.error() is None:
                row = _row.decode(message.value() or b"")
                mine.setdefault(row.symbol, []).append((time.time_ns() // 1_000, row.src))
        consumer.close()

    threads = [threading.Thread(target=read, args=pair) for pair in zip(consumers, seen, strict=True)]
    for thread in threads:
        thread.start()
    pipe.send(None)
    pipe.recv()
    over.set()
    for thread in threads:
        thread.join()
    pipe.send(seen)
