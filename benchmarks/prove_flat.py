"""Whether a whole day leaves a stack as it was: ``python benchmarks/prove_flat.py [--speed 240]``.

Eight hours of the light day of ``stock-tracker up`` are played, from 08:00 to 16:00. All the while it is looked at what each
process has (memory, descriptors, threads), how large the files of each pipeline's state are, and how many bytes each topic and
each table of the archive takes on disk. Everything is *warm* in the second fifth of the day: imports are done, and every symbol
has been seen. What there is at the end is held against that.

- Descriptors and threads stay as they are.
- Memory stays as it is to a tenth, or grows with the values of a pipeline's state. What keeps the day by design grows with it: so
  many bytes a record, no more in the second half of the day than in the first, and never more than it may have.
- State: what is sorted is no larger than a few times its values. What the engine writes ahead is no more than a buffer for each
  store, and its own log has a line for each file that it made.
- A topic and a table grow with their messages and rows: what one of these takes stays as it is to a fifth.

It prints all of it, and exits with 1 when something grows that has no reason to. At this speed Kafka compacts nothing: a minute
of the wall is four hours of the market. That compacted topics stay small is shown by ``make prove-kills``.
"""

import argparse
import asyncio
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp
from confluent_kafka import Consumer, TopicPartition

from connectors.clickhouse.client import connect
from stock_tracker.bench.machine import folder_of_run
from stock_tracker.bench.stacks import MeasuredStack, measured_stack
from stock_tracker.bench.usage import ProcessUsage
from stock_tracker.stack.up import played_and_drained
from stock_tracker.verify.stack import archive_of

HOURS = ("08:00", "16:00")
HOURS_S = 8 * 3_600
LOOK_S = 2.0
WARM = (0.2, 0.4)
"""From when to when in the day everything is warm, in parts of it."""
END = 0.9
MOST_HANDLES = 4
"""Descriptors or threads more than before, which may be open for a moment: for a request, or a file that is compacted."""
FILES = {"broker": "the files of each segment", "archive": "those of the parts that it reads and merges"}
"""Whose descriptors go up and down with the files that there are, to twice as many at most."""
MEMORY_PART = 0.10
BYTES_PART = 0.20
FEW_MB = 5.0
"""Growth that is none: what an allocator keeps for the next time."""
KEEPING = {
    "broker": ("its heap fills up to the 512 MB that it may have", 600.0),
    "archive": ("it keeps marks, parts and caches of what was inserted", 600.0),
    "simulator": ("it keeps what it has sent, for whoever asks for the truth", 600.0),
    "foreign": ("it keeps the minutes of the day and the reports that wait for one", 300.0),
    "gateway": ("it keeps the candles and alerts of the day for whoever comes", 300.0),
    "alerts": ("it keeps what its rules have to remember of the day", 300.0),
}
"""What keeps the day in memory, why, and the most that it may have, in MB; the limits are those of docs/benchmarks.md."""
MOST_FASTER = 1.5
"""What keeps the day may take so many times the bytes a record in the second half of the day that it took in the first."""
OBJECTS = 25
"""A pipeline has its values in memory, as objects that take up to so many times the bytes that they are packed into."""
SORTED_PART = 4.0
"""RocksDB holds several versions of a value until it merges its levels."""
A_FILE = 64 * 1024
"""Bytes that the files of a store have beside its values: indexes, filters, and RocksDB's log of what it did."""
WRITTEN_AHEAD = 64 << 20
"""Bytes that RocksDB writes ahead of its sorted files, at most, for each store."""
FEW_ENTRIES = 200
"""Below so many messages or rows the frame that they stand in weighs more than they do."""
_STATE_BYTES = re.compile(r"^stock_tracker_pipelines_state_bytes\{.*\} (\S+)$", re.MULTILINE)


class State(NamedTuple):
    """What is kept of a pipeline's shards."""

    stores: int
    values: int
    """Bytes of keys and values, as its metrics tell them."""
    in_order: int
    """Bytes of sorted files."""
    ahead: int
    """Bytes of what was written ahead of them."""
    told: int
    """Bytes of the engine's own log."""


class Handles(NamedTuple):
    """What a process holds of the kernel."""

    descriptors: int
    threads: int


class Stored(NamedTuple):
    """What is on disk of a thing that grows, and of how many entries."""

    size: int
    """Bytes."""
    entries: int


@dataclass(frozen=True)
class Look:
    """What there was at a moment."""

    at_s: float
    """Seconds since the first."""
    records: int
    usage: Mapping[str, ProcessUsage]
    handles: Mapping[str, Handles]
    state: Mapping[str, State]
    """By pipeline."""
    topics: Mapping[str, Stored]
    tables: Mapping[str, Stored]


def handles_of(pid: int) -> Handles:
    status = Path(f"/proc/{pid}/status").read_text()
    (threads,) = re.findall(r"^Threads:\s+(\d+)$", status, re.MULTILINE)
    return Handles(sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()), int(threads))


def size_of(folder: Path, kind: str = "*") -> int:
    """Bytes of the files beneath a folder; those that go meanwhile are passed over."""
    size = 0
    for file in folder.rglob(kind):
        with contextlib.suppress(FileNotFoundError):
            size += file.stat().st_size if file.is_file() else 0
    return size


def state_in(folder: Path, values: int) -> State:
    stores = sum(1 for _ in folder.rglob("CURRENT"))
    return State(stores, values, size_of(folder, "*.sst"), size_of(folder, "*.log"), size_of(folder, "LOG*"))


class Watch:
    """Looks at a stack."""

    def __init__(self, stack: MeasuredStack) -> None:
        self._stack = stack
        self._home = stack.up.stack.home
        self._began = time.monotonic()
        self._consumer = Consumer({**stack.up.stack.kafka, "group.id": "prove-flat"})
        sink = archive_of(stack.up.stack.environment)
        self._archive = connect(sink.clickhouse_url, sink.user, sink.read_password(), sink.database)

    def close(self) -> None:
        self._consumer.close()
        self._archive.close()

    async def look(self) -> Look:
        records = (await self._stack.simulator.status()).records
        async with aiohttp.ClientSession() as http:
            metrics = {part.name: await self._metrics(http, part.port) for part in self._stack.up.stack.pipelines}
        return await asyncio.to_thread(self._look, records, metrics)

    async def _metrics(self, http: aiohttp.ClientSession, port: int) -> str:
        async with http.get(f"http://127.0.0.1:{port}/metrics") as answer:
            return await answer.text()

    def _look(self, records: int, metrics: Mapping[str, str]) -> Look:
        pids = self._stack.pids()
        state = {
            name: state_in(self._home.root / "state" / f"{name}-0", int(sum(map(float, _STATE_BYTES.findall(said)))))
            for name, said in metrics.items()
        }
        return Look(
            time.monotonic() - self._began, records, self._stack.usage(), {name: handles_of(pid) for name, pid in pids.items()},
            state, self._topics(), self._tables(),
        )  # fmt: skip

    def _topics(self) -> dict[str, Stored]:
        found: dict[str, Stored] = {}
        for name, topic in self._consumer.list_topics(timeout=30).topics.items():
            ends = [
                self._consumer.get_watermark_offsets(TopicPartition(name, number), timeout=30)[1] for number in topic.partitions
            ]
            size = sum(size_of(folder, "*.log") for folder in (self._home.kafka / "data").glob(f"{name}-[0-9]*"))
            found[name] = Stored(size, sum(ends))
        return found

    def _tables(self) -> dict[str, Stored]:
        asked = (
            "SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts "
            "WHERE active AND database = currentDatabase() GROUP BY table"
        )
        return {table: Stored(size, rows) for table, size, rows in self._archive.query(asked).result_rows}


async def watched(home: Path, speed: float, tell: Callable[[str], None]) -> list[Look]:
    seconds = HOURS_S / speed
    tell(f"eight hours in {seconds:,.0f} s")
    looks: list[Look] = []
    async with measured_stack(home, tell, speed=speed, hours=HOURS) as stack:
        watch = Watch(stack)

        async def look_again() -> None:
            while True:
                looks.append(await watch.look())
                await asyncio.sleep(LOOK_S)

        looking = asyncio.create_task(look_again())
        try:
            await played_and_drained(stack.up, stack.simulator, seconds)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
        stack.check()
        await asyncio.to_thread(watch.close)
    return looks


class Finding(NamedTuple):
    """One thing that was watched."""

    name: str
    before: str
    after: str
    said: str
    is_right: bool


def _at(looks: Sequence[Look], begin: float, end: float) -> list[Look]:
    last_s = looks[-1].at_s
    return [look for look in looks if begin * last_s <= look.at_s <= end * last_s]


def of_memory(looks: Sequence[Look]) -> Iterator[Finding]:
    """What each process has resident; of what keeps the day, the bytes a record in either half."""
    warm, middle, end = _at(looks, *WARM), _at(looks, 0.55, 0.65), _at(looks, END, 1.0)

    def mb(part: Sequence[Look], name: str) -> float:
        return median(look.usage[name].resident_mb for look in part)

    for name in sorted(looks[0].usage):
        before, after = mb(warm, name), mb(end, name)
        growth = after - before
        kept = KEEPING.get(name)
        values = looks[-1].state[name].values - warm[0].state[name].values if name in looks[-1].state else 0
        if growth <= max(MEMORY_PART * before, FEW_MB):
            said, is_right = f"{growth / before:+.0%}", True
        elif growth * 2**20 <= OBJECTS * values:
            said = f"{growth / before:+.0%}, {growth * 2**20 / values:.0f} x the {values / 1024:,.0f} KiB that its values grew by"
            is_right = True
        elif kept is None:
            said, is_right = f"{growth / before:+.0%}, and it keeps nothing", False
        else:
            first, second = (
                (mb(later, name) - mb(sooner, name)) * 2**20 / (later[len(later) // 2].records - sooner[len(sooner) // 2].records)
                for sooner, later in ((warm, middle), (middle, end))
            )
            is_right = second <= max(MOST_FASTER * first, FEW_MB * 2**20 / end[0].records) and after <= kept[1]
            said = f"{first:,.0f} bytes a record, then {second:,.0f}; of {kept[1]:.0f} MB: {kept[0]}"
        yield Finding(name, f"{before:,.0f} MB", f"{after:,.0f} MB", said, is_right)


def of_handles(looks: Sequence[Look]) -> Iterator[Finding]:
    """Descriptors and threads of each process."""
    warm, end = _at(looks, *WARM), _at(looks, END, 1.0)
    for name in sorted(looks[0].handles):
        for place, what in enumerate(Handles._fields):
            before = max(look.handles[name][place] for look in warm)
            after = max(look.handles[name][place] for look in end)
            files = FILES.get(name) if what == "descriptors" else None
            most = before + MOST_HANDLES if files is None else 2 * before
            said = f"{after - before:+}{f': {files}' if files else ''}"
            yield Finding(f"{name}: {what}", f"{before}", f"{after}", said, after <= most)


def of_state(looks: Sequence[Look]) -> Iterator[Finding]:
    """The files of each pipeline's state, for the values in them."""
    warm, end = _at(looks, *WARM)[-1], looks[-1]
    for name, state in sorted(end.state.items()):
        before = warm.state[name]
        yield Finding(
            f"{name}: values",
            f"{before.values / 1024:,.0f} KiB",
            f"{state.values / 1024:,.0f} KiB",
            f"{state.stores} stores",
            True,
        )
        most = SORTED_PART * state.values + state.stores * A_FILE
        yield Finding(
            f"{name}: sorted", f"{before.in_order / 1024:,.0f} KiB", f"{state.in_order / 1024:,.0f} KiB",
            f"at most {most / 1024:,.0f} KiB, by its values", state.in_order <= most,
        )  # fmt: skip
        most = state.stores * WRITTEN_AHEAD
        yield Finding(
            f"{name}: ahead", f"{before.ahead / 1024:,.0f} KiB", f"{state.ahead / 1024:,.0f} KiB",
            f"at most {most >> 20:,} MiB, a buffer a store", state.ahead <= most,
        )  # fmt: skip
        yield Finding(
            f"{name}: told", f"{before.told / 1024:,.0f} KiB", f"{state.told / 1024:,.0f} KiB", "RocksDB's own log",
            state.told <= before.told + state.stores * A_FILE,
        )  # fmt: skip


def of_stored(before: Mapping[str, Stored], after: Mapping[str, Stored]) -> Iterator[Finding]:
    """What each topic, or each table, takes for one of its entries."""
    for name, now in sorted(after.items()):
        then = before.get(name, Stored(0, 0))
        sizes = (f"{then.size / 1024:,.0f} KiB", f"{now.size / 1024:,.0f} KiB")
        if then.entries < FEW_ENTRIES:
            yield Finding(name, *sizes, f"{then.entries:,} entries, then {now.entries:,}", True)
            continue
        first, added = then.size / then.entries, (now.size - then.size) / max(now.entries - then.entries, 1)
        said = f"{first:,.1f} bytes an entry, then {added:,.1f} of {now.entries:,}"
        yield Finding(name, *sizes, said, added <= (1 + BYTES_PART) * first or now.size - then.size < FEW_MB * 2**20 / 10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--speed", type=float, default=240.0, help="market seconds a second")
    asked = parser.parse_args()
    with folder_of_run() as home:
        looks = asyncio.run(watched(home, asked.speed, lambda line: print(f"  {line}", file=sys.stderr, flush=True)))
    assert len(looks) > 20, "the day was too short to be watched"
    assert looks[-1].records > 50_000, "this was no whole day"
    warm = _at(looks, *WARM)[-1]
    print(f"{looks[-1].records:,} records in {looks[-1].at_s:,.0f} s; warm at {warm.records:,}")
    wrong = 0
    for title, findings in (
        ("memory", of_memory(looks)),
        ("handles", of_handles(looks)),
        ("state", of_state(looks)),
        ("topics", of_stored(warm.topics, looks[-1].topics)),
        ("tables", of_stored(warm.tables, looks[-1].tables)),
    ):
        print(title)
        for finding in findings:
            wrong += not finding.is_right
            sign = " " if finding.is_right else "!"
            print(f"{sign} {finding.name:<64} {finding.before:>11} {finding.after:>11}  {finding.said}")
    print(f"{wrong} things grow that have no reason to" if wrong else "flat, or as computed")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
