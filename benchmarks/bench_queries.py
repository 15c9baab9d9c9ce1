"""The documented questions (docs/queries.md) on an archive of more than 20 million prints, with readers beside the sink.

Unit of work: one question, by clickhouse-connect through the embedded server's HTTP front, to the last row of the answer. Beside
each its ratio to counting the prints in the same run. Then twenty readers ask the first two questions of different symbols, at
first alone, then while a sink inserts 5,000 rows a second and one more reader does not read what it asked for.

At last a symbol's day of the minutes, which history stands beside: without history, with as many days of it before those of the
stream, and with the stream's own days in it, too. Beside each its ratio to the same rows of the stream's table alone.

    python benchmarks/bench_queries.py [--days N] [--prints N] [--keep FOLDER]

It makes the archive first, which takes minutes; with ``--keep`` it stays, and is used again.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from benchmarks.bench_archive import EVENTS_A_FRAME, OPEN_MS, frames
from benchmarks.generated_archive import FIRST_DAY, add_history, fill, fill_others, forget_history
from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.settings import ArchiveHome, SinkSettings
from connectors.clickhouse.writer import Writer
from schemas.position import Partition, Position
from tests.documented import queries

ROUNDS = 5
READERS = 20
SECONDS = 10.0
"""For how long the readers ask, each time."""
SINK_ROWS_PER_S = 5_000
SYMBOL = "ABA"
UNITED = ("minutes", "candles_1m")
"""Views that show minutes of history beside the stream's."""
_MINUTES = "SELECT * FROM {} WHERE symbol = {{symbol:String}} AND day = {{day:Date}} ORDER BY minute"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--prints", type=int, default=520_000, help="of a day")
    parser.add_argument("--keep", type=Path, help="where the archive stays")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = asked.keep or Path(folder)
        fill_if_empty(home, asked.days, asked.prints)
        with engine(home) as client:
            forget_history(client)
        with serving(home) as settings:
            ask(settings, asked.days)
            time_minutes(settings, asked.days, "none")
        for history, days_before in (("of days before", asked.days), ("of the same days, too", 0)):
            with engine(home) as client:
                add_history(client, days_before)
            with serving(home) as settings:
                time_minutes(settings, asked.days, history)


def fill_if_empty(home: Path, days: int, prints: int) -> None:
    """Make the archive."""
    with engine(home) as client:
        if client.command("SELECT count() FROM trades") == 0:
            fill(client, "trades_state", days, prints)
            fill_others(client)


@contextmanager
def engine(home: Path) -> Iterator[Client]:
    """The engine alone, which no time limit of a request holds up."""
    path = ArchiveHome(home=home).folder / "data"
    path.mkdir(parents=True, exist_ok=True)
    with clickhouse_connect.get_client(interface="chdb", path=str(path)) as client:
        client.database = "bench"
        migrations.migrate(client, "bench")
        yield client


def ask(settings: SinkSettings, days: int) -> None:
    with closing(connect(settings.clickhouse_url, settings.user, settings.read_password(), settings.database)) as client:
        day = FIRST_DAY + timedelta(days=days // 2)
        time_questions(client, day)
        time_readers(settings, day)


@contextmanager
def serving(home: Path) -> Iterator[SinkSettings]:
    """The embedded server, with what it keeps in ``home``."""
    address = home / "archive" / "address"
    address.unlink(missing_ok=True)
    environ = {**os.environ, "STOCK_TRACKER_HOME": str(home), "ARCHIVE_PORT": "0"}
    server = subprocess.Popen([sys.executable, "-m", "connectors.clickhouse.server"], env=environ, stderr=subprocess.DEVNULL)
    try:
        while not (address.exists() and address.read_text().endswith("\n")):
            time.sleep(0.05)
        yield SinkSettings(kafka={}, clickhouse_url=address.read_text().strip(), home=home, database="bench")
    finally:
        server.terminate()
        server.wait()


def time_questions(client: Client, day: date) -> None:
    prints = int(str(client.command("SELECT count() FROM trades")))
    parameters = {"day": day, "symbol": SYMBOL}
    counting, _ = seconds_of(client, "SELECT count() FROM trades WHERE NOT ignore(volume)", {})
    print(json.dumps({"prints": prints, "counting_them_ms": round(counting * 1000, 1)}))
    for question, sql in queries().items():
        took, found = seconds_of(client, sql, parameters)
        assert found, f"nothing is answered to: {question}"
        kind = "symbol-day" if "{symbol:String}" in sql else "market"
        figures = {"ms": round(took * 1000, 1), "x_of_counting": round(took / counting, 2), "rows": found}
        print(json.dumps({"question": question, "of": kind, **figures}))


def time_minutes(settings: SinkSettings, days: int, history: str) -> None:
    """Ask the views that show history beside the stream for a symbol's day, one that the stream has and one that it has not."""
    streamed = FIRST_DAY + timedelta(days=days // 2)
    with closing(connect(settings.clickhouse_url, settings.user, settings.read_password(), settings.database)) as client:
        loaded = int(str(client.command("SELECT count() FROM history_minutes")))
        print(json.dumps({"history": history, "its_minutes": loaded}))
        alone, expected = seconds_of(client, _MINUTES.format("candles"), {"day": streamed, "symbol": SYMBOL})
        for view in UNITED:
            for day in (streamed, streamed - timedelta(days=days)):
                took, found = seconds_of(client, _MINUTES.format(view), {"day": day, "symbol": SYMBOL})
                assert found == (expected if loaded or day == streamed else 0), f"{view} has {found} minutes of {day}"
                figures = {"ms": round(took * 1000, 1), "x_of_stream_alone": round(took / alone, 2), "rows": found}
                print(json.dumps({"view": view, "history": history, "of": "stream" if day == streamed else "history", **figures}))


def seconds_of(client: Client, sql: str, parameters: dict[str, Any]) -> tuple[float, int]:
    """The median of some rounds, and how many rows the answer had."""
    took, found = [], 0
    for _ in range(ROUNDS):
        began = time.perf_counter()
        found = len(client.query(sql, parameters=parameters).result_rows)
        took.append(time.perf_counter() - began)
    return statistics.median(took), found


def time_readers(settings: SinkSettings, day: date) -> None:
    alone = read_at_once(settings.clickhouse_url, day)
    stop, written = threading.Event(), list[int]()
    sink = threading.Thread(target=write, args=(settings, stop, written))
    sink.start()
    with deaf_reader(settings.clickhouse_url):
        beside = read_at_once(settings.clickhouse_url, day)
    stop.set()
    sink.join()
    # A sink that could not keep up would not be the one that is asked about.
    said = {"sink_rows_per_s": round(sum(written) / SECONDS), "answers": len(beside)}
    p99s = {"alone_p99_ms": round(p99(alone) * 1000, 1), "beside_sink_p99_ms": round(p99(beside) * 1000, 1)}
    print(json.dumps({"readers": READERS, **p99s, "ratio": round(p99(beside) / p99(alone), 2), **said}))


def p99(took: list[float]) -> float:
    return statistics.quantiles(took, n=100)[98]


def read_at_once(url: str, day: date) -> list[float]:
    """How long each answer took, of readers that ask one question after the other."""
    first, second, *_ = queries().values()
    took: list[float] = []
    connected = threading.Barrier(READERS)

    def read(number: int) -> None:
        client = connect(url, "default", "", "bench")
        parameters = {"day": day, "symbol": f"A{chr(65 + number)}A"}
        connected.wait()
        until = time.perf_counter() + SECONDS
        while (began := time.perf_counter()) < until:
            client.query(first if len(took) % 2 else second, parameters=parameters)
            took.append(time.perf_counter() - began)
        client.close()

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def write(settings: SinkSettings, stop: threading.Event, written: list[int]) -> None:
    """Insert so many rows each second, as the sink does."""
    writer = Writer(settings)
    writer.open()
    values = frames(SINK_ROWS_PER_S)
    for second in range(10_000):
        began = time.perf_counter()
        first = second * len(values)
        read = tuple(rows.decode(Position("market.trades", 9, first + n), OPEN_MS, value) for n, value in enumerate(values))
        batch = Batch(Partition("market.trades", 9), first, first + len(values), read, replayed=False)
        writer.insert(writer.make(batch), f"bench-{time.time_ns()}")
        written.append(len(values) * EVENTS_A_FRAME)
        if stop.wait(max(0.0, began + 1.0 - time.perf_counter())):
            break
    writer.close()


@contextmanager
def deaf_reader(url: str) -> Iterator[None]:
    """One that asks for everything and reads nothing of it."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as deaf:
        sql = b"SELECT * FROM bench.trades LIMIT 4000000"
        head = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(sql)}\r\n\r\n"
        deaf.sendall(head.encode() + sql)
        yield


if __name__ == "__main__":
    main()
