"""What the foreign flow is summed over: the market, an exchange, an index group, a sector."""

from collections.abc import Iterable

import msgspec

from schemas.units import Exchange

MARKET = "market"
"""The scope of everything."""


class ScopeSum(msgspec.Struct, array_like=True, gc=False):
    """What foreigners did in a scope today."""

    bought: int = 0
    sold: int = 0
    bought_value: int = 0
    sold_value: int = 0

    def add(self, part: "ScopeSum", times: int = 1) -> None:
        """Add ``part``, or with −1 take it away."""
        self.bought += times * part.bought
        self.sold += times * part.sold
        self.bought_value += times * part.bought_value
        self.sold_value += times * part.sold_value


NOTHING = ScopeSum()
"""The sums of a scope in which nothing happened. Compare with it, and change it never."""


def scopes_of(exchange: Exchange, groups: Iterable[str], sector: str) -> tuple[str, ...]:
    """The scopes that a symbol is in, each once, though an index group may be named like an exchange."""
    scopes = dict.fromkeys((MARKET, exchange.value, *groups))
    if sector:
        scopes[f"sector:{sector}"] = None
    return tuple(scopes)
