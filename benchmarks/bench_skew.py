"""How evenly symbols spread over partitions: ``python benchmarks/bench_skew.py``.

A symbol's shard is ``murmur2(symbol) mod partitions``, so the busiest shard decides how fast a pipeline is, not the mean one. Two
markets are spread: Vietnam's 1,900 symbols with the tickers and weights of the simulator's universe (thirty large stocks, a long
tail; ten stocks have a third of all prints), and a made-up global one of 100,000 symbols whose activity follows Zipf's law. For
each count of partitions:

- *busiest*: its share of all records, over the mean share; 1 would be perfectly even.
- *useful*: how many partitions' worth of work can be done at a time: the partitions divided by that.
- *one symbol*: the busiest symbol alone, over the mean share of a partition. Above 1, no way of spreading symbols can be even.

Nothing here is timed: the same on every machine.
"""

import argparse
from collections.abc import Mapping, Sequence

from connectors.ssi.simulator.core.universe import MOST_SYMBOLS, universe_of
from schemas.shards import shard_of
from schemas.units import TradingDay

DAY = TradingDay(20261120)
GLOBAL_SYMBOLS = 100_000
GLOBAL_EXPONENT = 0.9
"""Of Zipf's law: the thousand busiest of 100,000 symbols then have two fifths of all records."""
PARTITIONS = (3, 6, 12, 24, 48, 96)
GLOBAL_PARTITIONS = (96, 192, 384, 768, 1_536)


def vietnam() -> dict[str, float]:
    """Each symbol's part of all prints."""
    return {stock.symbol: stock.weight for stock in universe_of(DAY, MOST_SYMBOLS).stocks}


def world(symbols: int) -> dict[str, float]:
    """Each symbol's part of all records of a made-up global market."""
    pulls = {f"S{number:06}": 1 / (number + 10) ** GLOBAL_EXPONENT for number in range(symbols)}
    total = sum(pulls.values())
    return {symbol: pull / total for symbol, pull in pulls.items()}


def busiest(weights: Mapping[str, float], partitions: int) -> float:
    """The share of the busiest partition, over the mean."""
    shares = [0.0] * partitions
    for symbol, weight in weights.items():
        shares[shard_of(symbol, partitions)] += weight
    return max(shares) * partitions


def spread(name: str, weights: Mapping[str, float], counts: Sequence[int]) -> None:
    first = sorted(weights.values(), reverse=True)
    print(
        f"{name}: {len(weights):,} symbols; the busiest has {first[0]:.2%} of the records, the ten busiest {sum(first[:10]):.0%}"
    )
    print("  partitions   busiest   useful   one symbol")
    for partitions in counts:
        worst = busiest(weights, partitions)
        print(f"  {partitions:>10}   {worst:>6.2f}x   {partitions / worst:>6.1f}   {first[0] * partitions:>9.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=GLOBAL_SYMBOLS, help="symbols of the global market")
    arguments = parser.parse_args()
    spread("Vietnam", vietnam(), PARTITIONS)
    spread("A global market", world(arguments.symbols), GLOBAL_PARTITIONS)


if __name__ == "__main__":
    main()
