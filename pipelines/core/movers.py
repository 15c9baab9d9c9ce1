"""The symbols that foreigners bought and sold most, by net value."""

from collections.abc import Iterable

from schemas.structs import Mover

MOVERS = 10
"""How many are named on either side."""


def top_buyers(movers: Iterable[Mover]) -> list[Mover]:
    """The largest net buyers, largest first; symbols that were not bought on balance are never among them."""
    return sorted((mover for mover in movers if mover.net_value > 0), key=_by_bought)[:MOVERS]


def top_sellers(movers: Iterable[Mover]) -> list[Mover]:
    """The largest net sellers, largest first; symbols that were not sold on balance are never among them."""
    return sorted((mover for mover in movers if mover.net_value < 0), key=_by_sold)[:MOVERS]


# Equal values are ordered by symbol, so that a replay names the same ones.


def _by_bought(mover: Mover) -> tuple[int, str]:
    return -mover.net_value, mover.symbol


def _by_sold(mover: Mover) -> tuple[int, str]:
    return mover.net_value, mover.symbol
