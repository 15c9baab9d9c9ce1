"""The symbols that foreigners bought and sold most, by net value, kept from one change to the next."""

from collections.abc import Collection, Iterable, Sequence, Set
from typing import Final, NamedTuple

import msgspec

from schemas.structs import Mover, Movers

MOVERS = 10
"""How many are named on either side."""

KEPT: Final = 2 * MOVERS
"""How many are kept on either side, so that the others need to be looked at only after many of these have fallen back."""


class NetFlow(NamedTuple):
    """What foreigners bought of a symbol, less what they sold: a value in VND and a volume in shares."""

    symbol: str
    value: int
    volume: int


class Ranked(NamedTuple):
    """A net flow as it is sorted on its side: those of equal value by symbol, so that every replay names the same."""

    size: int
    """Its value in VND, negative on both sides: the largest comes first."""
    symbol: str
    volume: int


def top_buyers(flows: Iterable[NetFlow]) -> list[Mover]:
    """The largest net buyers, largest first; symbols that were not bought on balance are never among them."""
    ranked = sorted(Ranked(-flow.value, flow.symbol, flow.volume) for flow in flows if flow.value > 0)
    return _movers(ranked, -1)


def top_sellers(flows: Iterable[NetFlow]) -> list[Mover]:
    """The largest net sellers, largest first; symbols that were not sold on balance are never among them."""
    ranked = sorted(Ranked(flow.value, flow.symbol, flow.volume) for flow in flows if flow.value < 0)
    return _movers(ranked, 1)


class Leaders(msgspec.Struct, array_like=True, gc=False):
    """The first symbols of one side. Those that are left out all come after the last of them."""

    flows: list[Ranked] = msgspec.field(default_factory=list)
    """In order."""
    are_all: bool = True
    """Whether no symbol is left out."""

    def replace(self, symbols: Set[str], flows: list[Ranked]) -> None:
        """Leave ``symbols`` out, and put ``flows``, theirs or others', into their places, but for those behind the last."""
        known = self.flows
        if not self.are_all:
            # Whoever is left out comes after the last one of before, so what comes up to that one is in its place.
            flows = [flow for flow in flows if flow <= known[-1]] if known else []
        stay = [flow for flow in known if flow[1] not in symbols]
        if not flows and len(stay) == len(known):
            return
        stay += flows
        stay.sort()
        if len(stay) > KEPT:
            del stay[KEPT:]
            self.are_all = False
        self.flows = stay

    @property
    def are_enough(self) -> bool:
        """Whether the first :data:`MOVERS` of all symbols are among them for certain."""
        return self.are_all or len(self.flows) >= MOVERS


class Ranking(msgspec.Struct, array_like=True, gc=False):
    """The largest net buyers and sellers of a scope."""

    buyers: Leaders = msgspec.field(default_factory=Leaders)
    sellers: Leaders = msgspec.field(default_factory=Leaders)

    def replace(self, symbols: Set[str], flows: Collection[NetFlow]) -> None:
        """Forget what ``symbols`` had come to, and rank ``flows``: what they have come to now. No symbol may be ranked twice."""
        bought = [Ranked(-value, symbol, volume) for symbol, value, volume in flows if value > 0]
        sold = [Ranked(value, symbol, volume) for symbol, value, volume in flows if value < 0]
        self.buyers.replace(symbols, bought)
        self.sellers.replace(symbols, sold)

    @property
    def is_exact(self) -> bool:
        """Whether it names the movers. If not, it has to be made anew from all symbols."""
        return self.buyers.are_enough and self.sellers.are_enough


def movers_of(scope: str, rankings: Sequence[Ranking]) -> Movers:
    """The largest net buyers and sellers of a scope that is made of others, which share no symbol."""
    if len(rankings) == 1:
        buyers, sellers = rankings[0].buyers.flows, rankings[0].sellers.flows
    else:
        buyers = sorted(flow for ranking in rankings for flow in ranking.buyers.flows)
        sellers = sorted(flow for ranking in rankings for flow in ranking.sellers.flows)
    return Movers(scope=scope, buyers=_movers(buyers, -1), sellers=_movers(sellers, 1))


def _movers(ranked: list[Ranked], sign: int) -> list[Mover]:
    # By position, which is faster, and a shard names hundreds with every second.
    return [Mover(symbol, sign * size, volume) for size, symbol, volume in ranked[:MOVERS]]  # type: ignore[call-arg]
