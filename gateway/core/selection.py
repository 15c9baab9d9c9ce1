"""What a client wants of a channel, and which symbols that is (pure)."""

from collections.abc import Collection, Iterable, Set
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from schemas.units import Exchange

EVERYTHING = "*"
FUTURES = "@FUT"
"""The group of all futures; other instruments are in that of their exchange (``@HOSE``)."""
WELL_KNOWN_GROUPS = frozenset({"@VN30", "@HOSE", "@HNX", "@UPCOM", FUTURES})
"""Groups that a client may name before anything is known of their members."""


def is_group(word: str) -> bool:
    """Whether ``word`` names a group of symbols."""
    return word.startswith("@")


@dataclass(frozen=True, slots=True)
class Selection:
    """A set of keys: all, or those named one by one and those in groups; without some that were taken out of it again."""

    everything: bool = False
    groups: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    """Keys that are not in it, though ``everything`` or a group has them. None of these is among ``keys``."""

    @classmethod
    def of(cls, words: Iterable[str]) -> "Selection":
        """The selection that ``words`` (``VNM``, ``@VN30``, ``#market``, ``*``) name."""
        chosen = frozenset(words)
        return cls(
            EVERYTHING in chosen,
            frozenset(word for word in chosen if is_group(word)),
            frozenset(word for word in chosen if word != EVERYTHING and not is_group(word)),
        )

    def __bool__(self) -> bool:
        return self.everything or bool(self.groups) or bool(self.keys)


class Audience:
    """All who chose the same: the keys that their selection has as of now. Equal selections in use share one."""

    __slots__ = ("__weakref__", "_directory", "_everything", "_members", "_version", "selection")

    def __init__(self, selection: Selection, directory: "SymbolDirectory") -> None:
        self.selection = selection
        self._directory = directory
        self._everything = selection.everything
        self._members: frozenset[str] = frozenset()
        self._version = -1

    def _own(self) -> frozenset[str]:
        """The members; where everything is chosen, what is not."""
        if self._version != self._directory.version:
            self._version = self._directory.version
            self._members = self.selection.without if self._everything else self._directory.members(self.selection)
        return self._members

    def has(self, key: str) -> bool:
        """Whether ``key`` is chosen."""
        return (key in self._own()) is not self._everything

    def among(self, keys: Set[str]) -> Set[str]:
        """Those of ``keys`` that are chosen."""
        own = self._own()
        if not self._everything:
            return keys & own
        return keys - own if own else keys

    def choose(self, keys: Iterable[str]) -> list[str]:
        """Those of ``keys`` that are chosen, in their order."""
        own, everything = self._own(), self._everything
        return [key for key in keys if (key in own) is not everything]


@dataclass(slots=True)
class SymbolDirectory:
    """The symbols that have been heard of, with their exchange and groups."""

    exchanges: dict[str, str] = field(default_factory=dict)
    groups: dict[str, set[str]] = field(default_factory=dict)
    """Members by group (``@VN30``)."""
    version: int = 0
    """Grows whenever a symbol joins or leaves a group."""
    joined_at: dict[str, int] = field(default_factory=dict)
    """Where reference data last said of a symbol that it is in one more group: the offset of the message."""
    _by_symbol: dict[str, frozenset[str]] = field(default_factory=dict)
    _audiences: "WeakValueDictionary[Selection, Audience]" = field(default_factory=WeakValueDictionary)
    """Of the selections in use: what nobody uses any more is forgotten."""

    def list_on(self, symbol: str, exchange: str) -> bool:
        """Note where ``symbol`` is listed; whether it is in a group now that it was not in before."""
        if self.exchanges.get(symbol) == exchange:
            return False
        self.exchanges[symbol] = exchange
        return self.join(symbol, None)

    def join(self, symbol: str, indices: Iterable[str] | None) -> bool:
        """Make ``symbol`` a member of the groups of ``indices``, and of no other index; None leaves it in those it is in.

        Returns:
            Whether it is in a group now that it was not in before: who watches that group does not have its rows.
        """
        own = self._by_symbol.get(symbol, frozenset())
        members = own & self._index_groups(own) if indices is None else frozenset(f"@{name}" for name in indices)
        exchange = self.exchanges.get(symbol)
        if exchange is not None:
            members |= {FUTURES if exchange == Exchange.DER else f"@{exchange}"}
        if members == own:
            return False
        for group in own - members:
            self.groups[group].discard(symbol)
        for group in members - own:
            self.groups.setdefault(group, set()).add(symbol)
        self._by_symbol[symbol] = members
        self.version += 1
        return bool(members - own)

    @staticmethod
    def _index_groups(groups: frozenset[str]) -> frozenset[str]:
        return groups - {FUTURES, *(f"@{exchange}" for exchange in Exchange)}

    def has_group(self, group: str) -> bool:
        """Whether there is such a group as ``group`` (``@VN30``)."""
        return group in WELL_KNOWN_GROUPS or group in self.groups

    def members(self, selection: Selection) -> frozenset[str]:
        """The keys that ``selection`` names as of now, one by one or by a group: not those that ``everything`` adds."""
        if not selection.groups and not selection.without:
            # The same set, of which each client that watches symbols of its own has one.
            return selection.keys
        members = selection.keys.union(*(self.groups.get(group, ()) for group in selection.groups))
        return members - selection.without

    def audience(self, selection: Selection) -> Audience:
        """Those who chose ``selection``, while any of them is there."""
        audience = self._audiences.get(selection)
        if audience is None:
            audience = self._audiences[selection] = Audience(selection, self)
        return audience

    def take_in(self, selection: Selection, words: Collection[str]) -> Selection:
        """``selection`` with what ``words`` name, also where that had been taken out before."""
        added = Selection.of(words)
        back = selection.without if added.everything else self.members(added)
        return Selection(
            selection.everything or added.everything,
            selection.groups | added.groups,
            selection.keys | added.keys,
            selection.without - back,
        )

    def take_out(self, selection: Selection, words: Collection[str]) -> tuple[Selection, list[str]]:
        """``selection`` without what ``words`` name, and those of them that could not be taken out.

        A key can be taken out of everything, and of a group. A group cannot be taken out of everything or of other groups: nobody
        could tell what a symbol is meant to be that joins it.
        """
        if EVERYTHING in words:
            return Selection(), []
        refused = []
        for word in words:
            left = Selection(selection.everything, selection.groups - {word}, selection.keys - {word}, selection.without)
            if not is_group(word) and Audience(left, self).has(word):
                left = Selection(left.everything, left.groups, left.keys, left.without | {word})
            if left == selection:
                refused.append(word)
            selection = left
        return (selection if selection else Selection()), refused
