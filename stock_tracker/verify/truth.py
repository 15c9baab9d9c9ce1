"""The simulator's account of its day, laid aside on disk when it is asked for: a whole day is too much to hold at once."""

import http.client
from collections import Counter
from collections.abc import Iterator
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, Final
from urllib.parse import urlsplit

import msgspec

from connectors.ssi.simulator.core.errors import UnreadableTruth
from connectors.ssi.simulator.core.truth import (
    AffectedTruth,
    DealTruth,
    FaultTruth,
    ForeignTruth,
    PrintTruth,
    SentTruth,
    TruthHeader,
    TruthLine,
)
from stock_tracker.errors import NoTruth
from stock_tracker.verify.core.against_truth import Fact

_TIMEOUT_S: Final = 60.0
_PATH: Final = "/sim/truth"
_lines = msgspec.json.Decoder(TruthLine)


class TruthFile:
    """An answer of ``/sim/truth``, on disk until it is closed."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._header: TruthHeader | None = None

    @classmethod
    def ask(cls, url: str) -> "TruthFile":
        """Ask the simulator at ``url``.

        Raises:
            NoTruth: It does not answer.
        """
        file = TemporaryFile("w+b")  # noqa: SIM115 - it is open until it is read
        # Not through a proxy, whatever the environment says: the simulator is on this machine.
        asked = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        try:
            asked.request("GET", _PATH)
            answer = asked.getresponse()
            if answer.status != 200:
                raise NoTruth(url, f"{_PATH} answered {answer.status}")
            copyfileobj(answer, file)
        except (OSError, http.client.HTTPException) as error:
            file.close()
            raise NoTruth(url, str(error) or type(error).__name__) from error
        except NoTruth:
            file.close()
            raise
        finally:
            asked.close()
        return cls(file)

    def close(self) -> None:
        """Remove it."""
        self._file.close()

    @property
    def header(self) -> TruthHeader:
        """Its first line.

        Raises:
            UnreadableTruth: It does not begin as an answer does.
        """
        if self._header is None:
            self._file.seek(0)
            self._header = _header_of(self._file.readline())
        return self._header

    def facts(self) -> Iterator[tuple[bytes, Fact]]:
        """Yield every line about a record of a symbol, with its text; one reader at a time.

        Raises:
            UnreadableTruth: At the end: lines are missing, or one is none of an answer's.
        """
        announced = self.header
        counts: Counter[type[TruthLine]] = Counter()
        sent = 0
        self._file.seek(0)
        self._file.readline()
        for text in self._file:
            line = read_line(text)
            counts[type(line)] += 1
            if isinstance(line, SentTruth):
                sent += line.records
            elif isinstance(line, Fact):
                yield text.rstrip(b"\n"), line
        told = (
            announced.prints, announced.deals, announced.foreign, sum(announced.sent.values()), announced.faults,
            announced.affected,
        )  # fmt: skip
        counted = (
            counts[PrintTruth], counts[DealTruth], counts[ForeignTruth], sent, counts[FaultTruth], counts[AffectedTruth],
        )  # fmt: skip
        if told != counted:
            raise UnreadableTruth(
                f"the truth announces {told} prints, deals, foreign records, sent ones, faults and affected ones, and has "
                f"{counted}: the answer was cut short, fetch it again"
            )


def read_line(text: bytes) -> TruthLine:
    """Read a line of an answer.

    Raises:
        UnreadableTruth: It is none.
    """
    try:
        line: TruthLine = _lines.decode(text)
    except msgspec.MsgspecError as error:
        raise UnreadableTruth(f"not an answer of {_PATH}: {error}") from error
    return line


def read_fact(text: bytes) -> Fact:
    """Read a line about a record of a symbol.

    Raises:
        UnreadableTruth: It is none.
    """
    line = read_line(text)
    if not isinstance(line, Fact):
        raise UnreadableTruth(f"no line of {_PATH} about a record: {text[:80]!r}")
    return line


def _header_of(text: bytes) -> TruthHeader:
    line = read_line(text) if text else None
    if not isinstance(line, TruthHeader):
        raise UnreadableTruth("an answer of /sim/truth begins with its header; this does not: fetch it again")
    return line
