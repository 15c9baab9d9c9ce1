"""Whether a client masks its WebSocket frames, as RFC 6455 has it, and how many it sends; aiohttp minds neither (pure)."""


class FrameCheck:
    """Follows a client's stream of frames from header to header, without keeping any of it."""

    __slots__ = ("_header", "_skip", "frames")

    def __init__(self) -> None:
        self.frames = 0
        """How many have begun: messages, parts of messages, pings, pongs."""
        self._header = b""
        """What has come of a header that is not whole yet."""
        self._skip = 0
        """Bytes of the frame under way that are still to come."""

    def take(self, data: bytes) -> bool:
        """Follow ``data``, the next piece of the stream; False as soon as a frame is not masked."""
        place = 0
        while place < len(data):
            if self._skip:
                step = min(self._skip, len(data) - place)
                self._skip -= step
                place += step
                continue
            # A header is two bytes, up to eight of an extended length, and four of the mask, which is skipped with the payload.
            self._header += data[place : place + 1]
            place += 1
            header = self._header
            if len(header) < 2:
                continue
            if not header[1] & 0x80:
                return False
            length = header[1] & 0x7F
            extended = {126: 2, 127: 8}.get(length, 0)
            if len(header) < 2 + extended:
                continue
            self.frames += 1
            self._skip = 4 + (int.from_bytes(header[2:]) if extended else length)
            self._header = b""
        return True
