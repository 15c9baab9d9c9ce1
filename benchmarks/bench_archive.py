"""Rows a second into ``trades`` with all its views, through the embedded server's HTTP front, by size of batch.

Unit of work: one print, from a Kafka message's bytes to the answer of its insert. ``python benchmarks/bench_archive.py [ROWS]``.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import urllib3

from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.rows import Decoded
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from schemas import topics
from schemas.position import Partition, Position
from schemas.structs import TradesFrame
from schemas.units import Side
from tests.builders import a_trade_event

OPEN_MS = 1_795_140_900_000
EVENTS_A_FRAME = 50
SYMBOLS = 400
BATCHES = (1_000, 10_000, 50_000)


def frames(events: int) -> list[bytes]:
    """A morning's prints in frames as busy as a market's: prices walk, totals grow, several prints a second."""
    rng = random.Random(1)
    totals, prices = [0] * SYMBOLS, [20_000] * SYMBOLS
    made = []
    for n in range(0, events, EVENTS_A_FRAME):
        found = []
        for i in range(EVENTS_A_FRAME):
            s = rng.randrange(SYMBOLS)
            volume = rng.randrange(100, 5_000, 100)
            prices[s] += rng.choice((-50, 0, 0, 50))
            found.append(
                a_trade_event(
                    f"S{s:03d}", OPEN_MS + (n + i) // 100 * 1000, start=totals[s], volume=volume, price=prices[s],
                    side=rng.choice((Side.BUY, Side.SELL)),
                )
            )  # fmt: skip
            totals[s] += volume
        made.append(topics.encode(TradesFrame(events=found)))
    return made


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    values = frames(events)
    with tempfile.TemporaryDirectory() as home:
        address = Path(home) / "archive" / "address"
        environ = {**os.environ, "STOCK_TRACKER_HOME": home, "ARCHIVE_PORT": "0"}
        server = subprocess.Popen([sys.executable, "-m", "connectors.clickhouse.server"], env=environ, stderr=subprocess.DEVNULL)
        while not (address.exists() and address.read_text().endswith("\n")):
            time.sleep(0.05)
        url = address.read_text().strip()
        try:
            for size in BATCHES:
                print(json.dumps(measure(values, events, size, url, Path(home))))
        finally:
            server.terminate()
            server.wait()


def measure(values: list[bytes], events: int, size: int, url: str, home: Path) -> dict[str, float]:
    settings = SinkSettings(kafka={}, clickhouse_url=url, home=home, database=f"bench_{size}")
    writer = Writer(settings)
    writer.open()
    count = min(events, size * 40) // size * size
    frames_a_batch = size // EVENTS_A_FRAME
    began, cpu, server_cpu = time.perf_counter(), time.process_time(), cpu_of(url)
    for first in range(0, count // EVENTS_A_FRAME, frames_a_batch):
        its = range(first, first + frames_a_batch)
        read: tuple[Decoded, ...] = tuple(rows.decode(Position("market.trades", 0, i), OPEN_MS, values[i]) for i in its)
        batch = Batch(Partition("market.trades", 0), first, first + frames_a_batch, read, replayed=False)
        writer.insert(writer.make(batch), "bench")
    seconds, cpu, server_cpu = time.perf_counter() - began, time.process_time() - cpu, cpu_of(url) - server_cpu
    client = connect(url, settings.user, settings.read_password(), settings.database)
    assert client.command("SELECT count() FROM trades") == count
    assert client.command("SELECT sum(prints) FROM candles_1d") == count
    client.command("OPTIMIZE TABLE trades FINAL")
    stored = client.command(
        "SELECT sum(data_compressed_bytes) FROM system.parts WHERE active AND table = 'trades' AND database = currentDatabase()"
    )
    client.close()
    writer.close()
    return {
        "batch": size,
        "rows": count,
        "rows_per_s": round(count / seconds),
        "sink_cpu_us_per_row": round(cpu / count * 1e6, 1),
        "server_cpu_us_per_row": round(server_cpu / count * 1e6, 1),
        "bytes_per_row": round(int(str(stored)) / count, 1),
    }


def cpu_of(url: str) -> float:
    """Seconds of CPU that the server has used, by its own account."""
    lines = urllib3.request("GET", f"{url}/metrics").data.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total"))


if __name__ == "__main__":
    main()
