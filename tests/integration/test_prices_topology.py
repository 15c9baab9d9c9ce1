"""The prices pipeline on a real broker: exact through kills, quick to stop, and picky about its topics."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from pipelines.application import make_application
from pipelines.catalogue import named
from pipelines.core.frames import MAX_PAYLOAD, Shard
from pipelines.core.price_shard import fold_frame
from pipelines.errors import UnevenTopics
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import at
from schemas.errors import TopicsMissing
from schemas.position import Position
from schemas.shards import shard_keys, shard_of
from schemas.structs import PriceRow
from schemas.topics import (
    MARKET_CANDLES,
    MARKET_DAILY,
    MARKET_QUOTES,
    MARKET_TRADES,
    PIPELINES_TERMS,
    SSI_DLQ,
    SSI_TICKS,
    STATE_PRICES,
    Topic,
    encode,
)
from schemas.units import Symbol, UnixMs
from stock_tracker.instances import instance_names
from stock_tracker.verify.topics import read_topic
from tests.builders import DAY, a_frame, a_quote, a_tick, a_trade, offers
from tests.commits import Commits
from tests.patience import PATIENCE_S, until
from tests.proof import PROVING, usually

pytestmark = pytest.mark.kafka

SHARDS = 3
PRICES = named("prices")
KEYS = shard_keys(SHARDS)
SYMBOLS = [Symbol(name) for name in ("VNM", "FPT", "HPG", "SSI", "VIC", "ACB", "MBB", "TCB", "VRE", "CTG")]

Log = dict[int, list[bytes]]
"""Values by partition."""


def a_market(steps: int) -> list[tuple[int, bytes]]:
    """A seeded morning on two feeds, the second of which lags and drops: (shard, frame) in the order of production.

    A step is three seconds, so that sixty of them have minutes that are over.
    """
    draw = random.Random(7)
    totals = dict.fromkeys(SYMBOLS, 0)
    frames: list[tuple[int, bytes]] = []
    seqs: dict[tuple[str, int], int] = {}
    lagging: list[tuple[int, list[Any]]] = []

    def send(feed: str, shard: int, records: list[Any]) -> None:
        seq = seqs.get((feed, shard), 0)
        seqs[feed, shard] = seq + 1
        frames.append((shard, encode(a_frame(*records, feed=feed, seq=seq))))

    for step in range(steps):
        ts_ms = UnixMs(at(DAY, 9, 15) + step * 3_000)
        tick = a_tick(ts_ms)
        for shard in range(SHARDS):
            records: list[Any] = [tick]
            for symbol in SYMBOLS:
                if shard_of(symbol, SHARDS) != shard:
                    continue
                volume = draw.randint(1, 9) * 100
                totals[symbol] += volume
                price = 60_000 + draw.randint(-5, 5) * 100
                records += [
                    a_quote(symbol, ts_ms, bids=[price - 100, 500], asks=[price, 700]),
                    a_trade(symbol, ts_ms, price=price, volume=volume, total=totals[symbol]),
                ]
            send("a", shard, [record for record in records if record is tick or draw.random() > 0.1])
            lagging.append((shard, [tick, *(record for record in records[1:] if draw.random() > 0.5)]))
            if len(lagging) > 7:
                send("b", *lagging.pop(0))
    return frames


def expected(frames: list[tuple[int, bytes]], prefix: str) -> dict[str, Log]:
    """What the pure fold says, over a dict for each shard."""
    logs: dict[str, Log] = {}
    states: list[dict[bytes, bytes]] = [{} for _ in range(SHARDS)]
    offsets = [0] * SHARDS
    for shard, value in frames:
        position = Position(SSI_TICKS.named(prefix), shard, offsets[shard])
        offsets[shard] += 1
        for output in fold_frame(
            SSI_TICKS.decode(value), position, Shard.of("prices", shard, SHARDS), states[shard], offers=offers(SSI_TICKS)
        ).outputs:
            logs.setdefault(output.topic.name, {}).setdefault(shard, []).append(output.value)
    return logs


SERVICE = """
import os
from pipelines.service import run
from pipelines.settings import PipelineSettings
from schemas.deployment import kafka_config

run(["prices"], PipelineSettings(kafka=kafka_config(os.environ)), lambda why: print("health", why, flush=True))
"""
IN_RECOVERY = """
import os, pathlib, signal
from quixstreams.state.recovery import RecoveryPartition

then, taken = os.environ.get("TEST_IN_RECOVERY"), []
take, is_over = RecoveryPartition.recover_from_changelog_message, RecoveryPartition.finished_recovery_check.fget

def recover(self, changelog_message):
    take(self, changelog_message)
    taken.append(changelog_message)
    if then == "die" and len(taken) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if then not in (None, "die"):
        pathlib.Path(then, "recovering").touch()

RecoveryPartition.recover_from_changelog_message = recover
may_end = lambda: then in (None, "die") or pathlib.Path(then, "end").exists()
RecoveryPartition.finished_recovery_check = property(lambda self: is_over(self) and may_end())
"""
"""What a process does besides while it recovers its state. ``TEST_IN_RECOVERY`` is ``die``, after five values, or the folder
where it says that it recovers, and goes on with it until it is told to end."""


class Changelog:
    """What Kafka has of the state of the shards, as a topic of the test's."""

    def __init__(self, config: dict[str, str], admin: AdminClient, prefix: str) -> None:
        self.name = f"changelog__{prefix}{PRICES.group}--{SSI_TICKS.named(prefix)}--default"
        self._config = config
        self._admin = admin

    def make(self) -> None:
        """Make it, before the pipeline does."""
        topic = NewTopic(self.name, SHARDS, 1, config={"cleanup.policy": "compact"})
        self._admin.create_topics([topic], operation_timeout=PATIENCE_S)[self.name].result()

    def abort(self, before_the_end: Callable[[], None] = lambda: None) -> None:
        """Write values to each shard in a transaction that is then aborted: all that is left of it is its marker."""
        producer = Producer({**self._config, "transactional.id": f"{self.name}-stray"})
        producer.init_transactions(PATIENCE_S)
        producer.begin_transaction()
        for shard in range(SHARDS):
            producer.produce(self.name, key=b"stray", value=b"never committed", partition=shard)
        assert producer.flush(PATIENCE_S) == 0
        before_the_end()
        producer.abort_transaction(PATIENCE_S)

    def compact(self) -> None:
        """Let Kafka compact all that is there, and leave nothing but markers behind the last value of each shard."""
        config = {"segment.ms": "200", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "0", "min.compaction.lag.ms": "0"}
        entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]
        resource = ConfigResource(ResourceType.TOPIC, self.name, incremental_configs=entries)
        self._admin.incremental_alter_configs([resource])[resource].result()
        for _ in range(3):
            # The part of the log that is written to is never compacted. What comes after 0.2 seconds begins another part: the
            # marker stands alone in it.
            self.abort(before_the_end=partial(time.sleep, 0.4))

        def is_compacted() -> bool:
            return all(self.tail(shard, aborted=True) == self.tail(shard) for shard in range(SHARDS))

        until(is_compacted, "a compacted changelog")

    def tail(self, shard: int, *, aborted: bool = False) -> tuple[int, int]:
        """Where the last value of a shard is, -1 if it has none, and where the next message will be.

        What stands between the two are markers of transactions; where ``aborted`` values do not count as values, they too.
        """
        isolation = "read_uncommitted" if aborted else "read_committed"
        settings = {"group.id": self.name, "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer({**self._config, **settings, "isolation.level": isolation})
        try:
            place, last = TopicPartition(self.name, shard), -1
            _, end = consumer.get_watermark_offsets(place, PATIENCE_S)
            consumer.assign([TopicPartition(self.name, shard, 0)])
            while (message := consumer.poll(PATIENCE_S)) is not None and message.error() is None:
                last = message.offset()
            assert message is not None
            assert message.error().code() == KafkaError._PARTITION_EOF
            return last, end
        finally:
            consumer.close()


class Market:
    """The test's topics on the broker."""

    def __init__(self, bootstrap: str, prefix: str, home: Path) -> None:
        self.prefix = prefix
        self.config = {"bootstrap.servers": bootstrap}
        self.settings = PipelineSettings(kafka=self.config, topic_prefix=prefix, home=home)
        self.environ = {**os.environ, "KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": prefix, "STOCK_TRACKER_HOME": str(home)}
        self.commits = Commits(self.config, f"{prefix}{PRICES.group}", SSI_TICKS.named(prefix))
        self.producer = Producer({**self.config, "partitioner": "murmur2"})
        self.sent = [0] * SHARDS
        self.admin = AdminClient(self.config)
        self.changelog = Changelog(self.config, self.admin, prefix)

    def send(self, frames: Sequence[tuple[int, bytes | None]]) -> None:
        for shard, value in frames:
            self.producer.produce(SSI_TICKS.named(self.prefix), key=KEYS[shard], value=value)
            self.sent[shard] += 1
        assert self.producer.flush(PATIENCE_S) == 0

    def committed(self) -> int:
        """How many frames the pipeline has committed."""
        return self.commits.count()

    def read(self, topic: Topic[Any]) -> Log:
        """All that is committed on ``topic``, by partition."""
        log: Log = {}
        for message in read_topic(self.config, topic.named(self.prefix)):
            log.setdefault(message.partition, []).append(message.value)
        return log

    def shown(self) -> dict[str, PriceRow]:
        """The row of each symbol on which a viewer ends who does not wait for commits: of the greatest source, the last."""
        kept: dict[str, PriceRow] = {}
        for message in read_topic(self.config, STATE_PRICES.named(self.prefix), committed=False):
            row = STATE_PRICES.decode(message.value)
            known = kept.get(row.symbol)
            if known is None or (row.day, row.src) >= (known.day, known.src):
                kept[row.symbol] = row
        return kept

    def rows_written(self) -> int:
        """How many rows are on their topic, committed or not, markers of transactions too."""
        places = {TopicPartition(STATE_PRICES.named(self.prefix), shard): OffsetSpec.latest() for shard in range(SHARDS)}
        return sum(found.result().offset for found in self.admin.list_offsets(places).values())

    @contextmanager
    def pipeline(self, **changes: Any) -> Iterator["subprocess.Popen[str]"]:
        """The real service, in a process of its own, with ``changes`` of its environment."""
        process = subprocess.Popen(
            [sys.executable, "-c", IN_RECOVERY + SERVICE],
            env=self.environ | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def market(kafka: str, topics: str, tmp_path: Path) -> Iterator[Market]:
    market = Market(kafka, topics, tmp_path)
    with market.commits:
        yield market


def test_frames_become_exactly_the_folds_messages_and_rows_and_a_stop_is_quick(market: Market) -> None:
    frames = a_market(60)
    says = expected(frames, market.prefix)
    with market.pipeline() as process:
        market.send(frames)
        market.send([(0, b"{not json"), (0, None), (0, b"\xff" * 900_000)])
        market.producer.produce(SSI_TICKS.named(market.prefix), key=b"VNM", value=frames[0][1], partition=0)
        assert market.producer.flush(PATIENCE_S) == 0
        market.sent[0] += 1
        until(lambda: market.committed() == sum(market.sent), "all frames folded")
        assert process.stdout is not None
        while (line := process.stdout.readline()) != "health \n":
            assert "waiting for partitions" in line
        process.send_signal(signal.SIGTERM)
        # The service itself ends with an error when a stop takes it longer than nine seconds.
        assert process.wait(PATIENCE_S) == 0

    for topic in (MARKET_TRADES, MARKET_QUOTES, MARKET_CANDLES):
        assert market.read(topic) == says.get(topic.name, {})
    assert says[MARKET_TRADES.name].keys() == says[MARKET_CANDLES.name].keys() == {0, 1, 2}
    assert market.read(MARKET_DAILY) == says.get(MARKET_DAILY.name, {})
    assert last_rows(market.read(STATE_PRICES)) == last_rows(says[STATE_PRICES.name])
    (letters,) = market.read(SSI_DLQ).values()
    found = [SSI_DLQ.decode(letter) for letter in letters]
    assert [letter.reason for letter in found] == ["unreadable", "unreadable", "unreadable", "wrong_key"]
    assert {(letter.source, letter.topic, letter.partition) for letter in found} == {
        ("prices", SSI_TICKS.named(market.prefix), 0)
    }
    assert [letter.offset for letter in found] == list(range(market.sent[0] - 4, market.sent[0]))
    assert [letter.payload for letter in found[:2]] == ["{not json", ""]
    assert found[2].payload == "\\xff" * MAX_PAYLOAD


def test_a_pipeline_that_is_killed_again_and_again_says_the_same_bytes(market: Market) -> None:
    kills = usually(1, proving=20)
    frames = a_market(40 * kills)
    for step in range(1, kills + 1):
        part = frames[len(frames) * (step - 1) // kills : len(frames) * step // kills]
        already = sum(market.sent)
        with market.pipeline() as process:
            # Killed in the middle: some of it is committed, some folded, some not yet read.
            for n in range(0, len(part), 10):
                market.send(part[n : n + 10])
                if n > len(part) // 2 and market.committed() > already:
                    process.kill()
            until(lambda: process.poll() is not None or market.committed() > already, "something committed")  # noqa: B023
            process.kill()
    with market.pipeline():
        until(lambda: market.committed() == len(frames), "all frames folded after the kills")
    assert_all_is_told(market, frames)
    # Every shard has said once what it folds with, through all the starts.
    adopted = [PIPELINES_TERMS.decode(value) for value in market.read(PIPELINES_TERMS)[0]]
    assert sorted((each.partition, each.offset, each.reason) for each in adopted) == [(n, 0, "first") for n in range(SHARDS)]


@contextmanager
def instances(market: Market, count: int) -> Iterator["subprocess.Popen[str]"]:
    """``stock-tracker run prices --instances``, stopped at the end: with exit code 0, and without leaving anything behind."""
    command = [sys.executable, "-m", "stock_tracker", "run", "prices", "--instances", str(count)]
    running = subprocess.Popen(command, env=market.environ, stderr=subprocess.PIPE, text=True)
    try:
        yield running
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    finally:
        running.terminate()
        _, said = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, said
    assert len(children) == count - 1
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def are_sharing(market: Market, running: "subprocess.Popen[str]", count: int) -> bool:
    """Whether that many instances, and no others, have the shards; also when they have ended."""
    group = f"{market.prefix}{PRICES.group}"
    described = market.admin.describe_consumer_groups([group])[group].result(PATIENCE_S)
    members = [str(m.group_instance_id) for m in described.members if m.assignment.topic_partitions]
    # After the instance there is what it reads.
    names = {member.rpartition(".")[0].rpartition("-")[2] for member in members}
    return running.poll() is not None or (names <= {*instance_names("0", count)} and len(names) == min(count, SHARDS))


def are_shared(market: Market, count: int) -> bool:
    """Whether each of the processes that a test has started has shards, as far as there are enough."""
    group = f"{market.prefix}{PRICES.group}"
    described = market.admin.describe_consumer_groups([group])[group].result(PATIENCE_S)
    return sum(bool(member.assignment.topic_partitions) for member in described.members) == min(count, SHARDS)


def is_folded(market: Market, running: "subprocess.Popen[str]") -> bool:
    return running.poll() is not None or market.committed() == sum(market.sent)


def test_instances_that_share_the_shards_say_the_same_bytes(market: Market, tmp_path: Path) -> None:
    counts = usually((2,), proving=(1, 2, 4, 1))
    frames = a_market(60 * len(counts))
    for step, count in enumerate(counts, 1):
        part = frames[sum(market.sent) : len(frames) * step // len(counts)]
        with instances(market, count) as running:
            # The first to join takes all shards; when others come, some of them move, in mid-stream.
            for n in range(0, len(part) // 2, 10):
                market.send(part[n : min(n + 10, len(part) // 2)])
            until(partial(are_sharing, market, running, count), "instances that share")
            market.send(part[len(part) // 2 :])
            until(partial(is_folded, market, running), "all of it folded")
        # What one of them kept is gone: it recovers that from Kafka.
        shutil.rmtree(tmp_path / "state" / "prices-0")
    assert_all_is_told(market, frames)


def assert_all_is_told(market: Market, frames: list[tuple[int, bytes]]) -> None:
    """What was published of ``frames`` is, byte for byte, what the pure fold says, also for who does not wait for commits."""
    says = expected(frames, market.prefix)
    for topic in (MARKET_TRADES, MARKET_QUOTES, MARKET_CANDLES):
        assert market.read(topic) == says.get(topic.name, {}), topic.name
    assert last_rows(market.read(STATE_PRICES)) == last_rows(says[STATE_PRICES.name])
    assert market.shown() == last_rows(says[STATE_PRICES.name])


def test_a_recovery_that_is_killed_and_one_that_others_join_lose_nothing(market: Market, tmp_path: Path) -> None:
    """From a changelog that begins and ends with markers of aborted transactions, without a state directory."""
    counts = usually((2,), proving=(2, 4, 2, 4))
    frames = a_market(20 * (len(counts) + 1))
    market.changelog.make()
    market.changelog.abort()
    for shard in range(SHARDS):
        last, end = market.changelog.tail(shard)
        assert last == -1 < end, "nothing was ever committed"
    with market.pipeline():
        market.send(frames[: len(frames) // (len(counts) + 1)])
        until(lambda: market.committed() == sum(market.sent), "the first part folded")
    for step, count in enumerate(counts, 2):
        shutil.rmtree(tmp_path / "state")
        market.changelog.abort()
        for shard in range(SHARDS):
            last, end = market.changelog.tail(shard)
            assert 0 <= last < end - 2, "the last value is followed by markers"
        if usually(False, proving=True):
            with market.pipeline(TEST_IN_RECOVERY="die") as dying:
                assert dying.wait(PATIENCE_S) == -signal.SIGKILL
            if step % 2:
                shutil.rmtree(tmp_path / "state")
        with ExitStack() as running:
            running.enter_context(market.pipeline(TEST_IN_RECOVERY=str(tmp_path)))
            until((tmp_path / "recovering").exists, "a recovery that has begun")
            for number in range(1, count):
                running.enter_context(market.pipeline(PIPELINE_INSTANCE=str(number)))
            # Those that come take shards from one that has not recovered them yet.
            until(lambda: are_shared(market, count), "instances that share")  # noqa: B023
            (tmp_path / "end").touch()
            market.send(frames[sum(market.sent) : len(frames) * step // (len(counts) + 1)])
            until(lambda: market.committed() == sum(market.sent), "all of it folded")
        (tmp_path / "recovering").unlink()
        (tmp_path / "end").unlink()
    assert_all_is_told(market, frames)


@pytest.mark.skipif(not PROVING, reason="Kafka compacts four times a minute: make prove-kills waits for it")
def test_state_comes_back_from_a_changelog_compacted_down_to_markers(market: Market, tmp_path: Path) -> None:
    frames = a_market(60)
    with market.pipeline():
        market.send(frames[: len(frames) // 2])
        until(lambda: market.committed() == sum(market.sent), "the first half folded")
    before = [market.changelog.tail(shard) for shard in range(SHARDS)]
    market.changelog.compact()
    for (last, end), shard in zip(before, range(SHARDS), strict=True):
        assert market.changelog.tail(shard)[0] == last, "the last value is still there"
        assert market.changelog.tail(shard)[1] >= end + 3
    for is_kept in (True, False):
        if not is_kept:
            shutil.rmtree(tmp_path / "state")
        with market.pipeline():
            market.send(frames[sum(market.sent) : len(frames) * (3 if is_kept else 4) // 4])
            until(lambda: market.committed() == sum(market.sent), "all of it folded")
        market.changelog.compact()
    assert_all_is_told(market, frames)


def test_an_instance_that_dies_ends_the_others_too(market: Market) -> None:
    command = [sys.executable, "-m", "stock_tracker", "run", "prices", "--instances", "2"]
    running = subprocess.Popen(command, env=market.environ, stderr=subprocess.PIPE, text=True)
    try:
        children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
        until(lambda: running.poll() is not None or children.read_text().split(), "another process")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        _, said = running.communicate(timeout=PATIENCE_S)
    finally:
        running.kill()
    assert running.returncode == 1
    assert "Error: instance 0.1 ended with exit code -9, and the others were stopped" in said


def test_a_process_that_was_stopped_finds_another_in_its_place_and_leaves_nothing_behind(market: Market, tmp_path: Path) -> None:
    frames = a_market(20)
    with market.pipeline() as first:
        market.send(frames[: len(frames) // 2])
        until(lambda: market.committed() == sum(market.sent), "the first half folded")
        rows = market.rows_written()
        market.send(frames[len(frames) // 2 : len(frames) * 3 // 4])
        until(lambda: market.rows_written() > rows, "rows that nobody has committed")
        first.send_signal(signal.SIGSTOP)
        with market.pipeline(STOCK_TRACKER_HOME=str(tmp_path / "another machine")):
            market.send(frames[len(frames) * 3 // 4 :])
            until(lambda: market.committed() == len(frames), "all frames folded")
            first.send_signal(signal.SIGCONT)
            _, said = first.communicate(timeout=PATIENCE_S)
    assert first.returncode == 1
    assert "another process runs prices as instance '0'" in said
    assert_all_is_told(market, frames)


def test_a_missing_topic_is_named_with_the_command_that_makes_it(kafka: str, tmp_path: Path) -> None:
    settings = PipelineSettings(kafka={"bootstrap.servers": kafka}, topic_prefix="nobody-made-these.", home=tmp_path)
    with pytest.raises(
        TopicsMissing, match=r"no topic nobody-made-these\.ssi\.ticks, .*: make them with `stock-tracker topics apply`"
    ):
        make_application(PRICES, PRICES.make_folds(Parameters(settings)), settings)


def test_topics_that_split_shards_differently_are_refused(kafka: str, topics: str, tmp_path: Path) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    name = MARKET_TRADES.named(topics)
    admin.create_partitions([NewPartitions(name, SHARDS + 1)])[name].result()
    until(lambda: len(admin.list_topics(name, timeout=PATIENCE_S).topics[name].partitions) == SHARDS + 1, "one more partition")
    settings = PipelineSettings(kafka={"bootstrap.servers": kafka}, topic_prefix=topics, home=tmp_path)
    with pytest.raises(UnevenTopics, match=r"market\.trades has 4"):
        make_application(PRICES, PRICES.make_folds(Parameters(settings)), settings)


def last_rows(log: Log) -> dict[str, PriceRow]:
    return {row.symbol: row for values in log.values() for value in values for row in [STATE_PRICES.decode(value)]}
