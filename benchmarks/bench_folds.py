"""CPU of the folds a record: frame bytes in, the bytes of messages and stored state out. No Kafka.

    python benchmarks/bench_folds.py                        this commit
    python benchmarks/bench_folds.py --against DIR          and another's files, in turn: round by round, one process each
    python benchmarks/bench_folds.py --grow 1000000         and how the cost of a record changes over as many records

Matches and quotes come 1,000 in a market second, foreign and index records 100, over three shards; symbols are drawn so that a
few make most of the market, as on a real day. Each has had its first record of the day, which is not measured: the market has
begun. Each shard gets a clock tick every market second, as on Kafka. Rows are published and values stored as by a busy service
that folds 20,000 records a second: as often as the service of the same files does then. One without write-behind stores and
publishes with every frame.

Both sides are given the same bytes. What comes out is counted, and has to be the same: every event, and of each key the last row.
Foreign counters only rise, so that a single correction would be a fault of the benchmark; each growth has to be in the ledger,
one by one, in its order and with its value.
"""

import argparse
import gc
import inspect
import json
import os
import pickle
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

SHARDS = 3
COMMIT_S = 0.25
"""How often services commit that do so as often when they are busy."""
RATE = 20_000
"""Records a second, by which rows and commits are timed: a clock that costs nothing, and is the same in every round."""
KINDS = ("matches", "quotes", "foreign", "index")
SIZES = (1, 50)
MARKETS = (130, 1_900)
INDICES = 20
A_SECOND = {"matches": 1_000, "quotes": 1_000, "foreign": 100, "index": 100}
TOPICS = {"matches": "ssi.ticks", "quotes": "ssi.ticks", "foreign": "ssi.foreign", "index": "ssi.indices"}


class Cell(NamedTuple):
    """What is measured: records of a kind, so many a frame, of so many symbols."""

    kind: str
    size: int
    symbols: int
    records: int


class Measured(NamedTuple):
    us: float
    """Microseconds of CPU a record."""
    first_us: float
    """The same of the first tenth."""
    last_us: float
    """The same of the last tenth."""
    events: int
    """Messages other than rows."""
    keys: int
    """Keys of which there is a row."""
    rows: int
    digest: int
    """Of all events, without what a release says of itself, and of the last row of each key."""
    kinds: dict[str, int]
    """What became of the records."""


# --- what is folded


def firsts_of(cell: Cell) -> int:
    """How many records are the first of their symbols; they come before all others."""
    return INDICES if cell.kind == "index" else cell.symbols


def records_of(cell: Cell) -> Iterator[tuple[str, int, Any]]:
    """Symbol, market time and record."""
    from schemas.calendar import at
    from schemas.units import Symbol, UnixMs
    from tests.builders import DAY, a_foreign, a_quote, a_trade, an_index

    draw = random.Random(cell.kind)
    count = firsts_of(cell)
    symbols = [Symbol(f"S{n:04d}") for n in range(count)]
    weights = [1 / (rank + 1) for rank in range(count)]
    # All of them first: what is measured is a market that has begun, not one that begins.
    chosen = symbols + draw.choices(symbols, weights=weights, k=cell.records - count)
    totals: Counter[str] = Counter()
    sold: Counter[str] = Counter()
    for n, symbol in enumerate(chosen):
        # What foreigners did before their first record counts for five minutes: that is over by then.
        begins_ms = at(DAY, 9) if cell.kind == "foreign" and n < count else at(DAY, 9, 15)
        ts_ms = UnixMs(begins_ms + n // A_SECOND[cell.kind] * 1_000)
        price = 60_000 + draw.randint(-20, 20) * 100
        if cell.kind == "matches":
            volume = draw.randint(1, 30) * 100
            totals[symbol] += volume
            yield symbol, ts_ms, a_trade(symbol, ts_ms, price=price, volume=volume, total=totals[symbol], high=62_000, low=58_000)
        elif cell.kind == "quotes":
            bids = [level for step in range(3) for level in (price - 100 * (step + 1), draw.randint(1, 900) * 100)]
            asks = [level for step in range(3) for level in (price + 100 * step, draw.randint(1, 900) * 100)]
            yield symbol, ts_ms, a_quote(symbol, ts_ms, bids=bids, asks=asks)
        elif cell.kind == "foreign":
            totals[symbol] += draw.choice((0, 100, 2_500))
            sold[symbol] += draw.choice((0, 100, 1_700))
            yield symbol, ts_ms, a_foreign(symbol, ts_ms, bought=totals[symbol], sold=sold[symbol])
        else:
            totals[symbol] += 1_000
            yield symbol, ts_ms, an_index(symbol, ts_ms, value=170_000 + draw.randint(-900, 900), volume=totals[symbol])


def frames_of(cell: Cell) -> list[tuple[int, bytes, int]]:
    """Shard, bytes and number of records (clock ticks left out) of each frame, in order."""
    from schemas.calendar import at
    from schemas.shards import shard_of
    from schemas.topics import encode
    from tests.builders import DAY, a_frame, a_tick

    waiting: list[list[Any]] = [[] for _ in range(SHARDS)]
    seqs = [0] * SHARDS
    said = [0] * SHARDS
    frames: list[tuple[int, bytes, int]] = []

    def send(shard: int, records: list[Any], count: int) -> None:
        frames.append((shard, encode(a_frame(*records, seq=seqs[shard])), count))
        seqs[shard] += 1

    for shard in range(SHARDS):
        # As on a real day each shard has been listening since before the open.
        send(shard, [a_tick(at(DAY, 8, 55))], 0)

    def send_all() -> None:
        for shard, rest in enumerate(waiting):
            if rest:
                send(shard, rest, sum(type(each).__name__ != "ClockTick" for each in rest))
                waiting[shard] = []

    for n, (symbol, ts_ms, record) in enumerate(records_of(cell)):
        if n == firsts_of(cell):
            send_all()
        for shard in range(SHARDS):
            if said[shard] != ts_ms:
                # A second of the clock ends the frame that waits, as five milliseconds would.
                if waiting[shard] and cell.size == 1:
                    send(shard, waiting[shard], len(waiting[shard]))
                    waiting[shard] = []
                if cell.size == 1:
                    send(shard, [a_tick(ts_ms)], 0)
                else:
                    waiting[shard].append(a_tick(ts_ms))
                said[shard] = ts_ms
        shard = shard_of(symbol, SHARDS)
        waiting[shard].append(record)
        if len(waiting[shard]) >= cell.size:
            ticks = sum(type(each).__name__ == "ClockTick" for each in waiting[shard])
            send(shard, waiting[shard], len(waiting[shard]) - ticks)
            waiting[shard] = []
    send_all()
    return frames


# --- the folds of whatever commit is on the path


def measure(cell: Cell, frames: list[tuple[int, bytes, int]]) -> Measured:
    from schemas import topics

    topic = next(topic for topic in topics.TOPICS if topic.name == TOPICS[cell.kind])
    fold, states, flush, after = folding(topic)
    version = b'"schema":%d' % getattr(topic, "version", 1)
    values = [(shard, value.replace(b'"schema":2', version, 1), count) for shard, value, count in frames]
    outputs: list[tuple[str, str, bytes]] = states.outputs
    outcomes: Counter[str] = Counter()
    said = Said()
    slices: list[tuple[float, int]] = []
    grown: list[Growth] = []
    firsts = list(accumulate(count for _, _, count in values)).index(firsts_of(cell)) + 1
    tenth = -(-(len(values) - firsts) // 10)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    for begin in (0, *range(firsts, len(values), tenth)):
        part = values[begin : begin + tenth if begin else firsts]
        begun = time.process_time()
        for n, (shard, value, count) in enumerate(part, begin):
            folded = fold(topic.decode(value), n, shard)
            outputs += [(output.topic.name, output.key, output.value) for output in folded.outputs]
            outcomes.update(folded.counts)
            states.folded += count
            after(folded)
        if not begin or begin + tenth >= len(values):
            flush()
        slices.append((time.process_time() - begun, sum(count for _, _, count in part)))
        # Between the slices, so that neither this nor what lies around is measured.
        said.take(outputs)
        grown += growth_in(outputs)
        outputs.clear()
    del slices[0]
    assert states.folded == cell.records, "every record was folded"
    if cell.kind == "foreign":
        expected_growth = growth_of(topic.decode(value) for _, value, _ in values)
        assert by_side(grown) == by_side(expected_growth), "the ledger has each growth, one by one"
    paces = [seconds / max(count, 1) * 1e6 for seconds, count in slices]
    assert outcomes["rejected"] == outcomes["correction"] == outcomes["suspect"] == 0, outcomes
    expected = {"matches": "print", "quotes": "quote", "foreign": "delta", "index": "index"}[cell.kind]
    assert outcomes[expected] >= cell.records // 2, outcomes
    return Measured(
        us=sum(seconds for seconds, _ in slices) / sum(count for _, count in slices) * 1e6,
        first_us=paces[0],
        last_us=paces[-1],
        events=said.events,
        keys=len(said.last),
        rows=said.rows,
        digest=hash((said.digest, *sorted(said.last.items()))),
        kinds=dict(outcomes),
    )


class Growth(NamedTuple):
    """How far a foreign counter was told to have grown."""

    symbol: str
    side: str
    counter: int
    volume: int
    value: int


def growth_in(outputs: list[tuple[str, str, bytes]]) -> list[Growth]:
    """Every line of the ledger that has shares."""
    lines = (line for name, _, value in outputs if name == "market.foreign" for line in json.loads(value)["events"])
    return [
        Growth(line["symbol"], line["side"], line["counter"], line["volume"], line["value"]) for line in lines if line["volume"]
    ]


def growth_of(frames: Iterable[Any]) -> list[Growth]:
    """The same of the records, by subtraction."""
    grown, told = [], dict[tuple[str, str], tuple[int, int]]()
    for record in (record for frame in frames for record in frame.records if hasattr(record, "bought")):
        sides = (("buy", record.bought, record.bought_value), ("sell", record.sold, record.sold_value))
        for side, counter, value in sides:
            before, value_before = told.get((record.symbol, side), (0, 0))
            assert counter >= before, "foreign counters only rise"
            told[record.symbol, side] = counter, value
            if counter > before:
                grown.append(Growth(record.symbol, side, counter, counter - before, value - value_before))
    return grown


def by_side(grown: list[Growth]) -> dict[tuple[str, str], list[Growth]]:
    sides: dict[tuple[str, str], list[Growth]] = {}
    for growth in grown:
        sides.setdefault((growth.symbol, growth.side), []).append(growth)
    return sides


class Said:
    """What came out: all events in order, and of each key the last row."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], bytes] = {}
        self.events = self.rows = self.digest = 0

    def take(self, outputs: list[tuple[str, str, bytes]]) -> None:
        for name, key, value in outputs:
            if name.startswith("state."):
                self.last[name, key] = value
                self.rows += 1
            else:
                self.events += 1
                self.digest = hash((self.digest, name, key, value))


class States:
    def __init__(self) -> None:
        self.outputs: list[tuple[str, str, bytes]] = []
        self.folded = 0
        self.stored: list[dict[bytes, bytes]] = [{} for _ in range(SHARDS)]


def folding(topic: Any) -> tuple[Callable[..., Any], States, Callable[[], None], Callable[[Any], None]]:
    """The fold of a topic, its state, what a commit does, and what happens after each message."""
    from pipelines.core import foreign_shard, index_shard, price_shard
    from pipelines.core.frames import Shard
    from schemas.position import Position
    from schemas.shards import shard_keys

    modules: dict[str, Any] = {"ssi.ticks": price_shard, "ssi.foreign": foreign_shard, "ssi.indices": index_shard}
    of_topic = modules[topic.name].fold_frame
    given: dict[str, Any] = {}
    if "offers" in inspect.signature(of_topic).parameters:
        from tests.builders import offers

        given = {"offers": offers(topic, sectors={}) if topic.name == "ssi.foreign" else offers(topic)}
    states = States()
    places = [Shard("test", shard, SHARDS, key) for shard, key in enumerate(shard_keys(SHARDS))]
    stored: list[Any] = list(states.stored)
    try:
        from pipelines import checkpoints
        from pipelines.write_behind import WriteBehind
    except ImportError:
        return (
            lambda frame, n, shard: of_topic(frame, Position(topic.name, shard, n), places[shard], stored[shard], **given),
            states,
            lambda: None,
            lambda folded: None,
        )
    behind = WriteBehind(
        "bench", lambda name, key, value: states.outputs.append((name, key.decode(), value)), "", lambda: states.folded / RATE
    )
    live = behind.keep(stored)
    committed = [0.0]
    commit_s = getattr(checkpoints, "BUSY_COMMIT_S", COMMIT_S)

    def fold(frame: Any, n: int, shard: int) -> Any:
        behind.reads()
        return of_topic(frame, Position(topic.name, shard, n), places[shard], live[shard], **given)

    def after(folded: Any) -> None:
        behind.wait(folded.rows)
        behind.look()
        if states.folded / RATE - committed[0] >= commit_s:
            behind.flush()
            committed[0] = states.folded / RATE
        behind.free()

    return fold, states, behind.flush, after


# --- rounds


def child(directory: str, frames: Path) -> Measured:
    """One cell, with the files of ``directory``, in a process of its own."""
    environ = {**os.environ, "PYTHONPATH": directory, "PYTHONHASHSEED": "0"}
    said = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", __file__, "--child", str(frames)],
        env=environ, cwd=directory, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    return Measured(**json.loads(said.stdout))


def spread(values: list[float]) -> str:
    return f"{min(values):6.1f} {statistics.median(values):6.1f} {max(values):6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="DIR", help="a clone at another commit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--grow", type=int, default=0, metavar="RECORDS")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES), metavar="RECORDS", help="records a frame")
    parser.add_argument("--only", choices=KINDS, nargs="*", default=list(KINDS))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        cell, frames = pickle.loads(arguments.child.read_bytes())
        print(json.dumps(measure(Cell(*cell), frames)._asdict()))
        return
    ours = str(Path(__file__).resolve().parents[1])
    sides = [ours, *([str(Path(arguments.against).resolve())] if arguments.against else [])]
    cells = [
        Cell(kind, size, symbols, arguments.records)
        for kind in arguments.only
        for size in arguments.sizes
        for symbols in MARKETS
        if kind != "index" or symbols == MARKETS[0]
    ]
    if arguments.grow:
        cells += [Cell(kind, 50, 1_900, arguments.grow) for kind in arguments.only if kind != "index"]
    print("µs of CPU a record: min, median, max" + ("; the same of the other; ratio of the medians" if arguments.against else ""))
    medians: dict[Cell, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for cell in cells:
            frames = Path(folder) / "frames"
            frames.write_bytes(pickle.dumps((tuple(cell), frames_of(cell))))
            rounds: list[list[Measured]] = [[] for _ in sides]
            for _ in range(1 if cell.records == arguments.grow else arguments.rounds):
                for side, measured in zip(sides, rounds, strict=True):
                    measured.append(child(side, frames))
            mine = rounds[0]
            assert len({(each.events, each.keys, each.digest) for each in mine}) == 1, "the same every time"
            line = f"{cell.kind:8} {cell.size:3} a frame, {cell.symbols:5,} symbols: {spread([each.us for each in mine])}"
            for theirs in rounds[1:]:
                same = (mine[0].events, mine[0].keys, mine[0].digest) == (theirs[0].events, theirs[0].keys, theirs[0].digest)
                assert mine[0].keys == theirs[0].keys, "as many keys have rows"
                assert mine[0].kinds == theirs[0].kinds or not same
                ratio = statistics.median(each.us for each in mine) / statistics.median(each.us for each in theirs)
                line += f"   {spread([each.us for each in theirs])}   {ratio:5.2f}"
                line += "" if same else "  (the messages differ)"
            print(f"{line}   {mine[0].events:,} events, {mine[0].rows:,} rows of {mine[0].keys:,} keys", flush=True)
            if cell.records == arguments.grow:
                growth = [statistics.median(each.last_us / each.first_us for each in each_side) for each_side in rounds]
                print(f"         the last tenth of {cell.records:,} beside the first: " + ", ".join(f"{g:.2f}" for g in growth))
            medians[cell] = [statistics.median(each.us for each in each_side) for each_side in rounds]
    for cell, wide in medians.items():
        narrow = medians.get(cell._replace(symbols=MARKETS[0]))
        if cell.symbols == MARKETS[1] and narrow:
            growths = ", ".join(f"{w / n:.2f}" for w, n in zip(wide, narrow, strict=True))
            print(f"{cell.kind:8} {cell.size:3} a frame, 1,900 symbols beside 130: {growths}")


if __name__ == "__main__":
    main()
