"""The archive: what a row costs the sink and the server, and how long its usual questions take.

A server of its own, the embedded one, with its real tables and views. Rows are prints of a busy morning in frames as the
pipelines write them. Beside the sink, in turn, the same server gets the same rows as blocks that are ready to be sent: no sink
can be faster.
"""

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from connectors.clickhouse.client import connect
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Made, Writer
from schemas import topics
from schemas.calendar import at
from schemas.position import Partition, Position
from schemas.structs import TradeEvent, TradesFrame
from schemas.units import Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd
from stock_tracker.bench.core.results import BenchFigure, Measured
from stock_tracker.bench.machine import Stopwatch, loop_us
from stock_tracker.bench.usage import usage_of
from stock_tracker.errors import NotMeasured

DAY: Final = TradingDay(20261123)
ROWS: Final = 60_000
BATCH: Final = 10_000
ROUNDS: Final = 3
ASKED: Final = 15
"""How often each question is asked."""
EVENTS_A_FRAME: Final = 50
SYMBOLS: Final = 400
START_S: Final = 120.0
QUERIES: Final = {
    "tape_page": "SELECT * FROM trades WHERE symbol = 'S007' AND day = '2026-11-23' ORDER BY ts, offset, idx LIMIT 1000",
    "minutes": "SELECT * FROM candles_1m WHERE symbol = 'S007' AND day = '2026-11-23' ORDER BY minute",
    "volume_by_symbol": "SELECT symbol, sum(volume), count() FROM trades WHERE day = '2026-11-23' GROUP BY symbol",
}
_INSERT: Final = {"async_insert": 0, "insert_deduplicate": 1, "deduplicate_blocks_in_dependent_materialized_views": 1}


class _Insert(NamedTuple):
    rows_a_second: float
    sink_us: float
    server_us: float


def frames(count: int) -> list[bytes]:
    """Messages of ``market.trades`` with so many prints: prices walk, totals continue, several prints a second."""
    draw = random.Random(1)
    totals, prices = [0] * SYMBOLS, [20_000] * SYMBOLS
    made = []
    for first in range(0, count, EVENTS_A_FRAME):
        events = []
        for number in range(first, first + EVENTS_A_FRAME):
            symbol = draw.randrange(SYMBOLS)
            volume = draw.randrange(100, 5_000, 100)
            prices[symbol] += draw.choice((-50, 0, 0, 50))
            start = totals[symbol]
            totals[symbol] += volume
            events.append(
                TradeEvent(
                    kind="print", symbol=Symbol(f"S{symbol:03d}"), exchange=Exchange.HOSE, day=DAY,
                    ts_ms=UnixMs(at(DAY, 9, 15) + number // 100 * 1_000), since_ms=None, generation=0, start=Shares(start),
                    total_volume=Shares(totals[symbol]), volume=Shares(volume), value=Vnd(volume * prices[symbol]),
                    price=Price(prices[symbol]), last_volume=Shares(volume), side=draw.choice((Side.BUY, Side.SELL)),
                    side_source="feed", phase="continuous", limit=None, late=False, clipped=False, anchored=True, cause=None,
                    epoch=None,
                )
            )  # fmt: skip
        made.append(topics.encode(TradesFrame(events=events)))
    return made


@contextmanager
def server(home: Path) -> Iterator[tuple[str, int]]:
    """The embedded server as long as the block runs: its URL, and its process."""
    address = home / "archive" / "address"
    environ = {**os.environ, "STOCK_TRACKER_HOME": str(home), "ARCHIVE_PORT": "0"}
    home.mkdir(parents=True, exist_ok=True)
    with (home / "server.log").open("wb") as log:
        child = subprocess.Popen([sys.executable, "-m", "connectors.clickhouse.server"], env=environ, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + START_S
        while not (address.exists() and address.read_text().endswith("\n")):
            if child.poll() is not None or time.monotonic() > deadline:
                raise NotMeasured(f"the archive's server did not start:\n{(home / 'server.log').read_text()}")
            time.sleep(0.05)
        yield address.read_text().strip(), child.pid
    finally:
        child.terminate()
        child.wait()


def measure(home: Path, tell: Callable[[str], None], count: int = ROWS) -> Measured:
    """Insert and ask.

    Args:
        home: A folder for the server's data.
        tell: Takes a line for each thing that a person should know.
        count: Rows of a round, a multiple of :data:`BATCH`.
    """
    watch = Stopwatch()
    values = frames(count)
    loops: list[float] = []
    sinks: list[_Insert] = []
    ready: list[_Insert] = []
    asked: dict[str, list[float]] = {}
    tell("archive: starting its server")
    with server(home) as (url, pid):
        for number in range(ROUNDS):
            tell(f"archive: round {number + 1} of {ROUNDS}")
            loops.append(loop_us())
            sinks.append(_fill(url, pid, home, f"sink{number}", values, count, is_ready=False))
            ready.append(_fill(url, pid, home, f"ready{number}", values, count, is_ready=True))
        tell("archive: questions")
        asked = _ask(url, home, f"sink{ROUNDS - 1}", count)
    question_loops = [loop_us()] * ASKED

    def each(unit: str, of: str, taken: list[_Insert], **more: Any) -> BenchFigure:
        return BenchFigure(unit=unit, values=[round(getattr(one, of), 3) for one in taken], loops=loops, **more)

    ratios = [round(one.rows_a_second / other.rows_a_second, 3) for one, other in zip(sinks, ready, strict=True)]
    costs = [
        round((one.sink_us + one.server_us) / (other.sink_us + other.server_us), 3)
        for one, other in zip(sinks, ready, strict=True)
    ]
    figures = {
        "insert_rows_a_second": each("rows a second", "rows_a_second", sinks, scales="rate", better="higher"),
        "insert_beside_ready_blocks": BenchFigure(unit="× ready blocks", values=ratios, better="higher"),
        "insert_cpu_beside_ready_blocks": BenchFigure(unit="× ready blocks", values=costs),
        "sink_us_a_row": each("µs a row", "sink_us", sinks, scales="time"),
        "server_us_a_row": each("µs a row", "server_us", sinks, scales="time"),
    }
    for name, millis in asked.items():
        figures[f"query_{name}"] = BenchFigure(unit="ms", values=millis, loops=question_loops, scales="time")
    return Measured(
        taken=watch.taken(),
        load=f"{count:,} prints a round, {BATCH:,} a batch, into trades with all its views; {ROUNDS} rounds, each in a database "
        f"of its own; then each question {ASKED} times by one client.",
        figures=figures,
    )


def _fill(url: str, pid: int, home: Path, database: str, values: list[bytes], count: int, *, is_ready: bool) -> _Insert:
    writer = Writer(_settings(url, home, database))
    writer.open()
    makers = [_maker(writer, values, first) for first in range(0, len(values), BATCH // EVENTS_A_FRAME)]
    settings = _settings(url, home, database)
    client = connect(url, settings.user, settings.read_password(), database)
    blocks = [maker() for maker in makers] if is_ready else []
    server_s, own_s, began = _server_s(pid), time.process_time(), time.perf_counter()
    if is_ready:
        for made in blocks:
            (block,) = made.blocks
            token = {**_INSERT, "insert_deduplication_token": str(made.batch.first)}
            client.raw_insert(block.table, column_names=block.names, insert_block=block.encoded, fmt="Native", settings=token)
    else:
        for maker in makers:
            writer.insert(maker(), "bench")
    seconds, own_s, server_s = time.perf_counter() - began, time.process_time() - own_s, _server_s(pid) - server_s
    found = client.command("SELECT count() FROM trades"), client.command("SELECT sum(prints) FROM candles_1d")
    client.close()
    writer.close()
    if tuple(int(str(one)) for one in found) != (count, count):
        raise NotMeasured(f"{found} rows and prints are in the tables, and {count} were sent")
    return _Insert(count / seconds, own_s / count * 1e6, server_s / count * 1e6)


def _maker(writer: Writer, values: list[bytes], first: int) -> Callable[[], Made]:
    its = range(first, min(first + BATCH // EVENTS_A_FRAME, len(values)))

    def make() -> Made:
        read = tuple(rows.decode(Position("market.trades", 0, place), at(DAY, 9, 15), values[place]) for place in its)
        return writer.make(Batch(Partition("market.trades", 0), its.start, its.stop, read, replayed=False))

    return make


def _ask(url: str, home: Path, database: str, count: int) -> dict[str, list[float]]:
    settings = _settings(url, home, database)
    client = connect(url, settings.user, settings.read_password(), database)
    asked: dict[str, list[float]] = {name: [] for name in QUERIES}
    found: dict[str, int] = {}
    # In turn, so that what disturbs the machine disturbs all alike; the first time each is only warmed.
    for turn in range(ASKED + 1):
        for name, query in QUERIES.items():
            began = time.perf_counter()
            answer = client.query(query)
            if turn:
                asked[name].append(round((time.perf_counter() - began) * 1_000, 3))
            found[name] = len(answer.result_rows)
    client.close()
    if not all(found.values()) or found["volume_by_symbol"] != SYMBOLS:
        raise NotMeasured(f"the questions found {found}, of {count} rows of {SYMBOLS} symbols")
    return asked


def _settings(url: str, home: Path, database: str) -> SinkSettings:
    return SinkSettings(kafka={}, clickhouse_url=url, home=home, database=database)


def _server_s(pid: int) -> float:
    usage = usage_of(pid)
    if usage is None:
        raise NotMeasured("the archive's server has died")
    return usage.cpu_s
