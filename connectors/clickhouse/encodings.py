"""Compression of HTTP bodies, both ways: lz4 and zstd frames, as ClickHouse's clients send and understand them."""

from typing import Protocol

import lz4.frame

from connectors.clickhouse.core.errors import StatementRefused, TooLarge
from connectors.zstd import zstd


class Compressor(Protocol):
    """Compresses a body piece by piece; what :meth:`compress` keeps back comes out of :meth:`flush`."""

    def compress(self, data: bytes) -> bytes:
        """The next part of the compressed body, perhaps empty."""
        ...

    def flush(self) -> bytes:
        """The end of the compressed body."""
        ...


def compressor(encoding: str | None) -> Compressor:
    """A compressor for one body; None leaves it as it is."""
    if encoding is None:
        return _Plain()
    return _Lz4() if encoding == "lz4" else zstd.ZstdCompressor()


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the lz4 of a request, which may come as several frames; gzip, deflate and zstd aiohttp has undone already.

    Args:
        body: As it came.
        encoding: The request's ``Content-Encoding``.
        limit: The largest body that is taken, uncompressed, in bytes.

    Raises:
        TooLarge: It would be larger.
        StatementRefused: 354, it is not lz4.
    """
    if encoding != "lz4":
        return body
    plain = bytearray()
    try:
        while body:
            frame = lz4.frame.LZ4FrameDecompressor()
            plain += frame.decompress(body, max_length=limit + 1 - len(plain))
            if len(plain) > limit:
                raise TooLarge
            body = frame.unused_data or b""
    except RuntimeError as error:
        raise StatementRefused(354, "INFLATE_FAILED", f"the body is not lz4: {error}") from error
    return bytes(plain)


class _Lz4:
    """An lz4 frame. Its library wants the frame's header asked for before anything else; it goes out with the first data."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._header = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        header, self._header = self._header, b""
        return bytes(header + self._frame.compress(data))

    def flush(self) -> bytes:
        header, self._header = self._header, b""
        return bytes(header + self._frame.flush())


class _Plain:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""
