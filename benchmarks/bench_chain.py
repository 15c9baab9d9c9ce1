"""CPU of everything behind the connector, process by process: a broker, four pipelines, the sink, the archive, the gateway.

    python benchmarks/bench_chain.py                        this commit
    python benchmarks/bench_chain.py --against DIR          and another's files, in turn: round by round
    python benchmarks/bench_chain.py --layout apart process application
                                                            pipelines of records in three processes, one, one application

All processes are started and ready; then a market of matches and quotes (1 to 4, over 1,600 symbols, in frames of 50) is appended
to ``ssi.ticks`` as fast as the broker takes it. Measured is from then until all of it is in the archive, on the gateway, and read
by every consumer group. Starting up is not in the figures.

What arrived is compared with what was sent: every match and every change of a best price is a row, each symbol has its volume in
the archive, and its last price and its last book on the gateway.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple, get_args

from confluent_kafka import Producer

from benchmarks.bench_prices import PER_FRAME, a_market
from benchmarks.chain import HERE, LOOK_S, PATIENCE_S, SHARING, Chain, Layout, Usage, running
from schemas.shards import shard_keys
from schemas.structs import QuoteRecord, TradeRecord
from schemas.topics import SSI_TICKS
from stock_tracker.stack.drain import Backlog, ConsumerGroup, first_with_unread


class Sent(NamedTuple):
    """What a market comes to."""

    ticks: int
    """Matches and quotes."""
    matches: int
    quotes: int
    """Those that change the best price or volume of a side."""
    volumes: dict[str, int]
    """What was matched of each symbol."""
    last: dict[str, int]
    """The price of each symbol's last match."""
    bids: dict[str, list[int]]
    asks: dict[str, list[int]]
    """The last book of each symbol."""


class Measured(NamedTuple):
    """A round."""

    seconds: float
    """From the first tick appended to the last one in the archive and on the gateway."""
    cpu_us: dict[str, float]
    """Microseconds of CPU a tick, by process."""
    peak_mb: dict[str, float]


def sum_up(frames: list[tuple[int, bytes]]) -> Sent:
    """Say what ``frames`` come to, record by record, without the pipelines."""
    volumes: Counter[str] = Counter()
    last: dict[str, int] = {}
    bids: dict[str, list[int]] = {}
    asks: dict[str, list[int]] = {}
    matches = quotes = ticks = 0
    for _, value in frames:
        for record in SSI_TICKS.decode(value).records:
            if isinstance(record, TradeRecord):
                ticks, matches = ticks + 1, matches + 1
                volumes[record.symbol] += record.volume
                last[record.symbol] = record.price
            elif isinstance(record, QuoteRecord):
                ticks += 1
                quotes += record.bids[:2] != bids.get(record.symbol, [])[:2] or record.asks[:2] != asks.get(record.symbol, [])[:2]
                bids[record.symbol], asks[record.symbol] = list(record.bids), list(record.asks)
    return Sent(ticks, matches, quotes, dict(volumes), last, bids, asks)


def append(chain: Chain, frames: list[tuple[int, bytes]], shards: int) -> None:
    """Put all frames on ``ssi.ticks``."""
    producer = Producer({**chain.kafka, "partitioner": "murmur2", "compression.type": "lz4", "linger.ms": 5})
    keys = shard_keys(shards)
    for shard, value in frames:
        while True:
            try:
                producer.produce(SSI_TICKS.name, key=keys[shard], value=value)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()


def is_through(chain: Chain, sent: Sent) -> bool:
    """Whether all rows are in the archive, and the last ones on the gateway."""
    # The archive first: what it has was committed, and so was shown before.
    counts = chain.ask("SELECT (SELECT count() FROM trades), (SELECT count() FROM quotes)")
    found = [int(count) for count in counts[0]]
    for came, wanted in zip(found, (sent.matches, sent.quotes), strict=True):
        assert came <= wanted, f"{came} rows of {wanted}: some came twice"
    return found == [sent.matches, sent.quotes] and not differences(chain, sent)


def differences(chain: Chain, sent: Sent) -> list[str]:
    """Which symbols the gateway does not show as they were last."""
    rows = {row["symbol"]: row for row in chain.board()}
    shown = {symbol: (row["last"], list(row["bids"]), list(row["asks"])) for symbol, row in rows.items()}
    wanted = {
        symbol: (sent.last.get(symbol), sent.bids.get(symbol, []), sent.asks.get(symbol, []))
        for symbol in sent.last.keys() | sent.bids.keys()
    }
    return [symbol for symbol, row in wanted.items() if shown.get(symbol) != row]


def measure(directory: Path, frames: list[tuple[int, bytes]], sent: Sent, shards: int, layout: Layout) -> Measured:
    with running(directory, shards=shards, layout=layout) as chain:
        before = chain.usage()
        began = time.monotonic()
        append(chain, frames, shards)
        while not is_through(chain, sent):
            chain.usage()
            assert time.monotonic() - began < PATIENCE_S, f"not through: {differences(chain, sent)[:5]}"
            time.sleep(LOOK_S)
        seconds = time.monotonic() - began
        # Alerts may come later than the rows that they are of.
        backlog = Backlog(chain.kafka)
        groups = [group for group in groups_of(directory) if layout != "application" or not group.name.endswith(SHARING)]
        while (group := first_with_unread(backlog, groups)) is not None:
            assert time.monotonic() - began < PATIENCE_S, f"{group.name} has not read all"
            time.sleep(LOOK_S)
        backlog.close()
        after = chain.usage()
        check(chain, sent)
    return Measured(seconds, _each(before, after, sent.ticks), {name: usage.peak_mb for name, usage in after.items()})


def check(chain: Chain, sent: Sent) -> None:
    """Look at what the archive has of each symbol."""
    rows = chain.ask(
        "SELECT symbol, kind, sum(volume), toInt64(max(total_volume)), uniq(start) = count() FROM trades GROUP BY ALL"
    )
    assert {kind for _, kind, *_ in rows} == {"print"}, "every match is a print, and none is missing"
    assert {symbol: int(volume) for symbol, _, volume, *_ in rows} == sent.volumes, "each symbol has its volume"
    assert all(int(volume) == int(total) for _, _, volume, total, _ in rows), "and the feed's total is what was booked"


def _each(before: dict[str, Usage], after: dict[str, Usage], ticks: int) -> dict[str, float]:
    return {name: (usage.cpu_s - before[name].cpu_s) / ticks * 1e6 for name, usage in after.items()}


def groups_of(directory: Path) -> list[ConsumerGroup]:
    """The consumer groups of a checkout, upstream first: another one's may read other topics."""
    code = (
        "from stock_tracker.stack.drain import consumer_groups; [print(each.name, *each.topics) for each in consumer_groups('')]"
    )
    return [ConsumerGroup(name, tuple(topics)) for name, *topics in map(str.split, _ask(directory, code).decode().splitlines())]


def version_of(directory: Path) -> bytes:
    """The version of frames that a checkout writes."""
    return _ask(directory, "from schemas.topics import SSI_TICKS; print(SSI_TICKS.version)").strip()


def _ask(directory: Path, code: str) -> bytes:
    """What Python code prints with the files of a checkout."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", code]
    environ = {"PYTHONPATH": str(directory)}
    return subprocess.run(command, env=environ, cwd=directory, check=True, stdout=subprocess.PIPE).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="DIR", help="a clone at another commit")
    parser.add_argument("--layout", nargs="*", choices=get_args(Layout), default=["apart"], help="of the pipelines, in turn")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ticks", type=int, default=100_000)
    parser.add_argument("--shards", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    frames = a_market(arguments.ticks, arguments.shards)
    sent = sum_up(frames)
    sides: list[tuple[Path, Layout]] = [(HERE, layout) for layout in arguments.layout]
    if arguments.against:
        sides.append((Path(arguments.against).resolve(), "apart"))
    assert len({version_of(side) for side, _ in sides}) == 1, "all read the same frames"
    rounds: list[list[Measured]] = [[] for _ in sides]
    for _ in range(arguments.rounds):
        for (side, layout), measured in zip(sides, rounds, strict=True):
            measured.append(measure(side, frames, sent, arguments.shards, layout))
            if not arguments.json:
                print(_line(f"{side} ({layout})", measured[-1], sent), flush=True)
    figures: dict[str, Any] = {
        "ticks": sent.ticks, "frame": PER_FRAME, "symbols": len(sent.last.keys() | sent.bids.keys()), "shards": arguments.shards,
        "ticks_a_second": [[round(sent.ticks / each.seconds) for each in side] for side in rounds],
        "cpu_us_a_tick": [[round(sum(each.cpu_us.values()), 1) for each in side] for side in rounds],
        "cpu_us_a_tick_by_process": [
            {name: round(statistics.median(each.cpu_us[name] for each in side), 1) for name in side[0].cpu_us} for side in rounds
        ],
        "peak_mb": [{name: round(max(each.peak_mb[name] for each in side)) for name in side[0].peak_mb} for side in rounds],
    }  # fmt: skip
    if len(sides) > 1:
        cpu, pace = ([statistics.median(values) for values in figures[name]] for name in ("cpu_us_a_tick", "ticks_a_second"))
        figures |= {"cpu_ratio": round(cpu[0] / cpu[-1], 3), "rate_ratio": round(pace[0] / pace[-1], 2)}
    print(json.dumps(figures))


def _line(side: str, measured: Measured, sent: Sent) -> str:
    parts = ", ".join(f"{name} {us:.0f}" for name, us in sorted(measured.cpu_us.items(), key=lambda each: -each[1]))
    total = sum(measured.cpu_us.values())
    return f"{side}: {sent.ticks / measured.seconds:,.0f} ticks/s, {total:.0f} µs of CPU a tick: {parts}"


if __name__ == "__main__":
    main()
