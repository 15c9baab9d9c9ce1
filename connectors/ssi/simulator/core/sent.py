"""A record on its way to a socket. Pure."""

from typing import Literal, NamedTuple

from connectors.ssi.simulator.core.places import ARGUMENT, KINDS, MESSAGE

State = Literal["good", "altered", "garbled", "message"]
"""Whether what is sent says what the day says (``good``), something else (``altered``), or nothing that could be decoded
(``garbled``); or is a whole message of a captured day that nobody could read (``message``)."""


class SentRecord(NamedTuple):
    """A record on its way to a socket."""

    place: int
    """Its place in the day: see :mod:`connectors.ssi.simulator.core.places`."""
    text: str
    """The invocation that carries it; the whole message, where that is its state."""
    state: State


def state_of(key: int) -> State:
    """What a record of the day with this key is, before any fault."""
    if key & MESSAGE != MESSAGE:
        return "good"
    return "garbled" if key % KINDS == ARGUMENT else "message"
