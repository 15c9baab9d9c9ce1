"""``stock-tracker verify`` on a drained stack: it finds a single print, ledger entry or row that is missing, and names it."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from confluent_kafka import Producer

from connectors.clickhouse.client import connect
from connectors.clickhouse.settings import SinkSettings
from schemas.shards import shard_keys
from schemas.topics import (
    MARKET_FOREIGN,
    MARKET_TRADES,
    PARTIAL_FLOW,
    STATE_FOREIGN,
    STATE_INDICES,
    STATE_PRICES,
    STATE_TOPICS,
    TOPICS,
    Topic,
    encode,
)
from stock_tracker.kafka import topics
from stock_tracker.stack.plan import Options, Stack, plan
from stock_tracker.stack.up import played_and_drained, running
from stock_tracker.verify.topics import read_topic
from tests.builders import changed

VERIFIED_STATES = (STATE_PRICES, STATE_FOREIGN, STATE_INDICES)

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.clickhouse,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),
]


@dataclass
class Drained:
    """A stack whose morning is over and worked through."""

    stack: Stack

    async def verify(self, **environ: str) -> tuple[int, dict[str, Any]]:
        known = {**os.environ, **self.stack.environment, "STOCK_TRACKER_HOME": str(self.stack.home.root.parent)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "stock_tracker", "verify", "--json"),
            env=known | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, said = await process.communicate()
        assert out, said.decode()
        assert process.returncode is not None
        return process.returncode, json.loads(out)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def drained(tmp_path_factory: pytest.TempPathFactory, kafka: str) -> AsyncIterator[Drained]:
    # The session's broker: so this also is a stack on somebody else's Kafka, under a prefix of its own.
    home = tmp_path_factory.mktemp("verify")
    environ = {**os.environ, "KAFKA_BOOTSTRAP": kafka, "STOCK_TRACKER_HOME": str(home)}
    stack = plan(Options(speed=120, seed=7, seconds=20, free_ports=True), environ, run_id=home.name)
    async with running(stack, print) as up:
        assert up.simulator is not None
        await played_and_drained(up, up.simulator, 20)
        yield Drained(stack)


def copy_without(stack: Stack, prefix: str, places: dict[Topic[Any], int]) -> dict[Topic[Any], Any]:
    """Copy every topic under another prefix without the n-th event of some of them; return what was left out."""
    topics.apply(stack.kafka, prefix, 3, 1)
    producer = Producer({**stack.kafka, "linger.ms": 5})
    keys, left_out = shard_keys(3), {}
    for topic in TOPICS:
        if topic is PARTIAL_FLOW or (topic in STATE_TOPICS and topic not in VERIFIED_STATES):
            continue
        seen = 0
        for stored in read_topic(stack.kafka, topic.named(stack.prefix)):
            value = stored.value
            if topic in places:
                frame = topic.decode(value)
                kept = []
                for event in frame.events:
                    seen += 1
                    if seen == places[topic]:
                        left_out[topic] = event
                    else:
                        kept.append(event)
                value = encode(msgspec.structs.replace(frame, events=kept))
            key = topic.decode(value).symbol if topic in VERIFIED_STATES else keys[stored.partition]
            producer.produce(topic.named(prefix), value, key, partition=stored.partition)
            producer.poll(0)
    assert producer.flush(30) == 0
    return left_out


async def test_a_drained_stack_reconciles(drained: Drained) -> None:
    code, result = await drained.verify()
    assert (code, result["reconciled"], result["differences"]) == (0, True, [])
    assert result["prints"] > 100


async def test_a_dropped_print_a_dropped_ledger_entry_and_a_wrong_row_of_the_board_are_named(drained: Drained) -> None:
    prefix = f"{drained.stack.prefix}copy."
    gone = await asyncio.to_thread(copy_without, drained.stack, prefix, {MARKET_TRADES: 50, MARKET_FOREIGN: 20})
    code, result = await drained.verify(TOPIC_PREFIX=prefix)
    assert code == 1

    lost_print = gone[MARKET_TRADES]
    named = [d for d in result["differences"] if d["kind"] == "missing_print"]
    assert [d["symbol"] for d in named] == [lost_print.symbol]
    assert f"total {lost_print.total_volume}, volume {lost_print.last_volume}" in named[0]["detail"]
    assert named[0]["position"]["topic"] in ("ssi.ticks", "ssi.indices")

    lost_entry = gone[MARKET_FOREIGN]
    named = [d for d in result["differences"] if d["kind"] == "missing_entry"]
    assert [d["symbol"] for d in named] == [lost_entry.symbol]
    assert lost_entry.side.value in named[0]["detail"]
    assert not [d for d in result["differences"] if d["kind"].endswith("_state")]

    stored = [s for s in read_topic(drained.stack.kafka, STATE_PRICES.named(prefix)) if STATE_PRICES.decode(s.value).last][-1]
    row = STATE_PRICES.decode(stored.value)
    assert row.last is not None
    wrong = encode(changed(row, src=1 << 40, last=row.last + 50))
    producer = Producer(drained.stack.kafka)
    producer.produce(STATE_PRICES.named(prefix), wrong, row.symbol, partition=stored.partition)
    assert producer.flush(30) == 0
    _, result = await drained.verify(TOPIC_PREFIX=prefix)
    (named,) = [d for d in result["differences"] if d["kind"] == "wrong_state"]
    assert (named["symbol"], named["detail"]) == (row.symbol, f"last is {row.last + 50}, not {row.last}")
    assert named["position"]["topic"] == STATE_PRICES.name


async def test_a_dropped_row_is_named_with_its_place_in_kafka(drained: Drained) -> None:
    stack = drained.stack
    settings = SinkSettings.model_validate(
        {"kafka": stack.kafka, "CLICKHOUSE_URL": stack.clickhouse_url, "STOCK_TRACKER_HOME": str(stack.home.root)}
    )
    archive = connect(settings.clickhouse_url, settings.user, settings.read_password(), settings.database)
    try:
        place = "SELECT partition, offset, idx, symbol FROM trades WHERE kind = 'print' ORDER BY symbol, ts, offset, idx LIMIT 1"
        partition, offset, idx, symbol = archive.query(place).result_rows[0]
        archive.command(
            f"ALTER TABLE trades DELETE WHERE partition = {partition} AND offset = {offset} AND idx = {idx}",
            settings={"mutations_sync": 2},
        )
    finally:
        archive.close()
    code, result = await drained.verify()
    assert code == 1
    assert [(d["kind"], d["symbol"]) for d in result["differences"]] == [("missing_row", symbol)]
    assert result["differences"][0]["position"] == {
        "topic": "market.trades",
        "partition": partition,
        "offset": offset,
        "idx": idx,
    }
