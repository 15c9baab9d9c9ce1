"""Three brokers with three copies of everything: a leader dies in the opening auction, and nothing is lost.

``make prove-cluster`` plays it, and prints how soon the gateway shows the market of the moment again.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from schemas import topics as t
from schemas.calendar import at, day_of
from stock_tracker.kafka import topics
from stock_tracker.stack import drain, readiness
from stock_tracker.stack.plan import Options, plan
from stock_tracker.stack.play import verified
from stock_tracker.stack.up import played_and_drained, running
from tests.kafka_cluster import Cluster, cluster
from tests.patience import PATIENCE_S, reached
from tests.proof import PROVING

pytestmark = [pytest.mark.kafka, pytest.mark.skipif(not PROVING, reason="three brokers and a whole stack: make prove-cluster")]

SECONDS = 60
SPEED = 30.0
"""The opening auction, at 09:15, comes forty seconds after the start."""
FRESH_MS = 1_000


def leader_of(made: Cluster, topic: str) -> int:
    """The number of the broker that leads the first partition of ``topic``."""
    from confluent_kafka.admin import AdminClient

    return int(AdminClient(made.kafka()).list_topics(topic, timeout=30).topics[topic].partitions[0].leader)


async def fresh_again(url: str) -> tuple[float, int]:
    """Wait until prices are fresh again at the gateway, having been old; seconds it took, and the oldest age in milliseconds.

    A gateway that shows nothing old for half a minute was quicker than its heartbeats.
    """
    began, oldest = time.monotonic(), 0
    async with aiohttp.ClientSession() as http:
        while True:
            async with http.ws_connect(f"{url}/v1/ws") as socket:
                await socket.send_json({"op": "sub", "id": 1, "ch": "px", "sym": ["VNM"]})
                async for received in socket:
                    message = received.json()
                    if message["op"] != "hb" or message["lag_ms"].get("px") is None:
                        continue
                    lag, took = message["lag_ms"]["px"], time.monotonic() - began
                    if lag < FRESH_MS and (oldest > 2 * FRESH_MS or took > 30):
                        return took, oldest
                    oldest = max(oldest, lag)


async def test_the_leader_dies_in_the_opening_auction_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A slow machine needs longer than a user would wait.
    monkeypatch.setattr(readiness, "READY_S", PATIENCE_S)
    monkeypatch.setattr(drain, "DRAIN_S", PATIENCE_S)
    with cluster(tmp_path / "kafka", 3) as made:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SSI_", "KAFKA_", "CLICKHOUSE_"))}
        environ |= {"STOCK_TRACKER_HOME": str(tmp_path), "TOPIC_PREFIX": "mine.", **made.environ()}
        topics.apply(made.kafka(), "mine.", shards=3, replication=3)
        stack = plan(Options(seconds=SECONDS, speed=SPEED, free_ports=True), environ, "1")
        said: list[str] = []
        async with running(stack, said.append) as up:
            simulator = up.simulator
            assert simulator is not None
            opening = at(day_of((await simulator.clock()).market_ms), 9, 15)

            async def kill_the_leader() -> None:
                async def auction() -> bool:
                    return (await simulator.clock()).market_ms >= opening

                await reached(auction, "the opening auction")
                number = leader_of(made, t.SSI_TICKS.named("mine."))
                watching = asyncio.create_task(fresh_again(f"http://127.0.0.1:{stack.gateway.port}"))
                await asyncio.to_thread(made.nodes[number - 1].kill)
                took, oldest = await watching
                sys.stderr.write(f"\nbroker {number} killed at 09:15; prices at most {oldest} ms old, fresh after {took:.1f} s\n")

            await played_and_drained(up, simulator, SECONDS, kill_the_leader)
            verification = await verified(up, simulator)
    assert verification.reconciled, [*said, *verification.sentences()]
    sys.stderr.write("\n".join(verification.sentences()) + "\n")
