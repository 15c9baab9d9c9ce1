"""The sink's work into ``trades`` with all its views, through the embedded server's HTTP front, by size of batch.

Unit of work: one print, from a Kafka message's bytes to the answer of its insert, by one thread that waits for it. Beside it, in
turn, the same engine with the same tables gets the same rows as blocks that are ready to be sent: no sink can be faster.

Then what a print takes on disk, of two days with a million of them (:mod:`benchmarks.generated_archive`).

    python benchmarks/bench_archive.py [--rows N] [--rounds N] [--peer CHECKOUT]

With ``--peer`` another checkout of this repository does the same with its own code and tables, in turn.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
import urllib3
from clickhouse_connect.driver.client import Client

from benchmarks.generated_archive import fill, stored_bytes
from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Batch
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
INSERT_SETTINGS = {
    "async_insert": 0,
    "max_insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": 1 << 30,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}
"""Those of the sink: a block is stored whole before the insert is answered, and once."""


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", type=Path, help="another checkout of this repository")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        what, size = asked.one.split("-")
        print(json.dumps(on_disk(asked.rows) if what == "disk" else one(what == "ready", int(size), asked.rows)))
        return
    here = Path(__file__).parents[1]
    kinds = {"sink": here, "ready": here, **({"peer": asked.peer} if asked.peer else {})}
    for size in BATCHES:
        found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
        for _ in range(asked.rounds):
            for kind, checkout in kinds.items():
                found[kind].append(in_turn(checkout, f"{kind}-{size}", asked.rows))
        medians = {
            kind: {name: statistics.median(each[name] for each in rounds) for name in rounds[0]} for kind, rounds in found.items()
        }
        sink, ready = medians["sink"], medians["ready"]
        for kind, figures in medians.items():
            print(json.dumps({"batch": size, "of": kind, **{name: round(figure, 2) for name, figure in figures.items()}}))
        print(f"  {size} rows a batch: the sink is {sink['rows_per_s'] / ready['rows_per_s']:.2f} x as fast as ready blocks")
        if "peer" in medians:
            peer = medians["peer"]
            for name in ("sink_cpu_us_per_row", "server_cpu_us_per_row", "rows_per_s"):
                print(f"  {size} rows a batch: {name} is {sink[name] / peer[name]:.2f} x that of the peer")
    for kind, checkout in kinds.items():
        if kind != "ready":
            print(json.dumps({"of": kind, **in_turn(checkout, "disk-0", 500_000)}))


def in_turn(checkout: Path, what: str, rows_: int) -> dict[str, float]:
    """Let the code of a checkout do it, in a process of its own."""
    environ = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, __file__, "--one", what, "--rows", str(rows_)]
    found: dict[str, float] = json.loads(subprocess.check_output(command, env=environ, cwd=checkout))
    return found


def on_disk(prints: int) -> dict[str, float]:
    """What the tables of a checkout take for generated prints."""
    with tempfile.TemporaryDirectory() as path, clickhouse_connect.get_client(interface="chdb", path=path) as client:
        client.database = "bench"
        migrations.migrate(client, "bench")
        is_table = client.command("SELECT engine FROM system.tables WHERE name = 'trades' AND database = 'bench'") == "MergeTree"
        table = "trades" if is_table else "trades_state"
        count = fill(client, table, days=2, prints=prints)
        return {"prints": count, "bytes_per_print": round(stored_bytes(client, table) / count, 2)}


def one(ready: bool, size: int, events: int) -> dict[str, float]:
    """Start an embedded server, and fill it."""
    count = max(min(events, size * 40) // size, 1) * size
    values = frames(count)
    with tempfile.TemporaryDirectory() as home:
        address = Path(home) / "archive" / "address"
        environ = {**os.environ, "STOCK_TRACKER_HOME": home, "ARCHIVE_PORT": "0"}
        server = subprocess.Popen([sys.executable, "-m", "connectors.clickhouse.server"], env=environ, stderr=subprocess.DEVNULL)
        while not (address.exists() and address.read_text().endswith("\n")):
            time.sleep(0.05)
        try:
            settings = SinkSettings(kafka={}, clickhouse_url=address.read_text().strip(), home=Path(home), database="bench")
            return measure(values, count, size, settings, ready)
        finally:
            server.terminate()
            server.wait()


def measure(values: list[bytes], count: int, size: int, settings: SinkSettings, ready: bool) -> dict[str, float]:
    url = settings.clickhouse_url
    writer = Writer(settings)
    writer.open()
    inserts = [made_of(writer, values, first, size) for first in range(0, count // EVENTS_A_FRAME, size // EVENTS_A_FRAME)]
    if ready:
        client = connect(url, settings.user, settings.read_password(), settings.database)
        inserts = [as_bytes(client, insert()) for insert in inserts]
    began, cpu, server_cpu = time.perf_counter(), time.process_time(), cpu_of(url)
    for insert in inserts:
        made = insert()
        if not ready:
            writer.insert(made, "bench")
    seconds, cpu, server_cpu = time.perf_counter() - began, time.process_time() - cpu, cpu_of(url) - server_cpu
    client = connect(url, settings.user, settings.read_password(), settings.database)
    assert client.command("SELECT count() FROM trades") == count
    assert client.command("SELECT sum(prints) FROM candles_1d") == count
    client.close()
    writer.close()
    return {
        "rows": count,
        "rows_per_s": count / seconds,
        "sink_cpu_us_per_row": cpu / count * 1e6,
        "server_cpu_us_per_row": server_cpu / count * 1e6,
    }


def made_of(writer: Writer, values: list[bytes], first: int, size: int) -> Callable[[], Any]:
    """Makes a batch of the messages from ``first`` on, so many rows."""
    its = range(first, first + size // EVENTS_A_FRAME)

    def make() -> Any:
        read = tuple(rows.decode(Position("market.trades", 0, i), OPEN_MS, values[i]) for i in its)
        return writer.make(Batch(Partition("market.trades", 0), its.start, its.stop, read, replayed=False))

    return make


def as_bytes(client: Client, made: Any) -> Callable[[], Any]:
    """Sends a batch that is ready."""
    (block,) = made.blocks
    settings = {**INSERT_SETTINGS, "insert_deduplication_token": str(made.batch.first)}

    def send() -> None:
        client.raw_insert(block.table, column_names=block.names, insert_block=block.encoded, fmt="Native", settings=settings)

    return send


def cpu_of(url: str) -> float:
    """Seconds of CPU that the server has used, by its own account."""
    lines = urllib3.request("GET", f"{url}/metrics").data.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("process_cpu_seconds_total"))


if __name__ == "__main__":
    main()
