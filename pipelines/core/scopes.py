"""What the foreign flow is summed over: the market, an exchange, an index group, a sector."""

from functools import lru_cache

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

    def take_from(self, other: "ScopeSum") -> None:
        """Become what ``other`` is more than this."""
        self.bought = other.bought - self.bought
        self.sold = other.sold - self.sold
        self.bought_value = other.bought_value - self.bought_value
        self.sold_value = other.sold_value - self.sold_value


NOTHING = ScopeSum()
"""The sums of a scope in which nothing happened. Compare with it, and change it never."""


RANKED_GROUPS = frozenset(("VN30",))
"""The index groups that have movers: those that a desk watches by name. The market, exchanges and sectors all have."""


@lru_cache(maxsize=4096)
def scopes_of(exchange: Exchange, groups: tuple[str, ...], sector: str) -> tuple[str, ...]:
    """The scopes that a symbol is in, each once, though an index group may be named like an exchange."""
    scopes = dict.fromkeys((MARKET, exchange.value, *groups))
    if sector:
        scopes[sector_scope(sector)] = None
    return tuple(scopes)


@lru_cache(maxsize=4096)
def ranked_scopes(exchange: Exchange, groups: tuple[str, ...], sector: str) -> tuple[str, ...]:
    """The scopes in which a symbol may be a mover, without the market: its movers are among those of the exchanges."""
    ranked = (exchange.value, *(group for group in groups if group in RANKED_GROUPS))
    return (*ranked, sector_scope(sector)) if sector else ranked


def sector_scope(sector: str) -> str:
    """What the scope of a sector is called."""
    return f"sector:{sector}"
