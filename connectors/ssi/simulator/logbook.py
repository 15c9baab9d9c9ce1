"""The file in which a simulator keeps how far its day has come, so that it goes on with it after it was killed.

An entry is in the file once :meth:`Logbook.write` returns: the kernel has it, and keeps it when the process is killed. A machine
that loses power may lose the last ones. The file is bounded by the day: a line for each hub message, 60 MB at most for a day of
true size on one connection.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from connectors.ssi.simulator.core.errors import UnreadableLogbook
from connectors.ssi.simulator.core.hub import HubConnection
from connectors.ssi.simulator.core.journal import Journal
from connectors.ssi.simulator.core.logbook import Closed, DayBegun, Entry, PastConnection, Remembered, encode_entry
from connectors.ssi.simulator.core.truth import ConnectionStatus, Deliveries
from schemas.units import TradingDay, UnixMs

FILE: Final = "day.jsonl"
_TICK_S: Final = 0.01
"""The kernel's clock for the times of files ticks no slower, and stands still in between."""


class Logbook:
    """The logbook in a folder. Whatever it says of an earlier run is in :attr:`remembered`."""

    def __init__(self, folder: Path) -> None:
        """Read it, and open it for what comes.

        Raises:
            UnreadableLogbook: It is damaged, or cannot be read.
        """
        self._path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            self.last_written_s = os.fstat(self._file).st_mtime + _TICK_S
            """When the last entry was written, in seconds since 1970; no earlier, and a tick later at most."""
            with self._path.open("rb") as lines:
                self.remembered = Remembered.load(lines, str(self._path))
            os.truncate(self._file, self.remembered.length if self.remembered else 0)
        except OSError as error:
            raise UnreadableLogbook(str(self._path), str(error)) from error

    def begin(self, day: TradingDay, made_from: str) -> None:
        """Begin a day, or see that the one that is in it is that day.

        Raises:
            UnreadableLogbook: Another one is.
        """
        if self.remembered is None:
            self.write(DayBegun(day, made_from))
        elif (self.remembered.day, self.remembered.made_from) != (day, made_from):
            raise UnreadableLogbook(str(self._path), f"it is of another day: {self.remembered.day}, {self.remembered.made_from}")

    def write(self, entry: Entry) -> None:
        """Add an entry. Nothing that it tells of may happen before this returns."""
        os.write(self._file, encode_entry(entry))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class PastSocket:
    """What is left of the socket of a connection when its simulator was killed: its books."""

    is_open = False

    def __init__(self, past: PastConnection, deliveries: Deliveries, most_waiting: int) -> None:
        self._past = past
        self._deliveries = deliveries
        self.connection = HubConnection(past.opened.connection, past.opened.connection_id, most_waiting)
        self.connection.malformed = past.malformed

    @property
    def journal(self) -> Journal:
        """What was put on it."""
        return self._past.journal

    def status(self) -> ConnectionStatus:
        """What ``/sim/status`` says of it."""
        return self._past.status(self._deliveries.sent_on(self._past.opened.connection))


def end_the_open(remembered: Remembered, ended_ms: UnixMs, write: Callable[[Entry], None]) -> None:
    """Note of the connections that were open when their simulator was killed that they have ended since."""
    for past in remembered.connections:
        if past.closed is None:
            past.closed = Closed(past.opened.connection, ended_ms, "reset", 0)
            write(past.closed)
