"""Messages that many clients get, deflated once for all of them (pure).

Only the number in front of a message differs from client to client. Deflate lets blocks that were made apart stand one after the
other: so the number goes into a block of its own that is stored as it is, and the rest is the same bytes for everybody. That asks
that nothing refers to an earlier message (no context takeover), whatever a client has been sent before.
"""

import zlib
from functools import cached_property
from typing import Final

LEVEL: Final = 1
"""Of zlib: higher ones take several times as long to save a tenth more."""
WINDOW_BITS: Final = 15
LEAST: Final = 512
"""Bytes of a message below which it is not worth while."""
_SYNC: Final = b"\x00\x00\xff\xff"
"""What each flush ends with, and WebSocket leaves away."""


class SharedBody(bytes):
    """The body of a message that many get."""

    @cached_property
    def deflated(self) -> bytes:
        """It as deflate's blocks, none of which is the last."""
        deflater = zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS)
        made = deflater.compress(self) + deflater.flush(zlib.Z_SYNC_FLUSH)
        return made.removesuffix(_SYNC)


def deflated(head: bytes, body: SharedBody) -> bytes:
    """``head``, which is one client's alone, and ``body`` as the payload of a compressed message."""
    size = len(head)
    return b"\x00%s%s%s%s" % (size.to_bytes(2, "little"), (size ^ 0xFFFF).to_bytes(2, "little"), head, body.deflated)
