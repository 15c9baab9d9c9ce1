"""A market that writes event topics, the sink as a process that can be killed, and what must be in the archive in the end."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition

from connectors.clickhouse.core.intent import drained, intent_of
from connectors.clickhouse.core.tables import SOURCES
from schemas import topics as t
from schemas.events import TradePhase
from schemas.shards import shard_keys
from schemas.structs import DailyEvent, DailyFrame, LedgerEntry, LedgerFrame, TradeEvent, TradesFrame
from schemas.units import Side
from tests.builders import a_daily_event, a_ledger_entry, a_trade_event, changed
from tests.patience import PATIENCE_S, until
from tests.proof import usually

SHARDS = 3
PARTITIONS = sum(topic.partitions(SHARDS) for topic in SOURCES)
OPEN_MS = 1_795_140_900_000  # 2026-11-20 09:15 in Vietnam
BAD = b'{"schema":1,"events":[{"kind":"print"}]}'
ENOUGH = usually(2_000, proving=6_500)
PHASES: list[TradePhase] = ["continuous", "put_through", "atc"]
SINK = Path(__file__).with_name("sink_process.py")


def a_print(symbol: str, n: int, rng: random.Random) -> TradeEvent:
    volume = rng.randrange(100, 5000, 100)
    kind = rng.choices(["print", "gap"], [9, 1])[0]
    # Three events a second: most of them share theirs with others, as on SSI's clock.
    ts_ms = OPEN_MS + n // 3 * 1000 - rng.choice([0, 0, 0, 0, 7000])
    since_ms = rng.choice([None, OPEN_MS])
    event = a_trade_event(
        symbol,
        ts_ms,
        start=n * 100,
        volume=volume,
        value=volume * 20_000,
        price=rng.randrange(19_000, 21_000, 50),
        side=rng.choice([Side.BUY, Side.SELL, Side.NEUTRAL]),
        phase=rng.choices(PHASES, [18, 1, 1])[0],
        anchored=rng.random() < 0.98,
    )
    return changed(event, kind=kind, since_ms=since_ms)


def an_entry(symbol: str, n: int) -> LedgerEntry:
    return a_ledger_entry(symbol, OPEN_MS + n * 1000, since=OPEN_MS, counter_from=n, volume=1, value=-n)


def a_day(symbol: str, n: int) -> DailyEvent:
    return a_daily_event(symbol, OPEN_MS + n * 1000, total=n, prints=n)


class Market:
    """Writes frames in transactions, some of them aborted, and remembers what became of each."""

    def __init__(self, kafka: str, prefix: str, seed: int) -> None:
        self.prefix = prefix
        self.bootstrap = kafka
        self.rng = random.Random(seed)
        self.n = 0
        self.producer = Producer(
            {"bootstrap.servers": kafka, "transactional.id": f"{prefix}market", "linger.ms": 0, "partitioner": "murmur2_random"}
        )
        self.producer.init_transactions()

    def write(self, frames: int) -> None:
        """One transaction."""
        self.producer.begin_transaction()
        keys = shard_keys(SHARDS)
        for _ in range(frames):
            shard = self.rng.randrange(SHARDS)
            symbols = [f"S{shard}{c}" for c in "ABCD"]
            trades = []
            for _ in range(self.rng.randrange(1, 30)):
                self.n += 1
                trades.append(a_print(self.rng.choice(symbols), self.n, self.rng))
            self._send(t.MARKET_TRADES, t.encode(TradesFrame(events=trades)), keys[shard])
            if self.rng.random() < 0.3:
                entry = t.encode(LedgerFrame(events=[an_entry(self.rng.choice(symbols), self.n)]))
                self._send(t.MARKET_FOREIGN, entry, keys[shard])
            if self.rng.random() < 0.2:
                day = t.encode(DailyFrame(events=[a_day(self.rng.choice(symbols), self.n)]))
                self._send(t.MARKET_DAILY, day, keys[shard])
            if self.rng.random() < 0.02:
                self._send(t.MARKET_TRADES, BAD, keys[shard])
        self.producer.flush()
        if self.rng.random() < 0.1:
            self.producer.abort_transaction()
        else:
            self.producer.commit_transaction()

    def send(self, topic: t.Topic[Any], value: bytes, count: int = 1) -> None:
        """The same message so many times on one partition, all to be seen at once."""
        self.producer.begin_transaction()
        for _ in range(count):
            self._send(topic, value, shard_keys(SHARDS)[0])
        self.producer.commit_transaction()

    def _send(self, topic: t.Topic[Any], value: bytes, key: str) -> None:
        self.producer.produce(topic.named(self.prefix), value, key)

    def log(self, topic: t.Topic[Any]) -> dict[tuple[int, int], bytes]:
        """What a committed reader finds: value by (partition, offset)."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap, "group.id": f"{self.prefix}reader", "enable.partition.eof": True,
                "isolation.level": "read_committed", "auto.offset.reset": "earliest",
            }
        )  # fmt: skip
        consumer.assign([TopicPartition(topic.named(self.prefix), p, 0) for p in range(topic.partitions(SHARDS))])
        found, ends = {}, 0
        while ends < topic.partitions(SHARDS):
            message = consumer.poll(PATIENCE_S)
            assert message is not None, "the broker went silent"
            if message.error():
                ends += 1
            else:
                found[message.partition(), message.offset()] = message.value()
        consumer.close()
        return found


class SinkProcess:
    """The sink in a process of its own."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self.environ = {**os.environ, **environ}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None
        self._began = 0

    def start(self, *step: str) -> None:
        with self.log.open("a") as log:
            self._began = log.tell()
            self.process = subprocess.Popen([sys.executable, str(SINK), *step], env=self.environ, stdout=log, stderr=log)

    def wait_for_death(self) -> None:
        assert self.process is not None
        assert self.process.wait(PATIENCE_S) == -signal.SIGKILL, self.log.read_text()

    def wait_for_its_stop(self) -> None:
        """Until it has stopped itself: it lives, and does nothing."""
        process = self._started()
        until(lambda: os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT), "the sink to stop itself")

    def go_on(self) -> None:
        self._started().send_signal(signal.SIGCONT)

    def _started(self) -> "subprocess.Popen[bytes]":
        assert self.process is not None, "start it first"
        return self.process

    def has_ended(self) -> bool:
        return self._started().poll() is not None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def command(self, **environ: str) -> int:
        """Run `stock-tracker archive sink` until it ends by itself; its exit code."""
        with self.log.open("a") as log:
            self._began = log.tell()
            command = [sys.executable, "-m", "stock_tracker", "archive", "sink"]
            self.process = subprocess.Popen(command, env=self.environ | environ, stdout=log, stderr=log)
        return self.process.wait(PATIENCE_S)

    def said(self, text: str) -> bool:
        """Whether it has said that since its last start."""
        return text.encode() in self.log.read_bytes()[self._began :]


@contextmanager
def sinks_on(kafka: str, topics: str, folder: Path) -> Iterator[Callable[..., SinkProcess]]:
    """Makes sinks that write what the topics with this prefix hold; none outlives the block."""
    made: list[SinkProcess] = []

    def make(server: Any, **environ: str) -> SinkProcess:
        settings = {
            "KAFKA_BOOTSTRAP": kafka,
            "TOPIC_PREFIX": topics,
            "CLICKHOUSE_URL": server.url,
            "STOCK_TRACKER_HOME": str(server.home),
            "ARCHIVE_BATCH_SECONDS": "0.1",
            "ARCHIVE_BATCH_ROWS": "2000",
        }
        made.append(SinkProcess({**settings, **environ}, folder / f"sink{len(made)}.log"))
        return made[-1]

    try:
        yield make
    finally:
        for sink in made:
            sink.kill()


class Drain:
    """Whether everything is in the archive, as the front door asks it of Kafka."""

    def __init__(self, kafka: str, prefix: str) -> None:
        self._parts = [TopicPartition(s.named(prefix), p) for s in SOURCES for p in range(s.partitions(SHARDS))]
        asked = {"bootstrap.servers": kafka, "group.id": f"{prefix}archive"}
        self._consumer = Consumer({**asked, "isolation.level": "read_committed"})
        self._uncommitted = Consumer({**asked, "isolation.level": "read_uncommitted"})

    def wait(self) -> None:
        """Wait for it, while nobody writes."""
        until(self.is_over, "the drain", look_s=0.2)

    def close(self) -> None:
        self._consumer.close()
        self._uncommitted.close()

    def is_over(self) -> bool:
        """Every partition's commit has no open intent and has reached the end.

        A producer's commit returns before Kafka has marked every partition with it: until then a partition ends, for
        who reads what is committed, where it ended before that transaction.
        """
        for known in self._consumer.committed(self._parts, PATIENCE_S):
            place = TopicPartition(known.topic, known.partition)
            _, end = self._consumer.get_watermark_offsets(place, PATIENCE_S)
            _, written = self._uncommitted.get_watermark_offsets(place, PATIENCE_S)
            if end < written or not drained(known.offset if known.offset >= 0 else None, known.metadata, end):
                return False
        return True


def intents(kafka: str, prefix: str, topic: t.Topic[Any]) -> list[int]:
    """The ends of the ranges that are declared in Kafka, of the partitions of a topic that have one."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"{prefix}archive"})
    parts = [TopicPartition(topic.named(prefix), p) for p in range(topic.partitions(SHARDS))]
    found = [intent_of(known.offset, known.metadata) for known in consumer.committed(parts, PATIENCE_S)]
    consumer.close()
    return [intent[1] for intent in found if intent is not None]


def places(client: Client, table: str) -> list[tuple[int, int, int]]:
    found = client.query(f"SELECT partition, offset, idx FROM {table} ORDER BY partition, offset, idx").result_rows
    return [(int(a), int(b), int(c)) for a, b, c in found]


def assert_archive_equals_topics(client: Client, market: Market) -> None:
    for topic, table in ((t.MARKET_TRADES, "trades"), (t.MARKET_FOREIGN, "foreign_ledger")):
        wanted: list[tuple[int, int, int]] = []
        rejected: list[tuple[int, int, int]] = []
        for (partition, offset), value in market.log(topic).items():
            events = json.loads(value)["events"]
            good = "symbol" in events[0]
            (wanted if good else rejected).extend((partition, offset, i) for i in range(len(events)))
        assert places(client, table) == sorted(wanted)
        dead = client.query(
            "SELECT partition, offset, idx FROM dlq WHERE topic = {topic:String} ORDER BY partition, offset, idx",
            parameters={"topic": topic.name},
        )
        assert [tuple(map(int, row)) for row in dead.result_rows] == sorted(rejected)
    assert_candles_are_those_of_the_trades(client)
    entries, volume = client.query("SELECT sum(entries), sum(bought) FROM foreign_1m").result_rows[0]
    assert (entries, volume) == client.query("SELECT count(), sum(volume) FROM foreign_ledger").result_rows[0]
    last = {}
    for (_, offset), value in sorted(market.log(t.MARKET_DAILY).items(), key=lambda item: item[0][1]):
        for event in json.loads(value)["events"]:
            last[event["symbol"]] = (event["prints"], offset)
    found = client.query("SELECT symbol, prints, offset FROM prices_daily").result_rows
    assert {symbol: (prints, offset) for symbol, prints, offset in found} == last


def assert_candles_are_those_of_the_trades(client: Client) -> None:
    prints = client.query(
        "SELECT symbol, toUnixTimestamp(ts), price, volume, value, side FROM trades WHERE kind = 'print' AND anchored"
        " AND phase NOT IN ('put_through', 'odd_lot') ORDER BY symbol, toUnixTimestamp(ts), offset, idx"
    ).result_rows
    for table, start_of, seconds in (("candles_1m", "t", 60), ("candles_5m", "t", 300), ("candles_1d", "day", 86_400)):
        wanted: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for symbol, ts, *rest in prints:
            wanted[symbol, ts // seconds * seconds if seconds < 86_400 else 0].append(rest)
        found = client.query(
            f"SELECT symbol, {f'toUnixTimestamp({start_of})' if seconds < 86_400 else '0'}, open, high, low, close, volume,"
            f" value, active_buy, prints, vwap FROM {table}"
        ).result_rows
        assert {(symbol, int(start)) for symbol, start, *_ in found} == wanted.keys()
        for symbol, start, open_, high, low, close, volume, value, active_buy, count, vwap in found:
            its = wanted[symbol, int(start)]
            prices = [price for price, *_ in its]
            assert (open_, high, low, close) == (prices[0], max(prices), min(prices), prices[-1])
            assert (volume, value, count) == (sum(v for _, v, _, _ in its), sum(v for _, _, v, _ in its), len(its))
            assert active_buy == sum(v for _, v, _, side in its if side == "buy")
            assert vwap == pytest.approx(sum(p * v for p, v, _, _ in its) / volume)


@contextmanager
def trading(market: Market, frames: int) -> Iterator[None]:
    """Write on and on meanwhile, ``frames`` in each transaction."""
    done = threading.Event()

    def trade() -> None:
        while not done.wait(0.1):
            # Every event is compared in the end: when there are many, a slow machine need not write more and more of them.
            market.write(frames if market.n < ENOUGH else 1)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
