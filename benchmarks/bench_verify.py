"""CPU and memory of the verification, beside the CPU of the folds: a simulated day, folded and then checked.

    python benchmarks/bench_verify.py                              60,000, 120,000 and 250,000 records of a whole market
    python benchmarks/bench_verify.py --records 2500000

The folds are pure Python here, frame bytes in and message bytes out: pipelines on Kafka need more, for Quix, state and
transactions. The check is what ``stock-tracker verify`` does beside folding again: the records by connection and order, the
truth, the reference for the numbers, rows with events, the tables of minutes and days made anew. It runs in a process of its own
and reads files where verify reads Kafka, the simulator and ClickHouse, so its peak of resident memory is its own; what it had
before the first record is printed too. Every run fails unless it has compared all records and found no difference. Compare
figures of one run only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

from connectors.clickhouse.core.tables import TABLES, Table
from connectors.ssi.core.decode import decode
from connectors.ssi.core.frames import FRAME_RECORDS, partitions_of
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketSize, generate
from connectors.ssi.simulator.core.records import Foreign, Trade
from connectors.ssi.simulator.core.truth import TruthHeader, encode_line, fact_of
from schemas.position import Partition, Position
from schemas.topics import EVENT_TOPICS, RECORD_TOPICS, STATE_TOPICS, TOPICS, Topic, encode
from schemas.units import UnixMs
from stock_tracker.verify.core import derived
from stock_tracker.verify.core.against_truth import TruthComparison
from stock_tracker.verify.core.archive import Row
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.derived import DERIVED, Derived
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.numbers import things_in
from stock_tracker.verify.core.published import Published
from stock_tracker.verify.core.records import LostWithConnection
from stock_tracker.verify.rows import Belongs, event_row, expected
from stock_tracker.verify.shards import ByShard
from stock_tracker.verify.truth import TruthFile
from tests.builders import DAY, a_frame, a_tick
from tests.mutation.simulated_day import Outputs, folded

SHARDS = 3
SIZES = (60_000, 120_000, 250_000)
RECORDS_OF_A_DAY = 2_400_000
"""A whole market day of scale 1 has somewhat more, so that each day here reaches until the afternoon."""
_TOPICS: dict[str, Topic[Any]] = {topic.name: topic for topic in TOPICS}
_CONNECTED = b'"connections":[1]}\n'
"""The end of a line of the truth about a record that was sent."""


class Spool:
    """A day on disk, as Kafka, the simulator and ClickHouse have it: lines by topic and partition, the truth, rows by symbol."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, place: Partition, lines: Iterable[tuple[int, bytes]]) -> None:
        """The messages of a partition, each with its offset."""
        with (self.folder / f"{place.topic}-{place.number}").open("wb") as file:
            for offset, value in lines:
                file.write(b"%d %b\n" % (offset, value))

    def read(self, place: Partition) -> Iterator[tuple[Position, bytes]]:
        """The same."""
        path = self.folder / f"{place.topic}-{place.number}"
        if path.exists():
            with path.open("rb") as file:
                for line in file:
                    offset, _, value = line.partition(b" ")
                    yield Position(*place, int(offset)), value

    def write_rows(self, name: str, rows: Iterable[tuple[str, object]]) -> None:
        """Rows of a table with their symbols."""
        with (self.folder / f"{name}.rows").open("wb") as file:
            file.writelines(b"%b %b\n" % (symbol.encode(), encode(row)) for symbol, row in rows)

    def rows(self, name: str, belongs: Belongs) -> Iterator[Any]:
        """The rows of some symbols, in the same order."""
        with (self.folder / f"{name}.rows").open("rb") as file:
            for line in file:
                symbol, _, row = line.partition(b" ")
                if belongs(symbol.decode()):
                    yield json.loads(row)


def a_day(records: int, spool: Spool, seed: int = 7) -> list[tuple[Position, bytes]]:
    """The frames of the first so many records of a simulated day, a second or less each, with the ticks of the clock.

    The spool gets them, and the truth.
    """
    frames: list[tuple[Position, bytes]] = []
    offsets: dict[Partition, int] = defaultdict(int)
    places = [Partition(topic.name, number) for topic in RECORD_TOPICS for number in range(SHARDS)]
    waiting: dict[Partition, list[Any]] = {place: [] for place in places}
    facts: list[bytes] = []
    kinds: Counter[str] = Counter()

    def cut(place: Partition) -> None:
        if waiting[place]:
            frame = a_frame(*waiting[place], seq=offsets[place])
            frames.append((Position(*place, offsets[place]), encode(frame)))
            offsets[place] += 1
            waiting[place] = []

    second = number = 0
    size = MarketSize.of(records / RECORDS_OF_A_DAY, None, "index")
    for simulated in generate(seed, DAY, Random, size).records:
        if simulated.channel == "OL":
            # The connector does not ask for odd lots unless it is told to, and the truth has none.
            continue
        number += 1
        if number > records:
            break
        if simulated.due_ms // 1000 > second:
            second = simulated.due_ms // 1000
            for place in places:
                waiting[place].append(a_tick(second * 1000))
                cut(place)
        record: Any = decode(wire.broadcast(simulated.channel, wire.content(simulated)))
        for place in partitions_of(record, SHARDS):
            waiting[place].append(record)
            if len(waiting[place]) >= FRAME_RECORDS:
                cut(place)
        if isinstance(simulated, Trade | Foreign) and record.trading_day == DAY and (fact := fact_of(simulated)) is not None:
            facts.append(fact + _CONNECTED)
            kinds["foreign" if isinstance(simulated, Foreign) else "deals" if simulated.is_deal else "prints"] += 1
    for place in places:
        waiting[place].append(a_tick(second * 1000 + 1000))
        cut(place)
        spool.write(place, ((at.offset, value) for at, value in frames if (at.topic, at.partition) == place))
    header = TruthHeader(
        trading_day=DAY, seed=seed, state="finished", market_ms=UnixMs(second * 1000), stories=[], prints=kinds["prints"],
        deals=kinds["deals"], foreign=kinds["foreign"], generated={}, sent={}, sent_previous_day=0, sent_without_match=0,
        malformed=0,
    )  # fmt: skip
    (spool.folder / "truth").write_bytes(b"".join([encode_line(header), *facts]))
    return frames


def fold(frames: list[tuple[Position, bytes]]) -> Outputs:
    """What all pipelines publish."""
    return folded([(at, _TOPICS[at.topic].decode(value)) for at, value in frames], SHARDS)


def publish(outputs: Outputs, spool: Spool) -> None:
    """Give the spool what was published, and the rows that an archive has of that."""
    for topic, messages in outputs.items():
        for number in range(_TOPICS[topic].partitions(SHARDS)):
            own = [(at.offset, encode(message)) for at, message in messages if at.partition == number]
            spool.write(Partition(topic, number), own)
    for topic, table in TABLES.items():
        for number in range(_TOPICS[topic].partitions(SHARDS)):
            events = [placed for placed in things_in(outputs.get(topic, ())) if placed[0].message.partition == number]
            rows = sorted(expected(table, [(at, event_row(event)) for at, event in events]), key=itemgetter(0))
            spool.write_rows(
                f"{table.view}-{number}", ((str(row.get("symbol", "")), [at.message, at.idx, row]) for at, row in rows)
            )
    for made in DERIVED:
        rows_of = derived.rows_of(made, things_in(outputs.get(made.topic.name, ())))
        spool.write_rows(
            made.view, ((key[0], dict(zip(made.key, key, strict=True)) | dict(row)) for key, (_, row) in rows_of.items())
        )


class SpooledLogs:
    """The topics in a spool."""

    shards = SHARDS

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def read_shard(self, number: int) -> Iterator[tuple[Position, Any]]:
        """Frames of records and of events, those of each partition in order."""
        for topic in (*RECORD_TOPICS, *EVENT_TOPICS):
            if topic.sharded:
                yield from self._read(topic, number)

    def read_whole(self, topic: Topic[Any]) -> Iterator[tuple[Position, Any]]:
        """The messages of a topic with one partition."""
        yield from self._read(topic, 0)

    def _read(self, topic: Topic[Any], number: int) -> Iterator[tuple[Position, Any]]:
        for at, value in self._spool.read(Partition(topic.name, number)):
            yield at, topic.decode(value)

    def latest(self) -> dict[str, dict[str, tuple[EventPosition, Any]]]:
        """The last rows of ``state.*``."""
        return {
            topic.name: latest(
                (EventPosition(at, 0), row) for number in range(topic.partitions(SHARDS)) for at, row in self._read(topic, number)
            )
            for topic in STATE_TOPICS
        }


class SpooledTables:
    """The tables in a spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def rows(self, table: Table, partition: int, belongs: Belongs | None = None) -> Iterator[tuple[EventPosition, Row]]:
        """The rows of some symbols, or all, by their places."""
        for at, idx, row in self._spool.rows(f"{table.view}-{partition}", belongs or _every):
            yield EventPosition(Position(*at), idx), row

    def derived_rows(self, table: Derived, belongs: Belongs) -> Iterator[Row]:
        """The rows of some symbols."""
        yield from self._spool.rows(table.view, belongs)

    def dead_letters(self) -> Iterator[tuple[EventPosition, Row]]:
        """There are none."""
        yield from ()


def _every(symbol: str) -> bool:
    return True


def check(spool: Spool) -> dict[str, float]:
    """Check a day, and say what it took."""
    before_mb = _peak_mb()
    began = time.process_time(), time.perf_counter()
    logs, published = SpooledLogs(spool), Published()
    for topic in RECORD_TOPICS:
        for number in range(SHARDS):
            for at, value in spool.read(Partition(topic.name, number)):
                published.see(Partition(topic.name, number), at.offset, topic.decode(value))
    with (spool.folder / "truth").open("rb") as file:
        truth = TruthFile(file)
        against = TruthComparison(truth.header.trading_day, LostWithConnection())
        checked = ByShard(logs, SpooledTables(spool), logs.latest(), truth, against, published.by_shard())
        found = list(checked.compare(_silent))
    if found:
        raise SystemExit(f"{len(found)} differences on a day that is right, the first: {found[0]}")
    return {
        "records": checked.compared["records"],
        "published": published.records,
        "prints": against.tape.booked,
        "verify_cpu_s": time.process_time() - began[0],
        "verify_s": time.perf_counter() - began[1],
        "before_mb": before_mb,
        "peak_mb": _peak_mb(),
    }


def _silent(line: str) -> None:
    """Progress is shown by nobody here."""


def _peak_mb() -> float:
    # Not getrusage: a process that was begun by a large one counts what that one had.
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(records: int, folder: Path, check_spool: Callable[[Path], dict[str, float]]) -> dict[str, float]:
    """Make a day of so many records, and check it."""
    spool = Spool(folder)
    frames = a_day(records, spool)
    began = time.process_time()
    outputs = fold(frames)
    folds_s = time.process_time() - began
    publish(outputs, spool)
    del frames, outputs
    said = check_spool(folder)
    if said["records"] != said["published"] or not records <= said["records"]:
        raise SystemExit(f"{said['records']:,.0f} records were compared of {records:,}")
    ratio = said["verify_cpu_s"] / folds_s
    return {**said, "folds_cpu_s": folds_s, "verify_over_folds": ratio, "verify_records_per_s": records / said["verify_cpu_s"]}


def _in_its_own_process(folder: Path) -> dict[str, float]:
    asked = [sys.executable, __file__, "--check", str(folder)]
    said: dict[str, float] = json.loads(subprocess.run(asked, check=True, stdout=subprocess.PIPE).stdout)
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="*", default=SIZES)
    parser.add_argument("--check", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check is not None:
        print(json.dumps(check(Spool(arguments.check))))
        return
    for records in arguments.records:
        with tempfile.TemporaryDirectory() as folder:
            said = measured(records, Path(folder), _in_its_own_process)
            print(json.dumps({name: round(value, 2) for name, value in said.items()}), flush=True)


if __name__ == "__main__":
    main()
