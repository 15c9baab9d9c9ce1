"""The indices and alerts pipelines on a real broker, one behind the other: what their folds say, once, through kills."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from pipelines.core.alert_shard import fold_basis, fold_foreign, fold_trades
from pipelines.core.frames import Folded, Shard
from pipelines.core.index_shard import fold_frame
from pipelines.core.rules import load_rules
from schemas.calendar import at
from schemas.instruments import future_symbol, routing_key
from schemas.position import Position
from schemas.shards import shard_keys, shard_of
from schemas.structs import AlertEvent, IndexRecord, LedgerFrame, ShardProgress, TradeRecord
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_FOREIGN,
    MARKET_INDICES,
    MARKET_QUOTES,
    MARKET_TRADES,
    SSI_DLQ,
    SSI_INDICES,
    STATE_BASIS,
    STATE_INDICES,
    STATE_PROGRESS,
    Topic,
    encode,
)
from schemas.units import Exchange, Side, Symbol, UnixMs
from stock_tracker.verify.topics import read_topic
from tests import builders
from tests.builders import DAY, INDEX, a_frame, a_ledger_entry, a_tick, offers
from tests.patience import PATIENCE_S, until
from tests.proof import usually

pytestmark = pytest.mark.kafka

OPEN_MS = at(DAY, 9, 15)
SHARDS = 3
KEYS = shard_keys(SHARDS)
CEILING = 214_000
UNDERLYINGS = (Symbol("VN30"), Symbol("VN100"), Symbol("VNINDEX"))
CONTRACTS = tuple(future_symbol(underlying, month) for underlying in ("VN30", "VN100") for month in (202612, 202701))

RULES = """
[[rule]]
name = "limit"
kind = "price_limit"
severity = "critical"
limits = ["ceiling", "floor"]
release_pct = 0.5

[[rule]]
name = "large"
kind = "large_print"
severity = "info"
min_value_vnd = 1_500_000_000
cooldown_s = 20

[[rule]]
name = "flip"
kind = "basis_flip"
severity = "warning"
contracts = "all"
min_points = 1.0
cooldown_s = 10

[[rule]]
name = "doubt"
kind = "ambiguous_correction"
severity = "critical"
"""

Log = dict[int, list[bytes]]
"""Values by partition."""


def a_morning(seconds: int) -> list[tuple[int, bytes]]:
    """A seeded one, a frame a second: futures around their index and up to the ceiling, the index every five seconds."""
    draw = random.Random(11)
    totals = dict.fromkeys(CONTRACTS, 0)
    frames: list[tuple[int, bytes]] = []
    for second in range(seconds):
        ts_ms = UnixMs(OPEN_MS + second * 1000)
        for shard in range(SHARDS):
            records: list[Any] = [a_tick(ts_ms)]
            # It falls silent for twenty seconds, long enough to make a basis stale.
            heard = second % 5 == 0 and not 60 <= second < 80
            records += [
                an_index(underlying, ts_ms, 200_000 + draw.randint(-300, 300), second)
                for underlying in UNDERLYINGS
                if heard and shard_of(underlying, SHARDS) == shard
            ]
            for symbol in CONTRACTS:
                if shard_of(routing_key(symbol), SHARDS) == shard:
                    volume = draw.randint(1, 9)
                    totals[symbol] += volume
                    price = CEILING if second % 40 in (20, 21, 22) else 200_000 + draw.randint(-40, 40) * 10
                    records.append(a_trade(symbol, ts_ms, price, volume, totals[symbol]))
            frames.append((shard, encode(a_frame(*records, seq=second))))
    return frames


def an_index(symbol: Symbol, ts_ms: UnixMs, value: int, volume: int) -> IndexRecord:
    return builders.an_index(
        symbol, ts_ms, value=value, volume=volume, advances=1, no_changes=2, declines=3, ceilings=4, floors=5
    )


def a_trade(symbol: Symbol, ts_ms: UnixMs, price: int, volume: int, total: int) -> TradeRecord:
    return builders.a_trade(
        symbol, ts_ms, exchange=Exchange.DER, price=price, volume=volume, total=total, reference=INDEX, high=CEILING, low=199_000,
        side=Side.BUY, status="Normal",
    )  # fmt: skip


def a_doubt(number: int) -> bytes:
    """A ledger frame with an ambiguous correction; nobody but the test writes this topic here."""
    at_ms = OPEN_MS + number * 1000
    entry = a_ledger_entry(ts=at_ms, kind="correction", since=OPEN_MS, counter_from=1_000, volume=-300, ambiguous=True)
    return encode(LedgerFrame(events=[entry]))


class Market:
    """The test's topics on the broker, and the two pipelines over them."""

    def __init__(self, bootstrap: str, prefix: str, home: Path) -> None:
        self.prefix = prefix
        self.config = {"bootstrap.servers": bootstrap}
        rules = home / "rules.toml"
        rules.write_text(RULES)
        self.environ = {
            **os.environ, "KAFKA_BOOTSTRAP": bootstrap, "TOPIC_PREFIX": prefix, "STOCK_TRACKER_HOME": str(home),
            "PIPELINE_ALERT_RULES": str(rules),
        }  # fmt: skip
        self.producer = Producer({**self.config, "partitioner": "murmur2"})

    def send(self, topic: Topic[Any], frames: list[tuple[int, bytes]]) -> None:
        for shard, value in frames:
            self.producer.produce(topic.named(self.prefix), key=KEYS[shard], value=value)
        assert self.producer.flush(PATIENCE_S) == 0

    def read(self, topic: Topic[Any]) -> Log:
        """All that is committed on ``topic``, by partition."""
        log: Log = {}
        for message in read_topic(self.config, topic.named(self.prefix)):
            log.setdefault(message.partition, []).append(message.value)
        return log

    def progress(self) -> list[ShardProgress]:
        """What the pipelines say of how far they have come."""
        return [STATE_PROGRESS.decode(value) for values in self.read(STATE_PROGRESS).values() for value in values]

    def alerts(self) -> int:
        """How many alerts are committed."""
        return sum(map(len, alerts_of(self.read(MARKET_ALERTS)).values()))

    @contextmanager
    def pipelines(self) -> Iterator[None]:
        """Both, in one process as an operator would run them; killed at the end of the block."""
        code = (
            "import os; from pipelines.service import run; from pipelines.settings import PipelineSettings; "
            "from schemas.deployment import kafka_config; "
            "run(['indices', 'alerts'], PipelineSettings(kafka=kafka_config(os.environ)), lambda why: None)"
        )
        process = subprocess.Popen([sys.executable, "-c", code], env=self.environ)
        try:
            yield
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def market(kafka: str, topics: str, tmp_path: Path) -> Market:
    return Market(kafka, topics, tmp_path)


def fold_purely(frames: list[tuple[int, bytes]], fold: Callable[..., Folded], source: Topic[Any]) -> dict[str, Log]:
    """What a fold says of the frames of a topic, by topic, over a dictionary for each shard."""
    logs: dict[str, Log] = {}
    states: list[dict[bytes, bytes]] = [{} for _ in range(SHARDS)]
    offsets = [0] * SHARDS
    for shard, value in frames:
        position, place = Position(source.name, shard, offsets[shard]), Shard("test", shard, SHARDS, KEYS[shard])
        offsets[shard] += 1
        for output in fold(source.decode(value), position, place, states[shard]).outputs:
            logs.setdefault(output.topic.name, {}).setdefault(shard, []).append(output.value)
    return logs


def in_order(log: Log) -> list[tuple[int, bytes]]:
    return [(shard, value) for shard, values in log.items() for value in values]


def alerts_of(log: Log) -> dict[int, list[AlertEvent]]:
    return {shard: [alert for value in values for alert in MARKET_ALERTS.decode(value).events] for shard, values in log.items()}


def by_rule(alerts: dict[int, list[AlertEvent]]) -> dict[tuple[int, str], list[AlertEvent]]:
    """The alerts of each shard and rule in order; between two topics there is none."""
    ordered: dict[tuple[int, str], list[AlertEvent]] = {}
    for shard, own in sorted(alerts.items()):
        for alert in own:
            ordered.setdefault((shard, alert.rule), []).append(alert)
    return ordered


def test_indices_basis_and_alerts_are_what_the_folds_say_through_kills(market: Market) -> None:
    kills, began_ms = usually(2, proving=20), time.time_ns() // 1_000_000
    frames = a_morning(80 * kills)
    doubts = [(shard_of("VNM", SHARDS), a_doubt(number)) for number in range(3)]
    says = fold_purely(frames, partial(fold_frame, offers=offers(SSI_INDICES)), SSI_INDICES)
    prints, bases = in_order(says[MARKET_TRADES.name]), in_order(says[MARKET_BASIS.name])
    rules = load_rules(RULES)
    expected: dict[int, list[AlertEvent]] = {}
    for source, sent, fold in (
        (MARKET_TRADES, prints, partial(fold_trades, offers=offers(MARKET_TRADES, rules=rules.trades))),
        (MARKET_BASIS, bases, partial(fold_basis, offers=offers(MARKET_BASIS, rules=rules.basis))),
        (MARKET_FOREIGN, doubts, partial(fold_foreign, offers=offers(MARKET_FOREIGN, rules=rules.foreign))),
    ):
        for shard, own in alerts_of(fold_purely(sent, fold, source).get(MARKET_ALERTS.name, {})).items():
            expected.setdefault(shard, []).extend(own)
    count = sum(map(len, expected.values()))
    assert {alert.rule for own in expected.values() for alert in own} == {"limit", "large", "flip", "doubt"}
    assert {event.stale for _, value in bases for event in MARKET_BASIS.decode(value).events} == {
        True,
        False,
    }

    market.send(MARKET_FOREIGN, doubts)

    def more_than(already: int) -> Callable[[], bool]:
        return lambda: market.alerts() > already

    for kill in range(kills):
        part = frames[len(frames) * kill // kills : len(frames) * (kill + 1) // kills]
        more = more_than(market.alerts())
        market.send(SSI_INDICES, part)
        with market.pipelines():
            # Killed when some of it has come through, in the middle of whatever comes next.
            until(more, "more alerts")
    with market.pipelines():
        until(lambda: market.alerts() >= count, "all alerts")
        second = {MARKET_TRADES.name, MARKET_BASIS.name}
        until(lambda: second <= {row.topic for row in market.progress()}, "how far the alerts have come")

    for topic in (MARKET_INDICES, MARKET_BASIS, MARKET_TRADES):
        assert market.read(topic) == says[topic.name]
    assert market.read(MARKET_QUOTES) == market.read(SSI_DLQ) == {}
    alerts = alerts_of(market.read(MARKET_ALERTS))
    assert by_rule(alerts) == by_rule(expected)
    ids = [alert.alert_id for own in alerts.values() for alert in own]
    assert len(set(ids)) == len(ids)
    for rows in (STATE_INDICES, STATE_BASIS):
        assert last_rows(market.read(rows), rows) == last_rows(says[rows.name], rows)
    # Both stages tell the time at which Kafka took what they folded.
    told_ms = [row.recv_us // 1_000 for row in market.progress() if row.topic != SSI_INDICES.name]
    brought_ms = [ms for row in market.progress() if row.topic == SSI_INDICES.name for ms in row.brought_ms.values()]
    assert told_ms
    assert brought_ms
    assert all(began_ms <= ms <= time.time_ns() // 1_000_000 for ms in told_ms + brought_ms)


def last_rows(log: Log, topic: Topic[Any]) -> dict[str, Any]:
    return {row.symbol: row for values in log.values() for value in values for row in [topic.decode(value)]}
