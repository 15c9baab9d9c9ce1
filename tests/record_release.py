"""Keep what this release writes, so that every later one is held to reading it: ``make record``.

Half an hour of a seeded morning goes through the connector and all pipelines, without Kafka: a few symbols, one outage, records
that cannot be decoded, and two falls of a counter that are still undecided at the end. A few dozen messages of each topic become
``schemas/examples/<topic>/previous/<release>.jsonl``; the state of every shard, and all messages of the minute after,
``tests/fixtures/<release>/``. Run it once for a release, before anything is changed for the next.
"""

import base64
import gzip
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketDay, generate
from connectors.ssi.simulator.core.records import Foreign, SimulatedRecord, Trade
from schemas.calendar import at
from schemas.shards import shard_of
from schemas.structs import ReferenceRecord
from schemas.topics import SSI_REFERENCE, SSI_STATUS, SSI_WIRE, TOPICS
from schemas.units import MonotonicMs, Symbol, TradingDay, UnixUs
from tests.builders import a_reference
from tests.last_release import SHARDS, Folds, Said

ROOT: Final = Path(__file__).parents[1]
DAY: Final = TradingDay(20261120)
BEGINS_MS, CUT_MS, ENDS_MS = at(DAY, 9, 10), at(DAY, 9, 40), at(DAY, 9, 41)
DOWN_MS: Final = range(at(DAY, 9, 25), at(DAY, 9, 25, 40))
"""When the connection is lost."""
STOCKS: Final = 4
"""How many stocks are kept, beside those of the simulated day's stories."""
EXAMPLE_BYTES: Final = 40_000
"""Of a topic's examples, together."""
EVENLY: Final = 25
"""So many examples are spread over the half hour, whatever is in them."""
UNDECODABLE: Final = '{"DataType":"X-TRADE","Content":"{}"}'
MINUTE_MS: Final = 60_000


class Written(NamedTuple):
    """A message and the market second in which it was written."""

    said: Said
    at_ms: int


class Recorder:
    """The topics, as far as anything has been written to them, and the pipelines that read them."""

    def __init__(self) -> None:
        self.written: list[Written] = []
        self.folds = Folds({})
        self.now_ms: int = BEGINS_MS
        self._ends: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._topics = {topic.name: topic for topic in TOPICS}

    def write(self, topic: str, key: str | None, value: bytes) -> None:
        """Append a message, and whatever the pipelines make of it."""
        partitions = self._topics[topic].partitions(SHARDS)
        partition = 0 if key is None else shard_of(key, partitions)
        offset = self._ends[topic, partition]
        self._ends[topic, partition] += 1
        said = Said(self._topics[topic], partition, offset, key or "", value)
        self.written.append(Written(said, self.now_ms))
        folded = self.folds.fold(said)
        for output in (*folded.outputs, *filter(None, [folded.adopted])):
            self.write(output.topic.name, output.key, output.value)


def main() -> None:
    """Play, and write the files."""
    release = version("stock-tracker")
    recorder = Recorder()
    state = play(recorder)
    for topic in TOPICS:
        half_hour = [w.said.value for w in recorder.written if w.said.topic is topic and w.at_ms < CUT_MS]
        folder = ROOT / "schemas" / "examples" / topic.name / "previous"
        folder.mkdir(exist_ok=True)
        (folder / f"{release}.jsonl").write_bytes(b"".join(value + b"\n" for value in examples(half_hour)))
    folder = ROOT / "tests" / "fixtures" / release
    folder.mkdir(parents=True, exist_ok=True)
    write_gzip(folder / "state.json.gz", [json.dumps(state, indent=1, sort_keys=True)])
    bulk = (SSI_WIRE, SSI_REFERENCE, SSI_STATUS)
    minute = [w.said for w in recorder.written if w.at_ms >= CUT_MS and w.said.topic not in bulk]
    write_gzip(folder / "minute.jsonl.gz", (line_of(said) for said in minute))


def play(recorder: Recorder) -> dict[str, dict[str, str]]:
    """Let the market run; the state of every shard as it was at the cut."""
    market = generate(7, DAY, Random)
    seconds = records_by_second(market)
    outbox = Outbox(1_000_000, 1_000_000_000)
    stream = RecordStream("a", SHARDS, WallClock(), outbox, "ALL")
    hub = HubClient("https://fc-datahub.ssi.com.vn/", "X-TRADE:ALL")
    state: dict[str, dict[str, str]] = {}

    def flush() -> None:
        while (message := outbox.take()) is not None:
            recorder.write(message.topic, message.key, message.value)

    for ms in range(BEGINS_MS, ENDS_MS, 1000):
        recorder.now_ms = ms
        now_us, health = UnixUs(ms * 1000), "down" if ms in DOWN_MS else "up"
        if ms == CUT_MS:
            state = {
                shard: {key.decode("latin-1"): base64.b64encode(value).decode() for key, value in cells.items()}
                for shard, cells in recorder.folds.state.items()
            }
        if ms in (BEGINS_MS, DOWN_MS.stop):
            stream.begin(now_us)
        if ms == BEGINS_MS:
            stream.refer(references(market), now_us)
        stream.tick(now_us, "down" if health == "down" else "up")
        if health == "up":
            for text in hub_messages(seconds[ms]):
                stream.keep(text, now_us)
                for action in hub.receive(text, MonotonicMs(ms)):
                    if isinstance(action, Publish):
                        stream.publish(action.arguments, now_us)
            if ms % (5 * MINUTE_MS) == 0:
                stream.publish([UNDECODABLE], now_us)
        if ms % MINUTE_MS == 0:
            stream.report("up" if health == "up" else "down", "" if health == "up" else "silent", now_us)
        # Frames go out when they are five milliseconds old.
        stream.tick(UnixUs(now_us + 6_000), "down" if health == "down" else "up")
        if ms + 1000 in (CUT_MS, ENDS_MS):
            stream.flush()
        flush()
    return state


def records_by_second(market: MarketDay) -> defaultdict[int, list[SimulatedRecord]]:
    """What the exchanges say of a few symbols, by the second in which it is due, and two falls just before the cut."""
    kept = symbols(market)
    seconds: defaultdict[int, list[SimulatedRecord]] = defaultdict(list)
    last: dict[tuple[str, type], SimulatedRecord] = {}
    for record in market.records:
        if record.due_ms < ENDS_MS and record.listing.symbol in kept:
            seconds[max(record.due_ms, BEGINS_MS) // 1000 * 1000].append(record)
            if record.due_ms < CUT_MS and (not isinstance(record, Trade) or record.volume):
                last[record.listing.symbol, type(record)] = record
    ts_ms = CUT_MS - 1000
    one, other = sorted(kept & {stock.symbol for stock in market.universe.stocks})[:2]
    trade, foreign = last[one, Trade], last[other, Foreign]
    if isinstance(trade, Trade) and isinstance(foreign, Foreign):
        seconds[ts_ms].append(msgspec.structs.replace(trade, ts_ms=ts_ms, total_volume=trade.total_volume * 95 // 100))
        seconds[ts_ms].append(msgspec.structs.replace(foreign, ts_ms=ts_ms, bought=foreign.bought * 95 // 100))
    return seconds


def symbols(market: MarketDay) -> set[str]:
    """Some stocks, those of the stories, two futures and the two indices."""
    universe = market.universe
    stocks = {stock.symbol for stock in universe.stocks}
    told = {story.symbol for story in market.stories} & stocks
    return (
        {stock.symbol for stock in universe.stocks[:STOCKS]}
        | told
        | {f.symbol for f in universe.futures[:2]}
        | {"VN30", "VNINDEX"}
    )


def references(market: MarketDay) -> list[ReferenceRecord]:
    kept = symbols(market)
    return [
        a_reference(Symbol(listing.symbol), trading_day=DAY, exchange=listing.exchange)
        for listing in sorted((*market.universe.stocks, *market.universe.futures), key=lambda listing: listing.symbol)
        if listing.symbol in kept
    ]


def hub_messages(records: list[SimulatedRecord]) -> Iterator[str]:
    """The messages of the hub that carry ``records``, eight in each."""
    invocations = [wire.encode(record) for record in records]
    for first in range(0, len(invocations), 8):
        yield '{"C":"d-1","M":[' + ",".join(invocations[first : first + 8]) + "]}"


def examples(values: list[bytes]) -> list[bytes]:
    """A few dozen of ``values``, in order: one of each shape first, then some that are spread evenly."""
    by_shape: dict[str, int] = {}
    for number, value in enumerate(values):
        by_shape.setdefault(shape_of(value), number)
    shapes = sorted(by_shape.values(), key=lambda number: len(values[number]))
    kept: set[int] = set()
    size = 0
    for number in (*shapes, *range(0, len(values), max(1, len(values) // EVENLY))):
        if number not in kept and (not kept or size + len(values[number]) <= EXAMPLE_BYTES):
            kept.add(number)
            size += len(values[number])
    return [values[number] for number in sorted(kept)]


WORDS: Final = ("kind", "cause", "phase", "late", "health", "session", "rule", "alias", "state", "changed", "reason")


def shape_of(value: bytes) -> str:
    """What kinds of things a message holds and which of its fields are null."""

    def shape(part: Any) -> Any:
        if isinstance(part, dict):
            return [
                (name, part[name] if name in WORDS else shape(inner))
                for name, inner in sorted(part.items())
                if name in WORDS or inner is None or isinstance(inner, dict | list)
            ]
        return sorted({repr(shape(inner)) for inner in part}) if isinstance(part, list) else None

    return repr(shape(msgspec.json.decode(value)))


def line_of(said: Said) -> str:
    fields = {"topic": said.topic.name, "partition": said.partition, "offset": said.offset, "key": said.key}
    return json.dumps({**fields, "value": said.value.decode()}, separators=(",", ":"), ensure_ascii=False)


def write_gzip(path: Path, lines: Iterable[str]) -> None:
    """Write the same bytes for the same lines: no time, no name."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
