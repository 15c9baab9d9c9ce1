"""How folds keep state: one compact value a key, decoded when it is first used, and encoded when what changed is stored.

A fold sees a :class:`State`, which a plain ``dict`` is too: then what a message changed is stored at its end. Over a
:class:`LiveState` the decoded values stay from one message to the next, and are stored when whoever made it says so. The values
are mutable msgspec Structs that derive from :class:`Stored`, packed as MessagePack arrays with the version first::

    class Totals(Stored):
        VERSION: ClassVar[int] = 1
        DAY_AT: ClassVar[int | None] = 0
        day: int = 0
        bought: int = 0

    TOTALS = Codec(Totals)

    of_day = DayState(state, lambda: 20261120, counts)
    cells = Cells(of_day, TOTALS, prefix=b"f:")
    cell = cells.get("VNM") or cells.put("VNM", Totals())
    cell.bought += 100                      # changed in place
    cells.store()                           # at the end of the frame
    of_day.flush()                          # and, over a plain state, this

**Versions.** A field that is added at the end, with a default, keeps the version. Any other change raises ``VERSION``, and the
codec gets a function that turns the array of the version before into one of the new::

    class Totals(Stored):
        VERSION: ClassVar[int] = 2          # bought was in lots of 10 in version 1

    TOTALS = Codec(Totals, upgrades={1: lambda fields: [fields[0], fields[1] * 10]})

Such a function stays for at least one release. Without one, a release cannot go on in the middle of a day that an earlier one
began; values of earlier days never stop it. To tell them apart whatever their layout, the place of the day in the array
(``DAY_AT``) is the same in every version.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

import msgspec

from pipelines.core.errors import StateGarbled, StateNewer, StateOutdated, StateUnreadable

S = TypeVar("S", bound="Stored")

Upgrade = Callable[[list[Any]], list[Any]]
"""From the array of one version to that of the next; it may change what it is given."""

LARGEST: Final = 1 << 53
"""No price, volume or value of a market comes near it; numbers beyond are the feed's error, and would not fit our state."""


class State(Protocol):
    """The values of one shard: bytes by key. Symbols are upper case, so keys with a lower-case letter never clash with one."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value of ``key``, or None."""

    def __setitem__(self, key: bytes, value: bytes, /) -> None: ...


class Stored(msgspec.Struct, array_like=True, gc=False):
    """Base of what is kept in state; add fields at the end, with defaults, or raise ``VERSION``.

    It must not hold reference cycles: the garbage collector does not look at it.
    """

    VERSION: ClassVar[int] = 1
    """1 to 127."""
    DAY_AT: ClassVar[int | None] = None
    """Where in the array the trading day stands that the value is of, in every version. None for a value that does not say: then
    whoever loads it says the day of what it belongs to."""


class Codec(Generic[S]):
    """Packs and unpacks one kind of stored value.

    Args:
        kind: What it unpacks to.
        upgrades: By version left behind, how its array becomes one of the next version. Without a gap up to the kind's own.
    """

    def __init__(self, kind: type[S], upgrades: Mapping[int, Upgrade] | None = None) -> None:
        if not 0 < kind.VERSION < 128:
            raise ValueError(f"version {kind.VERSION} of {kind.__name__} does not fit the byte it is kept in")
        self._upgrades = dict(upgrades or {})
        if self._upgrades and sorted(self._upgrades) != list(range(min(self._upgrades), kind.VERSION)):
            raise ValueError(f"the upgrades of {kind.__name__} do not lead to version {kind.VERSION} without a gap")
        self.kind = kind
        # Quix takes a value whose first eight bytes could be a time stamp for one with a time to live: a byte of
        # 1 to 127 in front of the array cannot begin such a stamp, and says the version without unpacking.
        self._head = bytes((kind.VERSION,))
        self._version = kind.VERSION
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def encode(self, value: S) -> bytes:
        """``value`` as bytes."""
        return self._head + self._encode(value)

    def decode(self, data: bytes) -> S:
        """The value in ``data``, brought up to this version if an earlier release wrote it.

        Raises:
            StateOutdated: An earlier release wrote it, and no upgrade leads from its version to this one.
            StateNewer: A newer release wrote it.
            StateGarbled: It is not what its version says.
        """
        if data[:1] != self._head:
            return self._decode_other(data)
        try:
            return self._decode(memoryview(data)[1:])
        except (msgspec.MsgspecError, ValueError) as error:
            raise self._garbled(data, error) from error

    def _decode_other(self, data: bytes) -> S:
        found = data[0] if data else 0
        if found not in self._upgrades:
            kind_of_error = StateNewer if found > self._version else StateOutdated
            raise kind_of_error(self.kind.__name__, found, self._version, self._day_of(_fields(data)))
        try:
            fields = _fields(data)
            for version in range(found, self._version):
                fields = self._upgrades[version](fields)
            return self._decode(self._encode(fields))
        except (msgspec.MsgspecError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An upgrade function takes the array for what it should be, and meets whatever is there.
            raise self._garbled(data, error) from error

    def _garbled(self, data: bytes, error: Exception) -> StateGarbled:
        return StateGarbled(self.kind.__name__, data[0], self._version, self._day_of(_fields(data)), str(error))

    def _day_of(self, fields: Any) -> int | None:
        """The trading day that an array of any version says, or None."""
        at = self.kind.DAY_AT
        day = fields[at] if at is not None and isinstance(fields, list) and at < len(fields) else None
        return day if isinstance(day, int) else None


def _fields(data: bytes) -> Any:
    """The array in a stored value, of whatever version; None when it is damaged."""
    try:
        return msgspec.msgpack.decode(data[1:])
    except (msgspec.MsgspecError, ValueError):
        return None


class LiveCells(Generic[S]):
    """The decoded values by symbol of one kind, and which of them changed since they were last stored."""

    __slots__ = ("changed", "codec", "values")

    def __init__(self, codec: Codec[S]) -> None:
        self.codec = codec
        self.values: dict[str, S] = {}
        self.changed: dict[str, S] = {}


class LiveState:
    """The values of a shard as objects, which stay from one message to the next, over those that are stored as bytes.

    Until :meth:`store` nothing but this object knows what changed. Who gives up what was not committed has to :meth:`drop` it.

    Args:
        stored: Where values are loaded from and stored. It may be replaced by another view of the same values.
        most: How many values stay after they were stored. If there are more, all are let go, and loaded again when they are used.
    """

    __slots__ = ("_cells", "_changed", "_most", "_values", "stored")

    def __init__(self, stored: State, most: int = 20_000) -> None:
        self.stored = stored
        self._most = most
        self._values: dict[bytes, Stored] = {}
        self._changed: dict[bytes, tuple[Codec[Any], Any]] = {}
        self._cells: dict[bytes, LiveCells[Any]] = {}

    def get(self, key: bytes, /) -> bytes | None:
        """What is stored under ``key``: it lacks what changed since :meth:`store`."""
        return self.stored.get(key)

    def __setitem__(self, key: bytes, value: bytes, /) -> None:
        raise TypeError("bytes are written to a live state by store() alone: it would not know of others")

    def cells(self, codec: Codec[S], prefix: bytes) -> LiveCells[S]:
        """The values by symbol whose keys begin with ``prefix``."""
        cells = self._cells.get(prefix)
        if cells is None:
            cells = self._cells[prefix] = LiveCells(codec)
        return cells

    def value(self, key: bytes) -> Any:
        """The decoded value of ``key``, to be changed in place; None when it has not been loaded."""
        return self._values.get(key)

    def loaded(self, key: bytes, value: Stored) -> None:
        """Keep a value that was loaded from ``key``."""
        self._values[key] = value

    def change(self, codec: Codec[S], key: bytes, value: S) -> None:
        """Have ``value`` stored under ``key`` with the others that changed."""
        self._values[key] = value
        self._changed[key] = codec, value

    def store(self) -> None:
        """Store what changed since the last time."""
        stored = self.stored
        for key, (codec, value) in self._changed.items():
            stored[key] = codec.encode(value)
        self._changed.clear()
        for prefix, cells in self._cells.items():
            encode = cells.codec.encode
            for symbol, cell in cells.changed.items():
                stored[prefix + symbol.encode()] = encode(cell)
            cells.changed.clear()
        if len(self._values) + sum(len(cells.values) for cells in self._cells.values()) > self._most:
            self.drop()

    def drop(self) -> None:
        """Forget all values, and what changed since they were last stored."""
        self._values.clear()
        self._changed.clear()
        self._cells.clear()

    @property
    def is_changed(self) -> bool:
        """Whether anything waits to be stored."""
        return bool(self._changed) or any(cells.changed for cells in self._cells.values())


class DayState:
    """A shard's values while one message is folded, read in the light of the day that the message is of.

    A value that cannot be read is no reason to stop when it is of an earlier day: it is as if it were not there, and what would
    have been carried over from it (a previous close, say) is unknown.

    Args:
        state: The shard's.
        latest_day: Says the latest trading day in the message. It is asked when a value cannot be read, so hardly ever.
        counts: Gets ``unreadable_earlier`` and ``unreadable_today``, one for each value that was passed over.
        forced: Whether today's values that cannot be read are passed over too.
    """

    __slots__ = ("_counts", "_forced", "_latest_day", "_live", "keeps", "passed_over", "reached")

    def __init__(self, state: State, latest_day: Callable[[], int], counts: Counter[str], *, forced: bool = False) -> None:
        self.keeps = isinstance(state, LiveState)
        """Whether values stay from one message to the next, and others say when they are stored."""
        self._live = state if isinstance(state, LiveState) else LiveState(state)
        self._latest_day = latest_day
        self._counts = counts
        self._forced = forced
        self.reached = 0
        """The day that the shard is known to have reached already; 0 when nothing is known."""
        self.passed_over = False
        """Whether a value of today was passed over."""

    def today(self) -> int:
        """The latest trading day that the shard or the message is known to have reached."""
        return max(self.reached, self._latest_day())

    def load(self, codec: Codec[S], key: bytes, day: int = 0) -> S | None:
        """What the shard has under ``key``; None when it has nothing, or nothing that can be read and is of an earlier day.

        Args:
            codec: Of the value.
            key: Of the value.
            day: What the value is of, for kinds that do not say it themselves (``DAY_AT``); 0 is before any day.

        Raises:
            StateUnreadable: The value is of today, or does not say of which day it is, and another release wrote it in a layout
                that this one does not know, or it is damaged.
        """
        known: S | None = self._live.value(key)
        if known is None:
            known = self.read(codec, key, day)
            if known is not None:
                self._live.loaded(key, known)
        return known

    def read(self, codec: Codec[S], key: bytes, day: int = 0) -> S | None:
        """As :meth:`load`, always from what is stored."""
        data = self._live.get(key)
        if data is None:
            return None
        try:
            return codec.decode(data)
        except StateUnreadable as error:
            written_on = day if codec.kind.DAY_AT is None else error.day
            if written_on is not None and written_on < self.today():
                self._counts["unreadable_earlier"] += 1
            elif self._forced:
                self._counts["unreadable_today"] += 1
                self.passed_over = True
            else:
                raise
            return None

    def store(self, codec: Codec[S], key: bytes, value: S) -> None:
        """Keep ``value`` under ``key``. It must not be changed afterwards without being stored again."""
        self._live.change(codec, key, value)

    def has(self, key: bytes) -> bool:
        """Whether there is a value under ``key``, readable or not."""
        return self._live.value(key) is not None or self._live.get(key) is not None

    def cells(self, codec: Codec[S], prefix: bytes) -> LiveCells[S]:
        """The decoded values by symbol whose keys begin with ``prefix``."""
        return self._live.cells(codec, prefix)

    def flush(self) -> None:
        """Store what changed."""
        self._live.store()

    def undo(self) -> None:
        """Forget what changed since the last :meth:`flush`."""
        self._live.drop()


class Cells(Generic[S]):
    """The values by symbol that one frame uses: loaded at their first use, and to be stored from :meth:`store` on."""

    __slots__ = ("_live", "_prefix", "_state", "_used", "_values")

    def __init__(self, state: DayState, codec: Codec[S], prefix: bytes) -> None:
        self._state = state
        self._prefix = prefix
        self._live = state.cells(codec, prefix)
        self._values = self._live.values
        self._used: dict[str, S] = {}

    def get(self, symbol: str) -> S | None:
        """The value of ``symbol``, to be changed in place; None when it has none yet."""
        cell = self._used.get(symbol)
        if cell is None:
            cell = self._values.get(symbol)
            if cell is None:
                cell = self._state.read(self._live.codec, self._prefix + symbol.encode())
                if cell is None:
                    return None
                self._values[symbol] = cell
            self._used[symbol] = cell
        return cell

    def put(self, symbol: str, cell: S) -> S:
        """Begin or replace the value of ``symbol``, and return it."""
        self._values[symbol] = self._used[symbol] = cell
        return cell

    def store(self) -> None:
        """Have all values that were used stored, in the order of their first use."""
        self._live.changed.update(self._used)

    def __iter__(self) -> Iterator[tuple[str, S]]:
        """The values that were used, in the order of their first use."""
        return iter(self._used.items())
