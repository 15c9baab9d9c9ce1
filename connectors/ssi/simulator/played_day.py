"""A market day on disk: made block after block as it is played, or read from where an earlier run has kept it.

A day of true size is three gigabytes of text. Compressed it is a file of a tenth of that, which is written as the day is made and
read at more than the rate of a socket. It is kept only when it is whole, and found again by everything that it depends on: seed,
date, size, and the code that makes it.
"""

import hashlib
import logging
import os
import struct
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import lz4.block

from connectors.ssi.simulator.core.blocks import BLOCK_RECORDS, DayBlock, blocks_of
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.truth import Facts

logger = logging.getLogger(__name__)

KEPT_DAYS = 4
"""So many days are kept; of more, those go that nobody has played for the longest time."""

_PIECES = struct.Struct("<3I")
"""Before each block: the lengths of its three compressed pieces."""
_END = struct.Struct("<Q8s")
"""At the end of a whole day: how many blocks it has, after where each begins."""
_WHOLE = b"wholeday"


class PlayedDay:
    """The blocks of a market day, in order. It may be asked by several threads."""

    def __init__(self, market: MarketDay, cache: Path | None = None, *, keep: bool = False) -> None:
        """Take the day from ``cache`` if it is there; if not, make it, in a file that vanishes with this object.

        With ``keep`` that file becomes one of the cache once the day is whole.
        """
        kept = None if cache is None else cache / _name_of(market)
        self._lock = Lock()
        """Held while a block is read or made, so that :meth:`close` closes no file that is in use."""
        self._is_closed = False
        self._offsets = array("Q", [0])
        """Where each block begins in the file, and where the next will."""
        self._making: Iterator[DayBlock] | None = None
        self._shown: tuple[int, DayBlock] | None = None
        """The block that a text was asked for last, and its number."""
        self._partial: Path | None = None
        self._kept = kept if keep else None
        found = None if kept is None else _whole(kept)
        if found is not None:
            self._file, self._offsets = found
            logger.info("this day was made before: %s", kept)
            return
        self._making = blocks_of(market)
        if self._kept is None:
            with tempfile.TemporaryFile() as file:
                self._file = os.dup(file.fileno())
        else:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            self._partial = self._kept.with_suffix(f".{os.getpid()}.part")
            self._file = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    @property
    def is_whole(self) -> bool:
        """Whether all of it has been made."""
        return self._making is None

    @property
    def is_to_be_kept(self) -> bool:
        """Whether it becomes one of the cache once it is whole, and is not yet."""
        return self._kept is not None and not self.is_whole

    @property
    def blocks(self) -> int:
        """Blocks that have been made."""
        return len(self._offsets) - 1

    def block(self, number: int) -> DayBlock | None:
        """The block with ``number``, from 0; None after the last, and once this is closed. If need be it is made now."""
        with self._lock:
            return None if self._is_closed else self._found(number)

    def _found(self, number: int) -> DayBlock | None:
        made: DayBlock | None = None
        while self._making is not None and number >= self.blocks:
            made = next(self._making, None)
            if made is None:
                self._finish()
            else:
                self._append(made)
        if number >= self.blocks:
            return None
        return made or DayBlock.unpacked(*self._pieces(number, (0, 1, 2)))

    def make_whole(self) -> None:
        """Make all that has not been made yet, unless it is closed meanwhile."""
        while not (self.is_whole or self._is_closed):
            self.block(self.blocks)

    def text_of(self, place: int) -> str:
        """The invocation of the record at ``place``, which has been due."""
        number = place // BLOCK_RECORDS
        if self._shown is None or self._shown[0] != number:
            self._shown = number, DayBlock.unpacked(*self._pieces(number, (0, 1, 2)))
        block, at = self._shown[1], place % BLOCK_RECORDS
        return block.text[block.begins[at] : block.ends[at]]

    def facts(self, number: int = 0) -> Iterator[Facts]:
        """What the truth has to tell of each block from ``number`` on, of those that have been made when they are reached."""
        while number < self.blocks:
            numbers, facts = self._pieces(number, (0, 2))
            places = DayBlock.unpacked(numbers, b"", b"").fact_places
            yield places, facts.split(b"\n") if facts else []
            number += 1

    def close(self) -> None:
        """Let go of the file. What is not whole is not kept."""
        self._is_closed = True
        with self._lock:
            os.close(self._file)
            if self._partial is not None:
                self._partial.unlink(missing_ok=True)

    def _append(self, block: DayBlock) -> None:
        pieces = [lz4.block.compress(piece) for piece in block.packed()]
        data = b"".join((_PIECES.pack(*map(len, pieces)), *pieces))
        _write(self._file, data, self._offsets[-1])
        self._offsets.append(self._offsets[-1] + len(data))

    def _finish(self) -> None:
        self._making = None
        if self._kept is None or self._partial is None:
            return
        _write(self._file, self._offsets.tobytes() + _END.pack(self.blocks, _WHOLE), self._offsets[-1])
        self._partial.replace(self._kept)
        self._partial = None
        _forget_others(self._kept)

    def _pieces(self, number: int, wanted: tuple[int, ...]) -> list[bytes]:
        """Pieces of a block: its numbers (0), its text (1), its facts (2)."""
        begins = self._offsets[number]
        lengths = _PIECES.unpack(os.pread(self._file, _PIECES.size, begins))
        at = begins + _PIECES.size
        pieces = []
        for piece, length in enumerate(lengths):
            if piece in wanted:
                pieces.append(lz4.block.decompress(os.pread(self._file, length, at)))
            at += length
        return pieces


def _name_of(market: MarketDay) -> str:
    size = market.size
    return f"{market.day}-seed{market.seed}-scale{size.scale:g}-symbols{size.symbols}-{size.put_through}-{_code()}.day"


def _code() -> str:
    """What names the code that makes a day: a change of it makes another day."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "core").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _whole(path: Path) -> "tuple[int, array[int]] | None":
    """The file of a day that is kept whole, and where its blocks begin; None where there is none."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    size = os.fstat(file).st_size
    if size >= _END.size:
        blocks, mark = _END.unpack(os.pread(file, _END.size, size - _END.size))
        offsets = array("Q")
        length = (blocks + 1) * offsets.itemsize
        begins = size - _END.size - length
        if mark == _WHOLE and begins >= 0:
            offsets.frombytes(os.pread(file, length, begins))
            if offsets[-1] == begins:
                os.utime(path)
                return file, offsets
    os.close(file)
    logger.warning("%s is no whole market day: it is made anew", path)
    return None


def _forget_others(kept: Path) -> None:
    """Remove the days that were played least recently, and what processes that have ended left unfinished."""
    days = sorted(kept.parent.glob("*.day"), key=lambda path: path.stat().st_mtime, reverse=True)
    for day in days[KEPT_DAYS:]:
        day.unlink(missing_ok=True)
    for partial in kept.parent.glob("*.part"):
        process = partial.suffixes[-2].lstrip(".")
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            partial.unlink(missing_ok=True)
        except (ValueError, PermissionError):
            continue


def _write(file: int, data: bytes, at: int) -> None:
    """Write all of ``data`` at a position of a file."""
    while data:
        written = os.pwrite(file, data, at)
        data, at = data[written:], at + written
