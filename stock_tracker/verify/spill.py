"""Lines on disk in place of memory: what is read in the order of a log, and compared symbol by symbol, is laid aside here."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import BinaryIO, Self


class SpilledLines:
    """Some files of lines in a folder of their own, which is removed at the end of the block.

    Args:
        count: How many files.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._folder = TemporaryDirectory(prefix="stock-tracker-verify-")
        self.folder = Path(self._folder.name)
        self._files: dict[int, BinaryIO] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()
        self._folder.cleanup()

    def write(self, number: int, line: bytes) -> None:
        """Add a line to a file, without its newline: it has none in it either."""
        file = self._files.get(number)
        if file is None:
            file = self._files[number] = (self.folder / str(number)).open("w+b")
        file.write(line)
        file.write(b"\n")

    def read(self, number: int) -> Iterator[bytes]:
        """Yield the lines of a file as they were written; nothing is to be written to it afterwards."""
        file = self._files.get(number)
        if file is not None:
            file.seek(0)
            for line in file:
                yield line[:-1]
