"""Server-sent events: ``stock.v1`` for who only listens, over plain HTTP (pure).

The messages are those of the WebSocket. What a client would say there stands in its request: a parameter for each channel, and in
``Last-Event-ID``, which browsers send by themselves when they come back, the cursors of all channels together.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.core import cursor
from gateway.core.channels import CHANNELS
from gateway.core.errors import BadCursor, Refused
from gateway.core.selection import EVERYTHING
from schemas.stock_v1 import ErrorCode, Sub

THROTTLE: Final = "throttle_ms"
"""The parameter that is no channel."""
STATUS: Final[Mapping[ErrorCode, int]] = {
    ErrorCode.UNKNOWN_SYMBOL: 404,
    ErrorCode.AUTH_NEEDED: 401,
    ErrorCode.NOT_ALLOWED: 403,
    ErrorCode.NOT_READY: 503,
}
"""How HTTP says that a request is refused; 400 where nothing stands here."""


def subscriptions(query: Mapping[str, str], last_id: str | None) -> list[Sub]:
    """What a request subscribes to: ``?px=VNM,@VN30&alert=*&throttle_ms=250``.

    Args:
        query: Its parameters.
        last_id: The id of the last event that its client has seen. What no gateway wrote says nothing: browsers send by
            themselves whatever they were told once, and could not leave it away.

    Raises:
        Refused: There is no channel among the parameters, or something that is none of them.
    """
    chosen = {name: words for name, words in query.items() if name != THROTTLE}
    if not chosen or not chosen.keys() <= CHANNELS.keys():
        reason = f"name channels and their symbols, as in px=VNM,@VN30: there are {', '.join(CHANNELS)}, and {THROTTLE}"
        raise Refused(ErrorCode.UNKNOWN_CHANNEL, reason)
    throttle = query.get(THROTTLE)
    if throttle is not None and not (throttle.isascii() and throttle.isdigit() and len(throttle) < 6):
        raise Refused(ErrorCode.BAD_THROTTLE, f"{THROTTLE} is a number of milliseconds")
    cursors = read_id(last_id or "")
    return [
        Sub(
            op="sub",
            ch=channel,
            sym=[word for word in words.split(",") if word] or [EVERYTHING],
            throttle_ms=None if throttle is None else int(throttle),
            cursor=cursors.get(channel),
        )
        for channel, words in chosen.items()
    ]


def read_id(text: str) -> dict[str, str]:
    """The cursors in an event's id, by channel; those that no gateway can have written are left out."""
    found = {}
    for part in text.split(";"):
        channel, _, written = part.partition("=")
        try:
            cursor.read(written, "")
        except BadCursor:
            continue
        if channel in CHANNELS:
            found[channel] = written
    return found


class _Place(msgspec.Struct):
    """What of a message concerns its event."""

    op: str
    ch: str = ""
    cursor: str | dict[str, str] | None = None
    retry_ms: int | None = None


_place = msgspec.json.Decoder(_Place)


class EventWriter:
    """Makes events of a connection's messages. An event's id has the cursors of all channels up to it."""

    def __init__(self, cursors: Mapping[str, str]) -> None:
        """``cursors`` are those that the client came with."""
        self._cursors = dict(cursors)

    def event(self, message: bytes) -> bytes:
        """``message``, a line of JSON, as an event."""
        place = _place.decode(message)
        head = b""
        if place.op == "goaway":
            head = b"retry: %d\n" % (place.retry_ms or 0)
        if place.cursor:
            self._cursors |= place.cursor if isinstance(place.cursor, dict) else {place.ch: place.cursor}
            head += b"id: %s\n" % ";".join(f"{channel}={written}" for channel, written in self._cursors.items()).encode()
        return b"%sdata: %s\n\n" % (head, message)
