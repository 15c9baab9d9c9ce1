"""What was put on each connection, record by record, in the order in which it was. Pure.

A record is a number, its place in the day, and neighbours make a run: so a whole day of a connection takes little. Text is kept
only of what a fault changed.
"""

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from connectors.ssi.simulator.core.garble import BAD_BYTE, argument_of
from connectors.ssi.simulator.core.kept_texts import KeptTexts
from connectors.ssi.simulator.core.places import B_PLACE, BASE, NOWHERE
from connectors.ssi.simulator.core.sent import SentRecord, State
from connectors.ssi.simulator.core.truth import Runs


class SentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of ``/sim/sent``: one record as it was put on the connection."""

    n: int
    """Its number on the connection, from 0."""
    place: int | None
    """Its place in the day; of an ``X`` or a ``B`` that of the record which it follows. None for what a fault said that is none
    of the day's records."""
    state: State
    """``altered``: with other numbers than the day's own. ``garbled``: so that nobody can decode it. ``message``: a whole message
    of a captured day that nobody could read."""
    argument: str | None
    """The argument of Broadcast; of what has no place, what the client has to reject. None where a byte in it was no text, for a
    message, and for ``X`` and ``B``, which say nothing that other records have not said."""
    derived: Literal["X", "B"] | None = None
    """Which of these two it is; None for any other record."""
    follows: str | None = None
    """Of an ``X`` or a ``B`` the argument of the record that it follows: its symbol, its date and its time are that record's."""


_encode = msgspec.json.Encoder().encode

TextOf = Callable[[int], str]
"""Gives the invocation of the record at a place, which is none of ``X`` or ``B``."""


class Journal:
    """The records that were put on one connection."""

    def __init__(self) -> None:
        self._places = Runs()
        self._states: dict[int, State] = {}
        """Of the records that were not as the day has them, by their numbers."""
        self._written = KeptTexts()

    def put(self, sent: SentRecord) -> None:
        """Note a record that was put on the socket."""
        place, text, state = sent
        if state != "good":
            self._states[self._places.count] = state
            if state != "message":
                self._written[self._places.count] = text
        self._places.add(place)

    def __len__(self) -> int:
        """How many records were."""
        return self._places.count

    def lines(self, text_of: TextOf) -> Iterator[bytes]:
        """All of them, each as a :class:`SentLine` with its newline."""
        numbered = enumerate(place for first, count in list(self._places) for place in range(first, first + count))
        for n, place in numbered:
            yield _encode(self._line(n, place, text_of)) + b"\n"

    def _line(self, n: int, place: int, text_of: TextOf) -> SentLine:
        state = self._states.get(n, "good")
        if place == NOWHERE:
            return SentLine(n=n, place=None, state=state, argument=self._written.get(n))
        argument = self._argument(n, place, state, text_of)
        if place <= BASE:
            return SentLine(n=n, place=place, state=state, argument=argument)
        base = place & BASE
        follows = argument_of(text_of(base))
        return SentLine(n=n, place=base, state=state, argument=argument, derived="B" if place & B_PLACE else "X", follows=follows)

    def _argument(self, n: int, place: int, state: State, text_of: TextOf) -> str | None:
        text = self._written.get(n)
        if text is None:
            if state == "message" or place > BASE:
                return None
            text = text_of(place)
        argument = argument_of(text)
        return None if BAD_BYTE in argument else argument
