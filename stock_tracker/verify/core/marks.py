"""A short text for every record, by which one that was sent is found again among those that were published. Pure.

Equal records have equal marks, and others practically never. ``X`` and ``B`` are marked by their symbol and time only: the
simulator keeps no text of them, because they repeat what other records say.
"""

from hashlib import blake2b
from typing import Final, NamedTuple

from connectors.ssi.core.decode import DATA_TYPE_OF, Decoder
from connectors.ssi.core.errors import InvalidRecord
from connectors.ssi.core.symbols import Symbols
from connectors.ssi.simulator.core.journal import SentLine
from schemas.records import SsiRecord
from schemas.topics import encode

DEAD_LETTER: Final = "dead letter"
"""Stands for the data type of what nobody can decode."""
_BY_TIME: Final = frozenset({"X", "B"})


class RecordMark(NamedTuple):
    """What tells a record from others."""

    data_type: str
    """SSI's name of its kind; or :data:`DEAD_LETTER`."""
    symbol: str
    """Empty where nobody can tell."""
    digest: bytes
    """The same for equal records."""


REJECTED: Final = RecordMark(DEAD_LETTER, "", b"")
"""The mark of everything that nobody can decode: what counts is how often that was, and on which connection."""


def mark(record: SsiRecord) -> RecordMark:
    """The mark of a record."""
    data_type = DATA_TYPE_OF[type(record)]
    if data_type in _BY_TIME:
        return _by_time(data_type, record)
    return RecordMark(data_type, record.symbol, _digest(encode(record)))


def _by_time(data_type: str, record: SsiRecord) -> RecordMark:
    return RecordMark(data_type, record.symbol, _digest(b"%d %d" % (record.trading_day, record.ts_ms)))


def _digest(said: bytes) -> bytes:
    return blake2b(said, digest_size=8).digest()


class SentReader:
    """Reads what the simulator put on a connection."""

    def __init__(self) -> None:
        self._decode = Decoder(Symbols()).decode

    def read(self, line: SentLine) -> tuple[RecordMark, SsiRecord | None]:
        """The mark of what was put there, and its record where it has one and the simulator tells its text."""
        if line.state in ("garbled", "message"):
            return REJECTED, None
        told = line.argument if line.derived is None else line.follows
        try:
            record = self._decode(told or "")
        except InvalidRecord:
            # In a captured day: nobody garbled it, and nobody can read it either.
            return REJECTED, None
        if line.derived is not None:
            return _by_time(line.derived, record), None
        return mark(record), record
