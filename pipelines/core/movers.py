"""The symbols that foreigners bought and sold most, by net value."""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.structs import Mover
from schemas.units import Shares, Symbol, Vnd

MOVERS = 10
"""How many are named on either side."""


class NetFlow(NamedTuple):
    """What foreigners bought of a symbol, less what they sold."""

    symbol: str
    value: int
    volume: int


def top_buyers(flows: Iterable[NetFlow]) -> list[Mover]:
    """The largest net buyers, largest first; symbols that were not bought on balance are never among them."""
    return _top((-flow.value, flow) for flow in flows if flow.value > 0)


def top_sellers(flows: Iterable[NetFlow]) -> list[Mover]:
    """The largest net sellers, largest first; symbols that were not sold on balance are never among them."""
    return _top((flow.value, flow) for flow in flows if flow.value < 0)


def _top(ranked: Iterable[tuple[int, NetFlow]]) -> list[Mover]:
    """The first :data:`MOVERS` by rank; those of equal rank by symbol, so that every replay names the same."""
    return [
        Mover(symbol=Symbol(flow.symbol), net_value=Vnd(flow.value), net_volume=Shares(flow.volume))
        for _, flow in sorted(ranked)[:MOVERS]
    ]
