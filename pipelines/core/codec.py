"""How folds keep state: one compact value a key, loaded and stored at most once a frame.

A fold sees a :class:`State`, which a plain ``dict`` is too. Its values are mutable msgspec Structs that derive from
:class:`Stored`, packed as MessagePack arrays with the version first::

    class Totals(Stored):
        VERSION: ClassVar[int] = 1
        day: int = 0
        bought: int = 0

    TOTALS = Codec(Totals)

    cells = Cells(state, TOTALS, prefix=b"f:")
    cell = cells.get("VNM") or cells.put("VNM", Totals())
    cell.bought += 100                      # changed in place
    cells.store()                           # at the end of the frame
"""

from collections.abc import Iterator
from typing import ClassVar, Final, Generic, Protocol, TypeVar

import msgspec

from pipelines.core.errors import StateOutdated

S = TypeVar("S", bound="Stored")

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


class Codec(Generic[S]):
    """Packs and unpacks one kind of stored value."""

    def __init__(self, kind: type[S]) -> None:
        if not 0 < kind.VERSION < 128:
            raise ValueError(f"version {kind.VERSION} of {kind.__name__} does not fit the byte it is kept in")
        self.kind = kind
        # Quix takes a value whose first eight bytes could be a time stamp for one with a time to live: a byte of
        # 1 to 127 in front of the array cannot begin such a stamp, and says the version without unpacking.
        self._head = bytes((kind.VERSION,))
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def encode(self, value: S) -> bytes:
        """``value`` as bytes."""
        return self._head + self._encode(value)

    def decode(self, data: bytes) -> S:
        """The value in ``data``.

        Raises:
            StateOutdated: Another version wrote it.
        """
        if data[0] != self._head[0]:
            raise StateOutdated(self.kind.__name__, data[0], self._head[0])
        return self._decode(memoryview(data)[1:])

    def load(self, state: State, key: bytes) -> S | None:
        """What ``state`` has under ``key``."""
        data = state.get(key)
        return None if data is None else self.decode(data)

    def store(self, state: State, key: bytes, value: S) -> None:
        """Put ``value`` into ``state`` under ``key``."""
        state[key] = self.encode(value)


class Cells(Generic[S]):
    """The values by symbol that one frame touches. Each is loaded at its first use and stored by :meth:`store`."""

    __slots__ = ("_cells", "_codec", "_prefix", "_state")

    def __init__(self, state: State, codec: Codec[S], prefix: bytes) -> None:
        self._state = state
        self._codec = codec
        self._prefix = prefix
        self._cells: dict[str, S] = {}

    def get(self, symbol: str) -> S | None:
        """The value of ``symbol``, to be changed in place; None when it has none yet."""
        cell = self._cells.get(symbol)
        if cell is None:
            cell = self._codec.load(self._state, self._prefix + symbol.encode())
            if cell is not None:
                self._cells[symbol] = cell
        return cell

    def put(self, symbol: str, cell: S) -> S:
        """Begin or replace the value of ``symbol``, and return it."""
        self._cells[symbol] = cell
        return cell

    def store(self) -> None:
        """Write all values that were used, in the order of their first use."""
        for symbol, cell in self._cells.items():
            self._codec.store(self._state, self._prefix + symbol.encode(), cell)

    def __iter__(self) -> Iterator[tuple[str, S]]:
        """The values that were used, in the order of their first use."""
        return iter(self._cells.items())
