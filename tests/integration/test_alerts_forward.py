"""``stock-tracker alerts forward`` on a real Kafka, killed at the worst moments: no alert is lost."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from confluent_kafka import Producer

from schemas.shards import shard_keys
from schemas.structs import AlertsFrame
from schemas.topics import MARKET_ALERTS, encode
from tests.builders import an_alert
from tests.command_line import StockTracker
from tests.patience import reached

pytestmark = pytest.mark.kafka

SECRET = "s3cret"
ALERTS = 40


class Receiver:
    """Takes posts; refuses some, and kills the forwarder in the middle of others."""

    def __init__(self) -> None:
        self.forwarder: subprocess.Popen[bytes] | None = None
        self.posts = 0
        self.refused = 0
        self.taken: Counter[str] = Counter()
        self.kills = 0

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        signed = hmac.new(SECRET.encode(), request.headers["X-Stock-Tracker-Timestamp"].encode() + b"." + body, hashlib.sha256)
        assert request.headers["X-Stock-Tracker-Signature"] == f"sha256={signed.hexdigest()}"
        alert_id = json.loads(body)["alert_id"]
        assert request.headers["Idempotency-Key"] == alert_id
        self.posts += 1
        match self.posts:
            case 5 | 6 | 20:
                self.refused += 1
                return web.Response(status=503, headers={"Retry-After": "0"})
            case 9:
                self._kill()  # Before it was taken: nobody has it.
                return web.Response(status=500)
            case 14 | 25:
                self.taken[alert_id] += 1
                self._kill()  # It was taken, and the forwarder never hears of it.
                return web.Response()
        self.taken[alert_id] += 1
        return web.Response()

    def _kill(self) -> None:
        assert self.forwarder is not None
        os.kill(self.forwarder.pid, signal.SIGKILL)
        self.forwarder.wait()
        self.kills += 1


@asynccontextmanager
async def serving(receiver: Receiver) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook/TOKEN", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/hook/TOKEN"
    await runner.cleanup()


def write(kafka: str, prefix: str, first: int, number: int) -> None:
    """Alerts in frames of one and two, over all partitions."""
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})
    keys = shard_keys(3)
    ids = list(range(first, first + number))
    while ids:
        some = [ids.pop(0) for _ in range(min(len(ids), 1 + ids[0] % 2))]
        frame = AlertsFrame(events=[an_alert(f"alert-{one}") for one in some])
        producer.produce(MARKET_ALERTS.named(prefix), encode(frame), keys[some[0] % 3])
    assert producer.flush(60) == 0


async def test_no_alert_is_lost_by_kills_and_refusals(kafka: str, topics: str, tmp_path: Path) -> None:
    receiver = Receiver()
    write(kafka, topics, 0, ALERTS)
    async with serving(receiver) as url:
        environ = {
            **os.environ, "KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics, "STOCK_TRACKER_HOME": str(tmp_path),
            "ALERTS_FORWARD_URL": url, "ALERTS_FORWARD_SECRET": SECRET,
        }  # fmt: skip
        words = [sys.executable, "-m", "stock_tracker", "alerts", "forward", "--from-beginning"]
        log = tmp_path / "log"

        def start() -> None:
            with log.open("ab") as out:
                receiver.forwarder = subprocess.Popen(words, env=environ, stdout=out, stderr=out)

        async def all_taken() -> bool:
            assert receiver.forwarder is not None
            if (code := receiver.forwarder.poll()) is not None:
                assert code == -signal.SIGKILL, log.read_text()
                start()
            return len(receiver.taken) == ALERTS

        start()
        try:
            await reached(all_taken, "all alerts at the receiver")
        finally:
            assert receiver.forwarder is not None
            receiver.forwarder.terminate()
            await asyncio.to_thread(receiver.forwarder.wait)
    assert (receiver.kills, receiver.refused) == (3, 3)
    # Twice is what was in the frame that was under way at a kill, and nothing else.
    assert max(receiver.taken.values()) <= 1 + receiver.kills
    assert sum(receiver.taken.values()) - ALERTS <= 2 * receiver.kills
    assert "TOKEN" not in log.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "ftp://x"), "no http"),
        (("--to", "http://hooks.example/x"), "--insecure"),
        (("--to", "https://api.telegram.org/botX/sendMessage", "--format", "telegram"), "--chat"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(words: tuple[str, ...], said: str, stock_tracker: StockTracker) -> None:
    refused = stock_tracker("alerts", "forward", *words)
    assert refused.code == 2
    assert said in refused.said
