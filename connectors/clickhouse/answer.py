"""What goes back over HTTP: ClickHouse's headers, bodies whole or in chunks, compression, exceptions in the middle of a body."""

import json
import secrets
import sys
import uuid
from dataclasses import asdict
from typing import Final, Protocol

import lz4.frame
from aiohttp import web

from connectors.clickhouse.core.errors import ArchiveError, StatementRefused
from connectors.clickhouse.engine import Summary

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_HTTP_STATUS: Final = {60: 404, 81: 404, 62: 400, 164: 403, 497: 403, 516: 403, 202: 503, 373: 409}
"""Of ClickHouse's error codes; 500 for the others. 503 makes clickhouse-connect try again."""


class TooLarge(ArchiveError):
    """A body that grows beyond what is allowed when it is unpacked."""


class Answer:
    """A response under way: whole, or in chunks with an exception at the end if it must be."""

    def __init__(self, request: web.Request, timezone: str) -> None:
        self._request = request
        self._tag = secrets.token_hex(8)
        self._headers = {
            "X-ClickHouse-Query-Id": request.query.get("query_id") or str(uuid.uuid4()),
            "X-ClickHouse-Timezone": timezone,
            "X-ClickHouse-Server-Display-Name": "stock-tracker",
            "X-ClickHouse-Exception-Tag": self._tag,
        }
        self.encoding: str | None = None
        self.response: web.StreamResponse = web.Response(status=500)
        self._compressor: _Compressor = _Plain()
        self._started = False

    async def whole(self, body: bytes, format_: str | None, summary: Summary) -> None:
        """Answer with all of it."""
        headers = {**self._headers, "X-ClickHouse-Summary": json.dumps({k: str(v) for k, v in asdict(summary).items()})}
        if format_ is not None:
            headers["X-ClickHouse-Format"] = format_
        if self.encoding is not None and body:
            headers["Content-Encoding"] = self.encoding
            compressor = _compressor(self.encoding)
            body = compressor.compress(body) + compressor.flush()
        self.response = web.Response(body=body, headers=headers)

    async def chunk(self, data: bytes, format_: str) -> None:
        """Send the next part of the answer."""
        await self._start(format_)
        if compressed := self._compressor.compress(data):
            await self.response.write(compressed)

    async def end(self, format_: str) -> None:
        """Send what is left of it."""
        await self._start(format_)
        if rest := self._compressor.flush():
            await self.response.write(rest)
        await self.response.write_eof()

    async def failed(self, code: int, message: str) -> None:
        """Answer with an exception, or end the answer under way with it."""
        if not self._started:
            headers = {**self._headers, "X-ClickHouse-Exception-Code": str(code)}
            self.response = web.Response(status=_HTTP_STATUS.get(code, 500), text=message + "\n", headers=headers)
            return
        # The status is sent: ClickHouse's clients find an exception at the end of a body by the tag from its headers.
        text, tag = message.encode() + b"\n", self._tag.encode()
        frame = b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, text, len(text), tag)
        await self.response.write(self._compressor.compress(frame) + self._compressor.flush())
        await self.response.write_eof()

    async def _start(self, format_: str) -> None:
        if self._started:
            return
        headers = {**self._headers, "X-ClickHouse-Format": format_, "X-ClickHouse-Summary": "{}"}
        if self.encoding is not None:
            headers["Content-Encoding"] = self.encoding
            self._compressor = _compressor(self.encoding)
        self.response = web.StreamResponse(headers=headers)
        await self.response.prepare(self._request)
        self._started = True


class _Compressor(Protocol):
    def compress(self, data: bytes) -> bytes: ...
    def flush(self) -> bytes: ...


class _Lz4:
    """An lz4 frame, with the begin that its library wants said."""

    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._head = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        head, self._head = self._head, b""
        return bytes(head + self._frame.compress(data))

    def flush(self) -> bytes:
        head, self._head = self._head, b""
        return bytes(head + self._frame.flush())


class _Plain:
    def compress(self, data: bytes) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


def _compressor(encoding: str) -> _Compressor:
    return _Lz4() if encoding == "lz4" else zstd.ZstdCompressor()


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the lz4 of a request, which may come as several frames; gzip, deflate and zstd aiohttp has undone already.

    Raises:
        TooLarge: It would be more than ``limit`` bytes.
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
