"""The foreign pipeline on a real broker: what the pure folds say, exactly once, through kills."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from pipelines.core.flow import fold_partial
from pipelines.core.foreign_shard import fold_frame
from pipelines.core.frames import Folded, Shard
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import at
from schemas.position import Position
from schemas.shards import shard_keys, shard_of
from schemas.structs import ForeignRecord, Frame, ReferenceRecord
from schemas.topics import (
    MARKET_FLOW,
    MARKET_FOREIGN,
    PARTIAL_FLOW,
    SSI_DLQ,
    SSI_FOREIGN,
    STATE_FLOW,
    STATE_FOREIGN,
    Topic,
    encode,
)
from schemas.units import Exchange
from tests import builders
from tests.builders import DAY, a_foreign, a_frame, a_tick, a_trade, offers
from tests.patience import PATIENCE_S, until
from tests.proof import usually

pytestmark = pytest.mark.kafka

SECTORS = Parameters(PipelineSettings(kafka={})).sectors
SHARDS = 3
START_MS = at(DAY, 8, 59)
SYMBOLS = ("VNM", "SSI", "HPG", "FPT", "SHS", "ACV")
EXCHANGES = {"SHS": Exchange.HNX, "ACV": Exchange.UPCOM}

Values = dict[int, list[bytes]]


def a_record(symbol: str, ts_ms: int, bought: int, sold: int) -> ForeignRecord:
    exchange = EXCHANGES.get(symbol, Exchange.HOSE)
    return a_foreign(symbol, ts_ms, exchange=exchange, bought=bought, sold=sold, current_room=10_000_000 - bought)


def a_reference(symbol: str) -> ReferenceRecord:
    if symbol in EXCHANGES:
        return builders.a_reference(symbol, exchange=EXCHANGES[symbol])
    return builders.a_reference(symbol, groups=["VN30"])


def a_morning(minutes: int) -> dict[int, list[Frame]]:
    """By shard, frames of a second each: clock ticks, and every few seconds a record of each symbol."""
    counters = dict.fromkeys(SYMBOLS, 0)
    frames: dict[int, list[Frame]] = {shard: [] for shard in range(SHARDS)}
    for second in range(minutes * 60):
        ts_ms = START_MS + second * 1000
        records: dict[int, list[Any]] = {shard: [] for shard in range(SHARDS)}
        for number, symbol in enumerate(SYMBOLS):
            shard = shard_of(symbol, SHARDS)
            if second == 0:
                records[shard].append(a_reference(symbol))
            if second > 60 and second % (3 + number) == 0:
                counters[symbol] += 100 * (number + 1)
                records[shard].append(a_record(symbol, ts_ms, counters[symbol], counters[symbol] // 2 * number))
        for shard in range(SHARDS):
            tick = a_tick(ts_ms)
            frames[shard].append(a_frame(tick, *records[shard], seq=second))
    return frames


class Kafka:
    """What a test writes and reads, on its own topics."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._bootstrap = bootstrap
        self._prefix = prefix

    def send(self, frames: dict[int, list[Frame]]) -> None:
        producer = Producer({"bootstrap.servers": self._bootstrap, "partitioner": "murmur2_random", "linger.ms": 5})
        for shard, shard_frames in frames.items():
            for frame in shard_frames:
                producer.produce(SSI_FOREIGN.named(self._prefix), encode(frame), shard_keys(SHARDS)[shard])
        assert producer.flush(PATIENCE_S) == 0

    @contextmanager
    def committed(self, topic: Topic[Any]) -> Iterator[Consumer]:
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"{self._prefix}test",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(topic.named(self._prefix), n, 0) for n in range(topic.partitions(SHARDS))])
        try:
            yield consumer
        finally:
            consumer.close()

    def read(self, topic: Topic[Any], enough: Callable[[Values], bool]) -> Values:
        """The committed values of a topic by partition, until they are ``enough``; it fails when that does not come."""
        values: Values = {n: [] for n in range(topic.partitions(SHARDS))}
        with self.committed(topic) as consumer:

            def came() -> bool:
                for message in consumer.consume(1_000, timeout=0.2):
                    if message.error() is None:
                        values[message.partition()].append(message.value())
                return enough(values)

            until(came, f"enough on {topic.name}")
        return values

    def read_to_the_end(self, topic: Topic[Any]) -> Values:
        """All that is committed on a topic that nobody writes to any more."""
        values: Values = {n: [] for n in range(topic.partitions(SHARDS))}
        ended: set[int] = set()
        with self.committed(topic) as consumer:
            while len(ended) < len(values):
                for message in consumer.consume(1_000, timeout=0.2):
                    error = message.error()
                    if error is None:
                        values[message.partition()].append(message.value())
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF
                        ended.add(message.partition())
        return values


def messages(count: int) -> Callable[[Values], bool]:
    return lambda values: sum(map(len, values.values())) >= count


@contextmanager
def running(kafka: str, prefix: str, home: Path) -> Iterator[None]:
    """The foreign pipeline in a process of its own, killed at the end of the block."""
    code = (
        "import os; from pipelines.service import run; from pipelines.settings import PipelineSettings; "
        "from schemas.deployment import kafka_config; "
        "run(['foreign'], PipelineSettings(kafka=kafka_config(os.environ)), lambda why: None)"
    )
    environ = {**os.environ, "KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": prefix, "STOCK_TRACKER_HOME": str(home)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environ)
    try:
        yield
        assert process.poll() is None, "the pipeline ended by itself"
    finally:
        process.kill()
        process.wait()


def fold_purely(frames: dict[int, list[Frame]]) -> tuple[dict[int, list[Folded]], list[Folded]]:
    """What the folds say without Kafka: by shard, and of the second stage."""
    first: dict[int, list[Folded]] = {}
    for shard, shard_frames in frames.items():
        state: dict[bytes, bytes] = {}
        place = Shard.of("foreign", shard, SHARDS)
        first[shard] = [
            fold_frame(frame, Position("ssi.foreign", shard, n), place, state, offers=offers(SSI_FOREIGN, sectors=SECTORS))
            for n, frame in enumerate(shard_frames)
        ]
    second: list[Folded] = []
    state = {}
    partials = [value for shard in first for value in values_of(first[shard], PARTIAL_FLOW)]
    for n, value in enumerate(partials):
        second.append(
            fold_partial(
                PARTIAL_FLOW.decode(value),
                Position("partial.flow", 0, n),
                Shard.of("foreign", 0, 1),
                state,
                offers=offers(PARTIAL_FLOW),
            )
        )
    return first, second


def values_of(folded: list[Folded], topic: Topic[Any]) -> list[bytes]:
    return [output.value for one in folded for output in one.outputs if output.topic is topic]


def without_src(value: bytes) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.json.decode(value)
    del row["src"]
    return row


def last_by(key: str, values: list[bytes]) -> dict[str, dict[str, Any]]:
    return {row[key]: row for row in map(without_src, values)}


def test_a_pipeline_that_is_killed_again_and_again_says_what_the_folds_say(kafka: str, topics: str, tmp_path: Path) -> None:
    kills = usually(2, proving=20)
    frames = a_morning(minutes=3 * kills)
    first, second = fold_purely(frames)
    entries = {shard: values_of(folded, MARKET_FOREIGN) for shard, folded in first.items()}
    partials = {shard: values_of(folded, PARTIAL_FLOW) for shard, folded in first.items()}
    rows = {shard: last_by("symbol", values_of(folded, STATE_FOREIGN)) for shard, folded in first.items()}
    minutes = values_of(second, MARKET_FLOW)
    scopes = last_by("scope", values_of(second, STATE_FLOW))
    log = Kafka(kafka, topics)

    for start in range(0, 180 * kills, 180):
        booked = sum(len(values_of(folded[:start], MARKET_FOREIGN)) for folded in first.values())
        with running(kafka, topics, tmp_path):
            for moment in range(start, start + 180, 60):
                log.send({shard: own[moment : moment + 60] for shard, own in frames.items()})
            # Killed in the middle: some is committed, some folded, some not yet read.
            log.read(MARKET_FOREIGN, messages(booked + 1))
    with running(kafka, topics, tmp_path):
        # A scope's last row comes last of all, when the second stage has met the last second of every shard.
        log.read(STATE_FLOW, lambda values: last_by("scope", values[0]) == scopes)

    assert log.read_to_the_end(MARKET_FOREIGN) == entries
    assert log.read_to_the_end(MARKET_FLOW) == {0: minutes}
    said = log.read_to_the_end(PARTIAL_FLOW)[0]
    assert Counter(said) == Counter(value for values in partials.values() for value in values)
    assert {shard: last_by("symbol", own) for shard, own in log.read_to_the_end(STATE_FOREIGN).items()} == rows


def test_a_record_that_is_none_of_ours_goes_to_the_dead_letters_alone(kafka: str, topics: str, tmp_path: Path) -> None:
    stray = a_trade("VNM", START_MS)
    shard = shard_of("VNM", SHARDS)
    frame = a_frame(stray, a_record("VNM", at(DAY, 9, 16), 700, 0))
    log = Kafka(kafka, topics)
    log.send({shard: [frame]})
    with running(kafka, topics, tmp_path):
        [letter] = log.read(SSI_DLQ, messages(1))[0]
        [entries] = log.read(MARKET_FOREIGN, messages(1))[shard]
    said = SSI_DLQ.decode(letter)
    assert (said.source, said.reason, said.partition, said.offset, said.idx) == ("foreign", "unexpected_kind", shard, 0, 0)
    assert [entry.volume for entry in MARKET_FOREIGN.decode(entries).events] == [700]
