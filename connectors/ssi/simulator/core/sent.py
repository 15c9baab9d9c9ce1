"""A record on its way to a socket. Pure."""

from typing import Literal, NamedTuple

from connectors.ssi.simulator.core.places import ARGUMENT, KINDS, MESSAGE, NOWHERE

State = Literal["good", "altered", "garbled", "message"]
"""Whether what is sent says what the day says (``good``), something else (``altered``), or nothing that could be decoded
(``garbled``); or is a whole message of a captured day that nobody could read (``message``)."""


class SentRecord(NamedTuple):
    """A record on its way to a socket."""

    place: int
    """Its place in the day: see :mod:`connectors.ssi.simulator.core.places`."""
    text: str
    """The invocation that carries it; the whole message, where that is its state. What has no place is here as the client has to
    reject it: an argument of Broadcast, or a whole message."""
    state: State


def nonsense(text: str) -> SentRecord:
    """What a fault says that is none of the day's records, and that no client can decode."""
    return SentRecord(NOWHERE, text, "garbled")


def state_of(key: int) -> State:
    """What a record of the day with this key is, before any fault."""
    if key & MESSAGE != MESSAGE:
        return "good"
    return "garbled" if key % KINDS == ARGUMENT else "message"
