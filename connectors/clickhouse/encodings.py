"""Compression of bodies, both ways: as HTTP has it (gzip, lz4, zstd), and ClickHouse's own blocks (``compress=1``).

A block of ClickHouse's is lz4 behind a head: the CityHash of what follows (16 bytes), the method (a byte), and the sizes with the
head's last nine bytes and of the data (4 bytes each), little-endian.
"""

import struct
import zlib
from typing import Final, Protocol

import lz4.block
import lz4.frame
from clickhouse_cityhash.cityhash import CityHash128

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


BLOCKS: Final = "blocks"
"""Not an encoding of HTTP's: ClickHouse's own compressed blocks."""
_HASH = struct.Struct("<QQ")
_HEAD = struct.Struct("<BII")
_LZ4 = 0x82
_STORED = 0x02
_BLOCK_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS


def compressor(encoding: str | None) -> Compressor:
    """A compressor for one body; None leaves it as it is."""
    match encoding:
        case None:
            return _Plain()
        case "lz4":
            return _Lz4()
        case "gzip":
            return zlib.compressobj(level=1, wbits=_GZIP)
        case "zstd":
            return zstd.ZstdCompressor()
    return _Blocks()


def unpack_blocks(body: bytes, limit: int) -> bytes:
    """Undo ClickHouse's own compression of a request, ``decompress=1``.

    Args:
        body: Whole blocks.
        limit: The largest body that is taken, uncompressed, in bytes.

    Raises:
        TooLarge: It would be larger.
        StatementRefused: 354, something in it is no block; 271, it is one of another method than lz4.
    """
    plain = bytearray()
    at = 0
    while at < len(body):
        if len(body) - at < _HASH.size + _HEAD.size:
            raise StatementRefused(354, "INFLATE_FAILED", "the body ends in the middle of a compressed block")
        method, size, size_of_data = _HEAD.unpack_from(body, at + _HASH.size)
        end = at + _HASH.size + size
        if size < _HEAD.size or end > len(body):
            raise StatementRefused(354, "INFLATE_FAILED", "the body ends in the middle of a compressed block")
        if _hash_of(body[at + _HASH.size : end]) != body[at : at + _HASH.size]:
            raise StatementRefused(354, "INFLATE_FAILED", "a compressed block is not what its checksum says")
        if len(plain) + size_of_data > limit:
            raise TooLarge
        data = body[at + _HASH.size + _HEAD.size : end]
        if method == _LZ4:
            try:
                data = lz4.block.decompress(data, uncompressed_size=size_of_data)
            except lz4.block.LZ4BlockError as error:
                raise StatementRefused(354, "INFLATE_FAILED", f"a compressed block is not lz4: {error}") from error
        elif method != _STORED:
            raise StatementRefused(271, "CANNOT_DECOMPRESS", f"compression method {method:#x} is not understood: use lz4")
        plain += data
        at = end
    return bytes(plain)


def _hash_of(block: bytes) -> bytes:
    high, low = divmod(CityHash128(block), 1 << 64)
    return _HASH.pack(high, low)


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


class _Blocks:
    """Each piece becomes blocks of its own."""

    def compress(self, data: bytes) -> bytes:
        made = []
        for at in range(0, len(data), _BLOCK_BYTES):
            piece = data[at : at + _BLOCK_BYTES]
            packed = lz4.block.compress(piece, store_size=False)
            block = _HEAD.pack(_LZ4, len(packed) + _HEAD.size, len(piece)) + packed
            made += [_hash_of(block), block]
        return b"".join(made)

    def flush(self) -> bytes:
        return b""


class _Plain:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""
