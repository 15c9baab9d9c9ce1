"""A market day as it is kept and played: blocks of records that are already written as hub invocations. Pure.

A block holds some thousand records in the order of the feed: when each is due, what it is, where its text ends, and the lines
that ``/sim/truth`` has about them. So playing a record costs a slice, and a day of any size needs the memory of a few blocks.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.places import KINDS, kind_of
from connectors.ssi.simulator.core.records import Foreign, SimulatedRecord, Trade, Verbatim
from connectors.ssi.simulator.core.truth import fact_of
from schemas.calendar import at
from schemas.units import Symbol

BLOCK_RECORDS = 2_048
"""Records in a block; in the last of a day there are fewer."""


@dataclass(frozen=True, repr=False)
class DayBlock:
    """Some records of a day, one after the other."""

    first: int
    """The place of the first of them."""
    dues: "array[int]"
    """When each is due, in Unix milliseconds."""
    keys: "array[int]"
    """What each is: see :mod:`connectors.ssi.simulator.core.places`. Symbols are numbered as :func:`symbols_of` lists them."""
    ends: "array[int]"
    """Where the text of each ends in ``text``."""
    fact_places: "array[int]"
    """The places of the records that ``facts`` has lines for."""
    text: str
    """The hub invocations, one directly after the other."""
    facts: bytes
    """A line for each print, deal and foreign record of the day: see :func:`connectors.ssi.simulator.core.truth.fact_of`."""

    def __len__(self) -> int:
        return len(self.dues)

    @cached_property
    def begins(self) -> list[int]:
        """Where the text of each begins."""
        return [0, *self.ends[:-1]]

    def packed(self) -> tuple[bytes, bytes, bytes]:
        """The block as three pieces of bytes, which compress best apart: the numbers, the text, the facts."""
        columns = (array("q", [self.first]), self.dues, self.keys, self.ends, self.fact_places)
        numbers = b"".join(len(column).to_bytes(4, "little") + column.tobytes() for column in columns)
        return numbers, self.text.encode("ascii"), self.facts

    @classmethod
    def unpacked(cls, numbers: bytes, text: bytes, facts: bytes) -> "DayBlock":
        """What :meth:`packed` was called on."""
        columns: list[array[int]] = []
        begins = 0
        for code in _COLUMNS:
            column: array[Any] = array(code)
            count = int.from_bytes(numbers[begins : begins + 4], "little")
            begins += 4
            column.frombytes(numbers[begins : begins + count * column.itemsize])
            begins += count * column.itemsize
            columns.append(column)
        (first,), dues, keys, ends, fact_places = columns
        return cls(first, dues, keys, ends, fact_places, text.decode("ascii"), facts)


_COLUMNS = ("q", "q", "I", "I", "q")


def symbols_of(market: MarketDay) -> list[Symbol]:
    """The symbols of a day in the order of their numbers: listings, then indices. So a subscription to ``ALL`` is answered."""
    return [*(listing.symbol for listing in market.universe.listings), *(index.symbol for index in market.universe.indices)]


def blocks_of(market: MarketDay) -> Iterator[DayBlock]:
    """Make a day, block after block."""
    writer = _Writer(market)
    for records in market.periods():
        for record in records:
            writer.add(record)
            if writer.waiting == BLOCK_RECORDS:
                yield writer.take()
    if writer.waiting:
        yield writer.take()


class _Writer:
    """Gathers records until they are a block."""

    def __init__(self, market: MarketDay) -> None:
        self._numbers = {symbol: number for number, symbol in enumerate(symbols_of(market))}
        self._day_begins_ms = at(market.day, 0)
        self._first = 0
        """The place of the first record that it has gathered."""
        self._clear()

    @property
    def waiting(self) -> int:
        """How many records it has gathered."""
        return len(self._dues)

    def add(self, record: SimulatedRecord) -> None:
        """Add the next record of the day."""
        told = record.meaning if isinstance(record, Verbatim) else record
        if isinstance(told, Trade | Foreign) and record.due_ms >= self._day_begins_ms and (fact := fact_of(told)):
            self._facts.append(fact)
            self._fact_places.append(self._first + self.waiting)
        text = wire.encode(record)
        self._length += len(text)
        self._dues.append(record.due_ms)
        self._keys.append(self._numbers[record.listing.symbol] * KINDS + kind_of(record))
        self._ends.append(self._length)
        self._texts.append(text)

    def take(self) -> DayBlock:
        """The block of what has been added since the last."""
        columns = self._dues, self._keys, self._ends, self._fact_places
        block = DayBlock(self._first, *columns, "".join(self._texts), b"\n".join(self._facts))
        self._first += self.waiting
        self._clear()
        return block

    def _clear(self) -> None:
        self._dues, self._fact_places = array("q"), array("q")
        self._keys, self._ends = array("I"), array("I")
        self._texts: list[str] = []
        self._facts: list[bytes] = []
        self._length = 0
