"""Cursors: how far a client has read a channel, as text that every instance of the gateway understands (pure).

Kafka's offsets are the same for all instances, so no instance has to remember its clients. The text is ``stream.slot:offset,…``.
The *stream* tells the logs that were read from those of topics that were made anew; a *slot* is a partition of one of the
channel's topics. Clients repeat the text and never look inside.
"""

import re
from collections.abc import Mapping

from gateway.core.errors import BadCursor

Offsets = Mapping[int, int]
"""The last offset read, by slot."""

_TEXT = re.compile(r"([0-9a-f]{8})\.((?:[0-9]{1,6}:[0-9]{1,24}(?:,[0-9]{1,6}:[0-9]{1,24})*)?)")


def write(stream: str, offsets: Offsets) -> str:
    """The cursor of who has read ``stream`` up to ``offsets``."""
    return f"{stream}.{','.join(f'{slot}:{offset}' for slot, offset in sorted(offsets.items()))}"


def read(text: str, stream: str) -> dict[int, int] | None:
    """The offsets that ``text`` says, or None when it points into another stream and so says nothing.

    Raises:
        BadCursor: No gateway wrote this.
    """
    match = _TEXT.fullmatch(text)
    if match is None:
        raise BadCursor("the cursor is not one of ours: subscribe without it")
    if match[1] != stream:
        return None
    pairs = (pair.split(":") for pair in match[2].split(",") if pair)
    return {int(slot): int(offset) for slot, offset in pairs}
