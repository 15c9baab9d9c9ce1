"""The sink against a real Kafka and a real ClickHouse: every event once, whatever dies."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.clickhouse.client import connect
from connectors.clickhouse.core.intent import drained, intent_of
from connectors.clickhouse.core.tables import SOURCES
from schemas import topics as t
from schemas.dead_letters import FEW
from schemas.errors import HALTED
from schemas.events import TradePhase
from schemas.shards import shard_keys
from schemas.structs import DailyEvent, DailyFrame, LedgerEntry, LedgerFrame, ReferenceMessage, TradeEvent, TradesFrame
from schemas.units import Side
from tests.builders import a_daily_event, a_future, a_ledger_entry, a_trade_event, changed
from tests.patience import PATIENCE_S, until
from tests.proof import usually

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

SHARDS = 3
PARTITIONS = sum(topic.partitions(SHARDS) for topic in SOURCES)
OPEN_MS = 1_795_140_900_000  # 2026-11-20 09:15 in Vietnam
BAD = b'{"schema":1,"events":[{"kind":"print"}]}'
ENOUGH = usually(2_000, proving=6_500)
JUNK = 300
"""More bad messages than the dead-letter limit looks at."""
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


@pytest.fixture
def market(kafka: str, topics: str) -> Market:
    return Market(kafka, topics, seed=7)


@pytest.fixture
def a_sink(kafka: str, topics: str, tmp_path: Path) -> Iterator[Callable[..., SinkProcess]]:
    """Makes sinks on this test's topics; none outlives it."""
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
        made.append(SinkProcess({**settings, **environ}, tmp_path / f"sink{len(made)}.log"))
        return made[-1]

    yield make
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


@pytest.fixture
def drain(kafka: str, topics: str) -> Iterator[Drain]:
    drain = Drain(kafka, topics)
    yield drain
    drain.close()


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


def test_every_event_is_stored_once_whatever_dies(
    market: Market, own_server: Any, a_sink: Callable[..., SinkProcess], drain: Drain
) -> None:
    sink = a_sink(own_server, ARCHIVE_DATABASE="kill")
    chance = random.Random(3)
    with trading(market, frames=6):
        for step, count in (
            ("declared", 3),
            ("inserting", 4),
            ("between_blocks", 6),
            ("inserted", 3),
            ("before_declaring", 4),
        ):
            sink.start(step, str(count))
            sink.wait_for_death()
        for _ in range(usually(1, proving=20)):
            sink.start()
            until(lambda: sink.said("reading"), "an assignment")
            time.sleep(chance.uniform(0.0, 1.0))  # the instant of the kill is the point
            own_server.kill()
            sink.kill()
            own_server.start()
        sink.start()
        until(lambda: sink.said("reading"), "an assignment")
        time.sleep(chance.uniform(0.0, 1.0))
        own_server.kill()
        until(lambda: sink.said("does not answer"), "the sink's word that ClickHouse is away")
        own_server.start()
        until(lambda: market.n >= ENOUGH, "a market of some size")
    drain.wait()
    assert sink.stop() == 0
    client = connect(own_server.url, "sink", own_server.password, "kill")
    assert client.query("SELECT count() > 1500 FROM trades").first_item
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_that_must_read_more_again_than_it_may_hold_goes_on(
    market: Market,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    market.write(frames=60)
    market.send(t.SSI_REFERENCE, t.encode(ReferenceMessage(record=a_future("41I1GC000", trading_day=20261120))))
    dying = a_sink(embedded, ARCHIVE_DATABASE=database)
    dying.start("declared", "1")
    dying.wait_for_death()
    sink = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_BUFFER_ROWS="1")
    sink.start()
    drain.wait()
    assert sink.stop() == 0
    client = connect(embedded.url, "sink", embedded.password, database)
    assert_archive_equals_topics(client, market)
    listed = client.query("SELECT symbol, toString(day), month, toString(expiry) FROM instruments").result_rows
    assert listed == [("41I1GC000", "2026-11-20", 202612, "2026-12-17")]
    client.close()


def test_two_sinks_share_the_partitions_and_another_process_takes_the_place_of_one_that_says_so(
    market: Market,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    first = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_INSTANCE="first")
    second = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_INSTANCE="second")
    with trading(market, frames=4):
        first.start()
        until(lambda: first.said(f"reading {PARTITIONS} partitions"), "the first sink alone")
        second.start()
        until(lambda: second.said("reading"), "a rebalance to the second")
        until(lambda: any(first.said(f"reading {n} partitions") for n in range(1, PARTITIONS)), "a rebalance of the first")
        successor = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_INSTANCE="first")
        successor.start()
        assert first.process is not None
        first.process.wait(PATIENCE_S)
        assert first.said("another process runs the archive as instance 'first'")
    drain.wait()
    assert (successor.stop(), second.stop()) == (0, 0)
    client = connect(embedded.url, embedded.user, embedded.password, database)
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_waits_for_clickhouse_and_says_what_to_do(
    market: Market,
    own_server: Any,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    own_server.stop()
    sink = a_sink(own_server)
    sink.start()
    until(lambda: sink.said("health: ClickHouse does not answer"), "the sink's word that ClickHouse is away")
    assert sink.said("stock-tracker archive serve")
    market.write(frames=20)
    own_server.start()
    drain.wait()
    market.write(frames=20)
    drain.wait()
    client = connect(own_server.url, "sink", own_server.password, "market")
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_stops_at_what_it_must_not_put_aside_and_goes_on_there_once_it_may(
    market: Market,
    kafka: str,
    topics: str,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    market.write(frames=5)
    market.send(t.MARKET_TRADES, BAD, JUNK)
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    client = connect(embedded.url, embedded.user, embedded.password, database)

    def put_aside() -> int:
        return int(str(client.command("SELECT count() FROM dlq WHERE topic = 'market.trades'")))

    assert sink.command() == HALTED
    assert sink.said("the archive could not use")
    # A few may be put aside, beside as many good ones.
    few = put_aside()
    assert few < FEW
    assert intents(kafka, topics, t.MARKET_TRADES) == []

    # A release that lets them be put aside declares them, and dies: this one does not go on with that.
    lets_them = {"DEAD_LETTER_LIMIT_PERCENT": "100"}
    dying = a_sink(embedded, ARCHIVE_DATABASE=database, ARCHIVE_BATCH_ROWS="50000", **lets_them)
    declared: list[int] = []
    while max(declared, default=0) < JUNK:
        # Kafka may hand out the good ones first: they are declared, and stored at the next start, without the others.
        dying.start("declared", "1")
        dying.wait_for_death()
        declared = intents(kafka, topics, t.MARKET_TRADES)
        assert declared
    assert sink.command() == HALTED
    assert put_aside() == few
    assert intents(kafka, topics, t.MARKET_TRADES) == declared

    # An operator has looked at them, and lets them be put aside.
    going_on = a_sink(embedded, ARCHIVE_DATABASE=database, **lets_them)
    going_on.start()
    drain.wait()
    assert going_on.stop() == 0
    assert put_aside() == JUNK
    assert_archive_equals_topics(client, market)
    client.close()


def test_a_sink_makes_no_dead_letter_of_what_a_newer_release_wrote(
    market: Market, kafka: str, topics: str, embedded: Any, database: str, a_sink: Callable[..., SinkProcess], drain: Drain
) -> None:
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 1)])), 3)
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 2)], schema_=3)))
    assert sink.command() == HALTED
    assert sink.said("a newer release writes market.foreign (version 3, this one reads up to 2): upgrade this process first")
    client = connect(embedded.url, embedded.user, embedded.password, database)
    # What came before it is in the archive; a later release goes on right behind that.
    assert client.command("SELECT count() FROM foreign_ledger") == 3
    assert client.command("SELECT count() FROM dlq") == 0
    client.close()
    assert intents(kafka, topics, t.MARKET_FOREIGN) == []
    assert not drain.is_over()


def test_without_topics_the_sink_names_the_remedy(kafka: str, embedded: Any, a_sink: Callable[..., SinkProcess]) -> None:
    sink = a_sink(embedded, TOPIC_PREFIX="no.such.")
    sink.start()
    assert sink.process is not None
    assert sink.process.wait(PATIENCE_S) == 1
    assert sink.said("stock-tracker topics apply")


def test_what_kafka_deleted_before_it_was_read_is_told(
    market: Market,
    kafka: str,
    topics: str,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    foreign = t.MARKET_FOREIGN.named(topics)
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    sink.start()
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 1)])), 4)
    drain.wait()
    assert sink.stop() == 0
    shard = next(iter(market.log(t.MARKET_FOREIGN)))[0]

    # Four messages and the mark of a transaction; of five more the first three are gone when the sink is back.
    market.send(t.MARKET_FOREIGN, t.encode(LedgerFrame(events=[an_entry("VNM", 2)])), 5)
    # A client that is let go answers nobody.
    admin = AdminClient({"bootstrap.servers": kafka})
    (gone,) = admin.delete_records([TopicPartition(foreign, shard, 8)]).values()
    gone.result(PATIENCE_S)
    sink.start()
    drain.wait()
    assert sink.said(f"{foreign}[{shard}]: Kafka deleted 3 offsets before they were archived")
    assert sink.stop() == 0
    client = connect(embedded.url, embedded.user, embedded.password, database)
    assert [offset for _, offset, _ in places(client, "foreign_ledger")] == [0, 1, 2, 3, 8, 9]
    client.close()


def test_what_is_stored_in_another_database_is_not_taken_for_stored_in_this_one(
    market: Market,
    embedded: Any,
    database: str,
    a_sink: Callable[..., SinkProcess],
    drain: Drain,
) -> None:
    market.write(frames=20)
    sink = a_sink(embedded, ARCHIVE_DATABASE=database)
    sink.start()
    drain.wait()
    assert sink.stop() == 0
    moved = f"{database}_moved"
    client = connect(embedded.url, embedded.user, embedded.password, moved)
    try:
        assert sink.command(ARCHIVE_DATABASE=moved) == HALTED
        assert sink.said(f"database {moved} is not the one that the archive's commits in Kafka speak of")
        assert client.command("SELECT count() FROM trades") == 0
        environ = sink.environ | {"ARCHIVE_DATABASE": moved}
        backfill = [sys.executable, "-m", "stock_tracker", "archive", "backfill"]
        done = subprocess.run(backfill, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert client.query("SELECT count() > 100 FROM trades").first_item
        assert f"{t.MARKET_TRADES.named(market.prefix)}: 0 rows were lacking" not in done.stdout
        # From here on the sink goes on with this one.
        market.write(frames=5)
        going_on = a_sink(embedded, ARCHIVE_DATABASE=moved)
        going_on.start()
        drain.wait()
        assert going_on.stop() == 0
        assert_archive_equals_topics(client, market)
    finally:
        client.command(f"DROP DATABASE IF EXISTS {moved}", use_database=False)
        client.close()
