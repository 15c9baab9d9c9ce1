"""A pipeline that must not go on stops before it commits, and begins at the same message when it is started again."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from pipelines.application import PipelineApplication, make_application
from pipelines.catalogue import named
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.dead_letters import Limit
from schemas.errors import HALTED, TooManyDeadLetters
from schemas.shards import shard_keys
from schemas.structs import TradeEvent
from schemas.topics import MARKET_TRADES, SSI_DLQ, SSI_TICKS, encode
from stock_tracker.verify.topics import read_topic
from tests.builders import a_frame, a_tick, a_trade
from tests.commits import Commits
from tests.patience import PATIENCE_S

pytestmark = pytest.mark.kafka

PRICES = named("prices")
JUNK = 300


class Ticks:
    """One shard of ``ssi.ticks``, and the pipeline that reads it."""

    def __init__(self, bootstrap: str, prefix: str, home: Path) -> None:
        self.config = {"bootstrap.servers": bootstrap}
        self.prefix = prefix
        self.home = home
        self.sent = 0
        self.commits = Commits(self.config, f"{prefix}{PRICES.group}", SSI_TICKS.named(prefix))
        self._producer = Producer({**self.config, "partitioner": "murmur2"})

    def send(self, *values: bytes) -> None:
        for value in values:
            self._producer.produce(SSI_TICKS.named(self.prefix), key=shard_keys(3)[0], value=value)
        assert self._producer.flush(PATIENCE_S) == 0
        self.sent += len(values)

    def delete_before(self, offset: int) -> None:
        """Let Kafka keep only what is at ``offset`` and after it."""
        place = TopicPartition(SSI_TICKS.named(self.prefix), 0, offset)
        # The client must be kept in a variable: the answers come only as long as it exists.
        admin = AdminClient(self.config)
        (deleted,) = admin.delete_records([place]).values()
        assert deleted.result().low_watermark == offset

    @property
    def committed(self) -> int:
        """How many messages the pipeline has committed."""
        return self.commits.count()

    def application(self, limit: Limit, *, skip_lost: bool = False) -> PipelineApplication:
        settings = PipelineSettings(
            kafka=self.config, topic_prefix=self.prefix, home=self.home, dead_letter_limit=limit, skip_lost=skip_lost
        )
        return make_application(PRICES, PRICES.make_folds(Parameters(settings)), settings)

    def fold_all(self, limit: Limit, *, skip_lost: bool = False) -> None:
        """Run the pipeline until it has committed everything that was sent."""
        application = self.application(limit, skip_lost=skip_lost)
        with ThreadPoolExecutor() as pool:
            running = pool.submit(application.run)
            while self.committed < self.sent and not running.done():
                time.sleep(0.05)
            while not running.done():
                # An application forgets a stop that came before its loop began.
                application.stop()
                time.sleep(0.05)
            running.result()

    def process(self) -> "subprocess.CompletedProcess[str]":
        """Run ``stock-tracker run prices`` to its end."""
        environ = {"KAFKA_BOOTSTRAP": self.config["bootstrap.servers"], "TOPIC_PREFIX": self.prefix}
        return subprocess.run(
            [sys.executable, "-m", "stock_tracker", "run", "prices"],
            env=os.environ | environ | {"STOCK_TRACKER_HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def ticks(kafka: str, topics: str, tmp_path: Path) -> Iterator[Ticks]:
    ticks = Ticks(kafka, topics, tmp_path)
    with ticks.commits:
        yield ticks


def tape(ticks: Ticks) -> list[TradeEvent]:
    frames = [MARKET_TRADES.decode(message.value) for message in read_topic(ticks.config, MARKET_TRADES.named(ticks.prefix))]
    return [event for frame in frames for event in frame.events]


def prints(ticks: Ticks) -> list[int]:
    """The totals of all prints on the tape, in its order."""
    return [event.total_volume for event in tape(ticks) if event.kind == "print"]


def dead_letters(ticks: Ticks) -> int:
    return sum(1 for _ in read_topic(ticks.config, SSI_DLQ.named(ticks.prefix)))


def test_a_pipeline_stops_at_what_it_must_not_put_aside_and_goes_on_there_once_it_may(ticks: Ticks) -> None:
    now, then = SSI_TICKS.version, SSI_TICKS.version + 1
    frame = encode(a_frame(a_tick(), a_trade(total=100)))
    of_the_next_release = frame.replace(b'"schema":%d' % now, b'"schema":%d' % then, 1)
    assert of_the_next_release != frame
    ticks.send(of_the_next_release)
    ended = ticks.process()
    assert ended.returncode == HALTED
    versions = f"version {then}, this one reads up to {now}"
    assert f"Error: a newer release writes ssi.ticks ({versions}): upgrade this process first" in ended.stderr
    assert ticks.committed == 0

    with pytest.MonkeyPatch.context() as upgraded:
        upgraded.setitem(vars(SSI_TICKS), "version", then)
        upgraded.setattr("schemas.topics.UPGRADES", {"ssi.ticks": {now: lambda message: message}})
        ticks.send(*(b"{junk" for _ in range(JUNK)))
        for _ in range(2):
            with pytest.raises(TooManyDeadLetters, match=r"has stopped before committing .* at .*ssi\.ticks\[0\]@"):
                ticks.application(Limit()).run()
            # The good one may be committed with one bad one, which is half of the two.
            assert ticks.committed <= 2
            assert dead_letters(ticks) == max(ticks.committed - 1, 0)
        # An operator has looked at them, and lets them be put aside.
        ticks.fold_all(Limit(percent=100))
    assert dead_letters(ticks) == JUNK
    assert prints(ticks) == [100]


def test_what_kafka_deleted_before_it_was_read_is_named_and_becomes_a_gap_when_an_operator_goes_on(ticks: Ticks) -> None:
    totals = [100, 200, 300, 400, 500]
    frames = [encode(a_frame(a_trade(total=total), seq=number)) for number, total in enumerate(totals)]
    ticks.send(*frames[:2])
    ticks.fold_all(Limit())
    ticks.send(*frames[2:])
    ticks.delete_before(4)
    for _ in range(2):
        ended = ticks.process()
        assert ended.returncode == HALTED, ended.stderr
        topic = re.escape(SSI_TICKS.named(ticks.prefix))
        said = re.search(
            rf"{topic}\[0\], the symbols of shard 0 of 3: offsets 2 to 3\. "
            r"Its state was last written at (\S+); what is kept begins at (\S+)\n",
            ended.stderr,
        )
        assert said is not None, ended.stderr
        state, kept = map(datetime.fromisoformat, said.groups())
        assert state <= kept
        assert "stock-tracker replay FILE" in ended.stderr
        assert "PIPELINE_SKIP_LOST=1" in ended.stderr
        assert "not foreseen" not in ended.stderr
        assert (ticks.committed, prints(ticks)) == (2, [100, 200])

    ticks.fold_all(Limit(), skip_lost=True)
    assert prints(ticks) == [100, 200, 500]
    assert [(event.start, event.volume) for event in tape(ticks) if event.kind == "gap"] == [(200, 200)]
