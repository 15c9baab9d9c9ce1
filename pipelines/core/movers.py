"""The symbols that foreigners bought and sold most, by net value, kept from one change to the next."""

from bisect import insort
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from schemas.structs import Mover
from schemas.units import Shares, Symbol, Vnd

MOVERS = 10
"""How many are named on either side."""

KEPT: Final = 2 * MOVERS
"""How many are kept on either side, so that the others need to be looked at only after many of these have fallen back."""


class NetFlow(NamedTuple):
    """What foreigners bought of a symbol, less what they sold: a value in VND and a volume in shares."""

    symbol: str
    value: int
    volume: int


Order = Callable[[NetFlow], tuple[int, str]]
"""What flows are sorted by. Those of equal value are sorted by symbol, so that every replay names the same."""


def top_buyers(flows: Iterable[NetFlow]) -> list[Mover]:
    """The largest net buyers, largest first; symbols that were not bought on balance are never among them."""
    return _movers(sorted((flow for flow in flows if flow.value > 0), key=_largest_first))


def top_sellers(flows: Iterable[NetFlow]) -> list[Mover]:
    """The largest net sellers, largest first; symbols that were not sold on balance are never among them."""
    return _movers(sorted((flow for flow in flows if flow.value < 0), key=_smallest_first))


class Leaders(msgspec.Struct, array_like=True, gc=False):
    """The first symbols of one order. Those that are left out all come after the last of them."""

    flows: list[NetFlow] = msgspec.field(default_factory=list)
    """In order."""
    are_all: bool = True
    """Whether no symbol is left out."""

    def take_out(self, symbol: str) -> None:
        """Leave ``symbol`` out, until it is put in again with what it has come to."""
        self.flows = [flow for flow in self.flows if flow.symbol != symbol]

    def put_in(self, flow: NetFlow, order: Order) -> None:
        """Put a symbol that is not among them into its place, or leave it out if that is behind the last."""
        if not self.are_all and (not self.flows or order(flow) > order(self.flows[-1])):
            return
        insort(self.flows, flow, key=order)
        if len(self.flows) > KEPT:
            self.flows.pop()
            self.are_all = False

    @property
    def are_enough(self) -> bool:
        """Whether the first :data:`MOVERS` of all symbols are among them for certain."""
        return self.are_all or len(self.flows) >= MOVERS


class Ranking(msgspec.Struct, array_like=True, gc=False):
    """The largest net buyers and sellers of a scope."""

    buyers: Leaders = msgspec.field(default_factory=Leaders)
    sellers: Leaders = msgspec.field(default_factory=Leaders)

    def take_out(self, symbol: str) -> None:
        """Forget what ``symbol`` had come to."""
        self.buyers.take_out(symbol)
        self.sellers.take_out(symbol)

    def put_in(self, flow: NetFlow) -> None:
        """Rank what a symbol has come to. It must have been taken out before."""
        if flow.value > 0:
            self.buyers.put_in(flow, _largest_first)
        elif flow.value < 0:
            self.sellers.put_in(flow, _smallest_first)

    @property
    def is_exact(self) -> bool:
        """Whether it names the movers. If not, it has to be made anew from all symbols."""
        return self.buyers.are_enough and self.sellers.are_enough


def _largest_first(flow: NetFlow) -> tuple[int, str]:
    return -flow.value, flow.symbol


def _smallest_first(flow: NetFlow) -> tuple[int, str]:
    return flow.value, flow.symbol


def _movers(ranked: list[NetFlow]) -> list[Mover]:
    return [
        Mover(symbol=Symbol(flow.symbol), net_value=Vnd(flow.value), net_volume=Shares(flow.volume)) for flow in ranked[:MOVERS]
    ]
