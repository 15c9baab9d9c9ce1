"""What the feed says: the records of all channels, in the order in which they are due, and the last of each, which SSI caches.

Blocks hold six channels. ``X`` and ``B`` follow from these, and are written only while somebody is subscribed to them. Pure.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from connectors.ssi.simulator.core.blocks import DayBlock
from connectors.ssi.simulator.core.derived import Snapshots, bar_of_index, bar_of_match, volume_of_index
from connectors.ssi.simulator.core.places import ARGUMENT, B_PLACE, DEAL_BIT, KINDS, MESSAGE, PRINT_BIT, X_PLACE, kinds_of, plain
from connectors.ssi.simulator.core.records import CHANNELS, Channel
from connectors.ssi.simulator.core.released import Released
from schemas.units import Symbol

Spoken = tuple[int, int, str]
"""A record of the feed: its key, its place, and the hub invocation."""

_TRADE: Final = plain("X-TRADE")
_QUOTE: Final = plain("X-QUOTE")
_INDEX: Final = plain("MI")
_SNAPSHOT: Final = plain("X")
_BAR: Final = plain("B")
_PRINT: Final = _TRADE | PRINT_BIT
_DEAL: Final = _TRADE | DEAL_BIT
_SHOWN: Final = frozenset({_TRADE, _PRINT, _QUOTE})
"""What an ``X`` follows. A put-through deal is none of the order book, and changes nothing in it."""
_COUNTED: Final = frozenset({_PRINT, _INDEX})
"""What a ``B`` follows."""
_UNREADABLE: Final = frozenset({ARGUMENT, MESSAGE})
_KIND: Final = KINDS - 1
"""Leaves of a key its kind."""
_MOST_WANTED: Final = 64
"""Subscriptions of which it is remembered what they ask for."""


class DayFeed:
    """Says the records of blocks, one after the other, and remembers the last of each."""

    def __init__(self, symbols: Sequence[Symbol], released: Released, *, derives: bool = True, remembers: bool = False) -> None:
        """Nothing has been said yet.

        Args:
            symbols: Those of the day, in the order of their numbers.
            released: Where records are counted as they are said.
            derives: Whether ``X`` and ``B`` follow from the other records. In a captured day they are there themselves.
            remembers: Whether the record before the last of each key is to be kept as well: see :meth:`older`.
        """
        self._derives = derives
        self._before: dict[int, Spoken] | None = {} if remembers else None
        self._numbers = {symbol: number for number, symbol in enumerate(symbols)}
        self._released = released
        self._last: dict[int, Spoken] = {}
        """By key."""
        self._snapshots = Snapshots()
        self._opened: set[int] = set()
        """Numbers of the symbols that have matched on the trading day."""
        self._index_volumes: dict[int, int] = {}
        """The last TotalQtty of each index."""
        self._steps: dict[int, int] = {}
        """By how much that grew last."""
        self._wanted: dict[tuple[frozenset[str], frozenset[str] | None], bytearray] = {}

    def wanted(self, channels: frozenset[str], symbols: frozenset[str] | None) -> bytearray:
        """For each key 1 if a subscription to ``channels`` of ``symbols`` (None for all) is one to records with this key."""
        found = self._wanted.get((channels, symbols))
        if found is None:
            if len(self._wanted) == _MOST_WANTED:
                self._wanted.clear()
            found = self._wanted[channels, symbols] = self._wanted_keys(channels, symbols)
        return found

    def _wanted_keys(self, channels: frozenset[str], symbols: frozenset[str] | None) -> bytearray:
        chosen = {kind for channel in CHANNELS if channel in channels for kind in kinds_of(channel)}
        of_symbol = bytes(kind in chosen for kind in range(KINDS))
        # What nobody could read says not what it is of: everybody gets it.
        of_symbol = bytes(wanted or kind in _UNREADABLE for kind, wanted in enumerate(of_symbol))
        nothing = bytes(kind in _UNREADABLE for kind in range(KINDS))
        return bytearray().join(of_symbol if symbols is None or symbol in symbols else nothing for symbol in self._numbers)

    def speak(self, block: DayBlock, begin: int, end: int, wanted: Sequence[bytearray] = ()) -> list[Spoken]:
        """Say some records of a block.

        Args:
            block: The block that the feed has got to.
            begin: The first of the records, an index.
            end: The index after the last of them.
            wanted: What the subscriptions ask for that have ``X`` or ``B`` in them: see :meth:`wanted`. Records of other channels
                are said in any case.
        """
        last, before, text = self._last, self._before, block.text
        keys = block.keys[begin:end]
        self._released.take(block.dues[begin:end], keys)
        said: list[Spoken] = []
        slices = zip(keys, block.begins[begin:end], block.ends[begin:end], strict=True)
        for place, (key, text_begins, text_ends) in enumerate(slices, block.first + begin):
            if before is not None and key in last:
                before[key] = last[key]
            last[key] = spoken = (key, place, text[text_begins:text_ends])
            said.append(spoken)
            if not self._derives:
                continue
            if key & _KIND in _COUNTED:
                self._count(spoken)
            if wanted:
                said += self._derive(spoken, wanted)
        return said

    def _count(self, spoken: Spoken) -> None:
        """Remember of a print whether it is the open, and of an index by how much its turnover has grown."""
        key, place, invocation = spoken
        symbol, kind = divmod(key, KINDS)
        if kind == _INDEX:
            self._step(symbol, invocation)
        elif symbol not in self._opened:
            self._snapshots.open(symbol, invocation)
            if place >= self._released.previous:
                self._opened.add(symbol)

    def _derive(self, spoken: Spoken, wanted: Sequence[bytearray]) -> Iterator[Spoken]:
        """The ``B`` and the ``X`` that follow a record, where somebody wants them."""
        key, place, invocation = spoken
        symbol, kind = divmod(key, KINDS)
        shown, bar = symbol * KINDS + _SNAPSHOT, symbol * KINDS + _BAR
        if kind in _COUNTED and any(keys[bar] for keys in wanted):
            yield bar, place + B_PLACE, self._bar(symbol, kind, invocation)
        if kind in _SHOWN and any(keys[shown] for keys in wanted):
            yield shown, place + X_PLACE, self._show(symbol, kind, invocation)

    def older(self, key: int) -> Spoken | None:
        """The record before the last with ``key``; None where there is none, or none is kept."""
        return None if self._before is None else self._before.get(key)

    def last(self, channel: Channel, symbol: Symbol) -> str | None:
        """The last record of a channel, ``X`` and ``B`` apart, of a symbol, as an invocation; None where there is none."""
        spoken = self._newest(self._numbers[symbol], *kinds_of(channel)) if symbol in self._numbers else None
        return None if spoken is None else spoken[2]

    def snapshot(self, channels: frozenset[str], symbols: frozenset[str] | None) -> list[Spoken]:
        """The last record of each of ``channels`` of each of ``symbols`` (None for all)."""
        numbers = [number for symbol, number in self._numbers.items() if symbols is None or symbol in symbols]
        told = (self._told(number, channel) for number in numbers for channel in CHANNELS if channel in channels)
        return list(filter(None, told))

    def _told(self, symbol: int, channel: Channel) -> Spoken | None:
        if not self._derives:
            return self._newest(symbol, *kinds_of(channel))
        if channel == "X":
            return self._shown(symbol)
        if channel == "B":
            return self._last_bar(symbol)
        kinds = (_TRADE, _PRINT, _DEAL) if channel == "X-TRADE" else (plain(channel),)
        return self._newest(symbol, *kinds)

    def _newest(self, symbol: int, *kinds: int) -> Spoken | None:
        found = (self._last.get(symbol * KINDS + kind) for kind in kinds)
        return max(filter(None, found), default=None, key=_place)

    # -- X

    def _show(self, symbol: int, kind: int, invocation: str) -> str:
        """The ``X`` that follows a match or a book."""
        if kind == _QUOTE:
            self._snapshots.book(symbol, invocation)
        else:
            self._snapshots.match(symbol, invocation)
        return self._snapshots.write(symbol, of_book=kind == _QUOTE)

    def _shown(self, symbol: int) -> Spoken | None:
        """The last ``X`` of a symbol. From here on the snapshots know its last match and book, whoever was subscribed before."""
        match, book = self._newest(symbol, _TRADE, _PRINT), self._newest(symbol, _QUOTE)
        if match is None:
            return None
        self._snapshots.match(symbol, match[2])
        if book is not None:
            self._snapshots.book(symbol, book[2])
        _, place, _ = newest = max(filter(None, (match, book)), key=_place)
        return symbol * KINDS + _SNAPSHOT, place + X_PLACE, self._snapshots.write(symbol, of_book=newest is book)

    # -- B

    def _step(self, symbol: int, index: str) -> None:
        volume = volume_of_index(index)
        # The first record of a day begins again at nothing.
        before = self._index_volumes.get(symbol, volume)
        self._steps[symbol] = volume - before if volume >= before else volume
        self._index_volumes[symbol] = volume

    def _bar(self, symbol: int, kind: int, invocation: str) -> str:
        return bar_of_match(invocation) if kind == _PRINT else bar_of_index(invocation, self._steps[symbol])

    def _last_bar(self, symbol: int) -> Spoken | None:
        for kind in (_PRINT, _INDEX):
            if last := self._last.get(symbol * KINDS + kind):
                _, place, invocation = last
                return symbol * KINDS + _BAR, place + B_PLACE, self._bar(symbol, kind, invocation)
        return None


def _place(spoken: Spoken) -> int:
    return spoken[1]
