"""What a client wants of a channel, and which symbols that is (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.units import Exchange

EVERYTHING = "*"
FUTURES = "@FUT"
"""The group of all futures; other instruments are in that of their exchange (``@HOSE``)."""
WELL_KNOWN_GROUPS = frozenset({"@VN30", "@HOSE", "@HNX", "@UPCOM", FUTURES})
"""Groups that a client may name before anything is known of their members."""
_REMEMBERED = 4_096
"""Selections whose members are remembered."""


def is_group(word: str) -> bool:
    """Whether ``word`` names a group of symbols."""
    return word.startswith("@")


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of keys: all, or those named one by one and those in groups."""

    everything: bool = False
    groups: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()

    @classmethod
    def of(cls, words: Iterable[str]) -> "Selection":
        """The selection that ``words`` (``VNM``, ``@VN30``, ``#market``, ``*``) name."""
        chosen = frozenset(words)
        return cls(
            EVERYTHING in chosen,
            frozenset(word for word in chosen if is_group(word)),
            frozenset(word for word in chosen if word != EVERYTHING and not is_group(word)),
        )

    def __or__(self, other: "Selection") -> "Selection":
        return Selection(self.everything or other.everything, self.groups | other.groups, self.keys | other.keys)

    def __sub__(self, other: "Selection") -> "Selection":
        if other.everything:
            return Selection()
        return Selection(self.everything, self.groups - other.groups, self.keys - other.keys)

    def __bool__(self) -> bool:
        return self.everything or bool(self.groups) or bool(self.keys)


@dataclass(slots=True)
class SymbolDirectory:
    """The symbols that have been heard of, with their exchange and groups."""

    exchanges: dict[str, str] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    """Members by group (``@VN30``)."""
    _by_symbol: dict[str, frozenset[str]] = field(default_factory=dict)
    _resolved: dict[Selection, frozenset[str]] = field(default_factory=dict)

    def list_on(self, symbol: str, exchange: str) -> None:
        """Note where ``symbol`` is listed."""
        if self.exchanges.get(symbol) == exchange:
            return
        self.exchanges[symbol] = exchange
        self.join(symbol, None)

    def join(self, symbol: str, indices: Iterable[str] | None) -> None:
        """Make ``symbol`` a member of the groups of ``indices``, and of no other index; None leaves it in those it is in."""
        own = self._by_symbol.get(symbol, frozenset())
        members = own & self._index_groups(own) if indices is None else frozenset(f"@{name}" for name in indices)
        exchange = self.exchanges.get(symbol)
        if exchange is not None:
            members |= {FUTURES if exchange == Exchange.DER else f"@{exchange}"}
        if members == own:
            return
        for group in own - members:
            self.groups[group].discard(symbol)
        for group in members - own:
            self.groups.setdefault(group, set()).add(symbol)
        self._by_symbol[symbol] = members
        self._resolved.clear()

    @staticmethod
    def _index_groups(groups: frozenset[str]) -> frozenset[str]:
        return groups - {FUTURES, *(f"@{exchange}" for exchange in Exchange)}

    def has_group(self, group: str) -> bool:
        """Whether there is such a group as ``group`` (``@VN30``)."""
        return group in WELL_KNOWN_GROUPS or group in self.groups

    def members(self, selection: Selection) -> frozenset[str] | None:
        """The keys that ``selection`` names as of now; None for all there are."""
        if selection.everything:
            return None
        members = self._resolved.get(selection)
        if members is None:
            if len(self._resolved) >= _REMEMBERED:
                self._resolved.clear()
            members = selection.keys.union(*(self.groups.get(group, ()) for group in selection.groups))
            self._resolved[selection] = members
        return members
