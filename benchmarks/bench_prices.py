"""CPU of the prices pipeline per tick: the fold alone, and the application from Kafka to Kafka, exactly-once.

    python benchmarks/bench_prices.py                  the fold: frame bytes in, message bytes out
    python benchmarks/bench_prices.py --kafka HOST     and the application, on a broker without topics with our prefix; in turn
                                                       with what one would first write, with Quix and without

A tick is a record. The mix is one match to four quotes over 1,600 symbols, a few of which make most of the market, in frames
of 50 over 6 shards. Compare figures of one machine and one run only.
"""

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.chain import usage_of
from pipelines.catalogue import BESIDE, named
from pipelines.core.codec import LiveState
from pipelines.core.frames import Shard, WaitingRow
from pipelines.core.price_shard import fold_frame
from schemas.calendar import at
from schemas.position import Position
from schemas.shards import shard_keys, shard_of
from schemas.structs import TradeRecord
from schemas.topics import SSI_TICKS, encode
from schemas.units import Symbol, UnixMs
from tests.builders import DAY, a_frame, a_quote, a_tick, a_trade, offers

SHARDS = 6
KEYS = shard_keys(SHARDS)
PER_FRAME = 50
FRAMES_KEPT = 100
"""After so many frames values are stored and rows made: 5,000 ticks, of which a busy service folds more between two commits."""

WARM_UP = 300
"""Frames that are folded before an application is measured: 15,000 ticks."""
PEER = Path(__file__).parent / "peers" / "simple_prices.py"
APPLICATIONS = ("prices", "quix", "loop")
"""The pipeline, and beside it what :data:`PEER` has."""


class Application(NamedTuple):
    """An application once it has begun."""

    us: float
    """Microseconds of CPU a tick of the whole process, librdkafka's threads included."""
    ticks_a_second: float


CHILD = """
import os
from pipelines.service import run
from pipelines.settings import PipelineSettings
from schemas.deployment import kafka_config
from stock_tracker.service import spare_the_collector
run(["prices"], PipelineSettings(kafka=kafka_config(os.environ)), lambda why: None, spare_the_collector)
"""


def a_market(ticks: int, shards: int = SHARDS) -> list[tuple[int, bytes]]:
    """(shard, frame) in order."""
    draw = random.Random(1)
    symbols = [Symbol(f"S{n:04d}") for n in range(1_600)]
    chosen = draw.choices(symbols, weights=[1 / (rank + 1) for rank in range(len(symbols))], k=ticks)
    totals: dict[str, int] = {}
    waiting: list[list[Any]] = [[] for _ in range(shards)]
    seqs = [0] * shards
    frames: list[tuple[int, bytes]] = []
    for n, symbol in enumerate(chosen):
        shard = shard_of(symbol, shards)
        ts_ms = UnixMs(at(DAY, 9, 15) + n // 1_000 * 1_000)
        if not waiting[shard]:
            waiting[shard].append(a_tick(ts_ms))
        price = 60_000 + draw.randint(-20, 20) * 100
        if n % 5 == 0:
            volume = draw.randint(1, 30) * 100
            totals[symbol] = total = totals.get(symbol, 0) + volume
            waiting[shard].append(a_trade(symbol, ts_ms, price=price, volume=volume, total=total, high=62_000, low=58_000))
        else:
            bids = [level for step in range(3) for level in (price - 100 * (step + 1), draw.randint(1, 900) * 100)]
            asks = [level for step in range(3) for level in (price + 100 * step, draw.randint(1, 900) * 100)]
            waiting[shard].append(a_quote(symbol, ts_ms, bids=bids, asks=asks))
        if len(waiting[shard]) == PER_FRAME:
            frame = a_frame(*waiting[shard], seq=seqs[shard])
            frames.append((shard, encode(frame)))
            seqs[shard] += 1
            waiting[shard] = []
    return frames


def bench_fold(frames: list[tuple[int, bytes]]) -> float:
    """Microseconds of CPU a tick, decoding and encoding included, with values and rows kept as a busy service keeps them."""
    states = [LiveState({}) for _ in range(SHARDS)]
    places = [(Position("ssi.ticks", shard, 1), Shard("prices", shard, SHARDS, KEYS[shard])) for shard in range(SHARDS)]
    usual = offers(SSI_TICKS)
    rows: dict[tuple[str, str], WaitingRow] = {}
    began = time.process_time()
    for n, (shard, value) in enumerate(frames, 1):
        rows.update(fold_frame(SSI_TICKS.decode(value), *places[shard], states[shard], offers=usual).rows)
        if n % FRAMES_KEPT == 0 or n == len(frames):
            for row in rows.values():
                row.output()
            rows.clear()
            for state in states:
                state.store()
    return (time.process_time() - began) / (len(frames) * PER_FRAME) * 1e6


def bench_application(frames: list[tuple[int, bytes]], bootstrap: str, what: str) -> Application:
    """An application from Kafka to Kafka, when it has begun, over all frames but the first :data:`WARM_UP`."""
    prefix = f"bench{os.getpid()}.{what}."
    config = {"bootstrap.servers": bootstrap}
    admin = AdminClient(config)
    topics = {topic for topology in named("prices").topologies for topic in (topology.source, *topology.sinks, *BESIDE)}
    names = [NewTopic(topic.named(prefix), topic.partitions(SHARDS), 1, config=topic.config()) for topic in topics]
    names += [NewTopic(f"{prefix}peer.{name}", SHARDS, 1) for name in ("prints", "prices", "changelog")]
    for answer in admin.create_topics(names).values():
        answer.result()
    child = None
    try:
        with tempfile.TemporaryDirectory() as home:
            environ = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": prefix, "STOCK_TRACKER_HOME": home}
            command = ["-c", CHILD] if what == "prices" else [str(PEER), what, bootstrap, prefix]
            child = subprocess.Popen([sys.executable, "-W", "ignore", *command], env=environ)
            group = ConsumerGroupTopicPartitions(f"{prefix}{'pipelines.prices' if what == 'prices' else what}")

            def through(number: int) -> bool:
                assert child is not None
                assert child.poll() is None, "the application ended by itself"
                (answer,) = admin.list_consumer_group_offsets([group]).values()
                places = answer.result().topic_partitions
                source = SSI_TICKS.named(prefix)
                return sum(max(int(place.offset), 0) for place in places if place.topic == source) >= number

            append(config, prefix, frames[:WARM_UP])
            while not through(WARM_UP):
                time.sleep(0.1)
            before, began = usage_of(child.pid), time.monotonic()
            append(config, prefix, frames[WARM_UP:])
            while not through(len(frames)):
                time.sleep(0.1)
            after, seconds = usage_of(child.pid), time.monotonic() - began
            child.terminate()
            child.wait(30)
            topic, field = ("market.trades", "events") if what == "prices" else ("peer.prints", "prints")
            assert published(config, f"{prefix}{topic}", field) == matches(frames), "every match is published, once"
    finally:
        if child is not None and child.poll() is None:
            child.kill()
        ours = [name for name in admin.list_topics(timeout=10).topics if prefix in name]
        for answer in admin.delete_topics(ours).values():
            answer.result()
    ticks = (len(frames) - WARM_UP) * PER_FRAME
    return Application((after.cpu_s - before.cpu_s) / ticks * 1e6, ticks / seconds)


def matches(frames: list[tuple[int, bytes]]) -> int:
    """How many matches are in ``frames``."""
    return sum(isinstance(record, TradeRecord) for _, value in frames for record in SSI_TICKS.decode(value).records)


def published(config: dict[str, str], topic: str, field: str) -> int:
    """How many things the messages of ``topic`` have in their list ``field``, by committed transactions."""
    consumer = Consumer({**config, "group.id": "bench-count", "enable.partition.eof": True, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, shard, OFFSET_BEGINNING) for shard in range(SHARDS)])
    count = ended = 0
    while ended < SHARDS:
        for message in consumer.consume(1_000, 1.0):
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                ended += 1
            else:
                count += len(json.loads(message.value())[field])
    consumer.close()
    return count


def append(config: dict[str, str], prefix: str, frames: list[tuple[int, bytes]]) -> None:
    """Put frames on ``ssi.ticks``."""
    producer = Producer({**config, "partitioner": "murmur2", "compression.type": "lz4", "linger.ms": 5})
    for n, (shard, value) in enumerate(frames):
        producer.produce(SSI_TICKS.named(prefix), key=KEYS[shard], value=value)
        if n % 500 == 0:
            producer.flush()
    producer.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ticks", type=int, default=200_000)
    parser.add_argument("--kafka", metavar="HOST:PORT")
    parser.add_argument("--rounds", type=int, default=1, help="of the applications, in turn")
    arguments = parser.parse_args()
    frames = a_market(arguments.ticks)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    figures = {"ticks": len(frames) * PER_FRAME, "fold_us_a_tick": round(bench_fold(frames), 2)}
    if arguments.kafka:
        rounds = {what: [] for what in APPLICATIONS}  # type: dict[str, list[Application]]
        for _ in range(arguments.rounds):
            for what, taken in rounds.items():
                taken.append(bench_application(frames, arguments.kafka, what))
        cpu = {what: statistics.median(each.us for each in taken) for what, taken in rounds.items()}
        pace = {what: statistics.median(each.ticks_a_second for each in taken) for what, taken in rounds.items()}
        for what in APPLICATIONS:
            figures |= {f"{what}_us_a_tick": round(cpu[what], 2), f"{what}_ticks_a_second": round(pace[what])}
        figures |= {
            "prices_cpu_beside_quix": round(cpu["prices"] / cpu["quix"], 2),
            "prices_cpu_beside_loop": round(cpu["prices"] / cpu["loop"], 2),
            "prices_rate_beside_loop": round(pace["prices"] / pace["loop"], 2),
        }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
