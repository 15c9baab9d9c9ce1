"""What larger markets need, reckoned from what one instance does: ``python benchmarks/reckon_scale.py``.

Prints the table of docs/scaling.md, as Markdown: records a second at the peak, times what a record costs, over the skew that
``bench_skew.py`` finds. Nothing here is timed: the same on every machine. A test holds the page to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.bench_skew import busiest, vietnam, world

FOLD_US: Final = 12
"""CPU of folding a record in full frames, where four of five are quotes, as ``bench_folds.py`` measures it."""
STORE_US: Final = 5
"""CPU of a sink a row, in inserts of 50,000, as ``bench_archive.py`` measures it."""
SERVER_US: Final = 2
"""CPU of ClickHouse a row, likewise."""
RECORD_BYTES: Final = 200
"""Of a record on ``ssi.*``, before compression."""
KEPT_DAYS: Final = 7
SESSION_S: Final = 4.5 * 3_600
PEAK_OVER_MEAN: Final = 30
"""Vietnam's busiest second over its mean one: 5,000 records and 150."""


@dataclass(frozen=True)
class Market:
    """A market, at its busiest second."""

    name: str
    symbols: int
    records_s: int
    """A second."""
    partitions: int
    weights: Callable[[], Mapping[str, float]]
    """Each symbol's part of all records."""


MARKETS: Final = (
    Market("Vietnam", 1_900, 5_000, 3, vietnam),
    Market("10 ×", 1_900, 50_000, 6, vietnam),
    Market("100 ×", 20_000, 500_000, 96, lambda: world(20_000)),
    Market("the world", 100_000, 10_000_000, 384, lambda: world(100_000)),
)


def rows(markets: Sequence[Market] = MARKETS) -> list[list[str]]:
    """The table, line by line: what it is of, and a cell for each market."""
    fold = [market.records_s * FOLD_US / 1e6 for market in markets]
    store = [market.records_s * (STORE_US + SERVER_US) / 1e6 for market in markets]
    wire = [market.records_s * RECORD_BYTES for market in markets]
    mean = [cores / market.partitions for cores, market in zip(fold, markets, strict=True)]
    worst = [each * busiest(market.weights(), market.partitions) for each, market in zip(mean, markets, strict=True)]
    kept = [each / PEAK_OVER_MEAN * SESSION_S * KEPT_DAYS for each in wire]
    return [
        ["", *(market.name for market in markets)],
        ["---", *("---" for _ in markets)],
        ["symbols", *(f"{market.symbols:,}" for market in markets)],
        ["records a second, in the busiest second", *(f"{market.records_s:,}" for market in markets)],
        [f"cores that fold prices, at {FOLD_US} µs", *map(plain, fold)],
        ["partitions", *(f"{market.partitions:,}" for market in markets)],
        ["cores that the mean partition takes", *map(plain, mean)],
        ["cores that the busiest partition takes", *map(plain, worst)],
        [f"into Kafka, at {RECORD_BYTES} bytes a record, before compression", *(f"{size(each)}/s" for each in wire)],
        [f"kept for {KEPT_DAYS} days of 4.5 hours, a thirtieth of the peak on average", *map(size, kept)],
        [f"cores that write the archive, sink and server at {STORE_US + SERVER_US} µs", *map(plain, store)],
    ]  # fmt: skip


def plain(number: float) -> str:
    """Two significant digits."""
    return f"{float(f'{number:.2g}'):,.12g}"


def size(number_bytes: float) -> str:
    """So many bytes, in the largest unit that leaves one."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB")):
        if number_bytes >= 1_000**power:
            return f"{plain(number_bytes / 1_000**power)} {unit}"
    return f"{number_bytes:,.0f} bytes"


def table() -> str:
    """The table, as it is on the page."""
    return "\n".join(f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in rows())


if __name__ == "__main__":
    print(table())
