"""What goes back over HTTP: ClickHouse's headers, bodies whole or in chunks, exceptions in the middle of a body."""

import json
import secrets
import uuid
from dataclasses import asdict
from typing import Final

from aiohttp import web

from connectors.clickhouse.core.statements import content_type
from connectors.clickhouse.encodings import BLOCKS, Compressor, compressor
from connectors.clickhouse.engine import Summary

_HTTP_STATUS: Final = {60: 404, 81: 404, 62: 400, 164: 403, 497: 403, 516: 403, 202: 503, 373: 409}
"""HTTP status by ClickHouse's error code; 500 for the others. 503 makes clickhouse-connect try again."""


class Answer:
    """The answer to one request: whole, or in chunks that an exception may end."""

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
        """How to compress the body, as HTTP has it; set before anything is answered."""
        self.blocks = False
        """Whether the body is in ClickHouse's own compressed blocks; set before anything is answered."""
        self.response: web.StreamResponse = web.Response(status=500)
        """What the request is answered with, once one of the methods has been called."""
        self._compressor: Compressor = compressor(None)
        self._blocks = compressor(BLOCKS)
        self._started = False

    async def whole(self, body: bytes, format_: str | None, summary: Summary) -> None:
        """Answer with a complete body.

        Args:
            body: The result, uncompressed.
            format_: That it is in; None when there is no result.
            summary: Of what the statement did.
        """
        headers = {**self._headers, "X-ClickHouse-Summary": json.dumps({k: str(v) for k, v in asdict(summary).items()})}
        if format_ is not None:
            headers |= {"X-ClickHouse-Format": format_, "Content-Type": content_type(format_)}
        if body and self.blocks:
            body = compressor(BLOCKS).compress(body)
        if body and self.encoding is not None:
            headers["Content-Encoding"] = self.encoding
            packer = compressor(self.encoding)
            body = packer.compress(body) + packer.flush()
        self.response = web.Response(body=body, headers=headers)

    async def chunk(self, data: bytes, format_: str) -> None:
        """Send the next part of a result in ``format_``, uncompressed."""
        await self._start(format_)
        if self.blocks:
            data = self._blocks.compress(data)
        if compressed := self._compressor.compress(data):
            await self.response.write(compressed)

    async def end(self, format_: str) -> None:
        """End a result that was sent in chunks, of which there may have been none."""
        await self._start(format_)
        if rest := self._compressor.flush():
            await self.response.write(rest)
        await self.response.write_eof()

    async def failed(self, code: int, message: str) -> None:
        """Answer with an exception of ClickHouse's, or end with it a result of which some has been sent."""
        if not self._started:
            headers = {**self._headers, "X-ClickHouse-Exception-Code": str(code)}
            self.response = web.Response(status=_HTTP_STATUS.get(code, 500), text=message + "\n", headers=headers)
            return
        # The status is sent: ClickHouse's clients find an exception at the end of a body by the tag from its headers.
        text, tag = message.encode() + b"\n", self._tag.encode()
        frame = b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, text, len(text), tag)
        await self.response.write(self._compressor.compress(frame) + self._compressor.flush())
        await self.response.write_eof()

    def abort(self) -> None:
        """Drop the connection, whatever is still to be sent."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _start(self, format_: str) -> None:
        if self._started:
            return
        headers = {**self._headers, "X-ClickHouse-Format": format_, "X-ClickHouse-Summary": "{}"}
        headers["Content-Type"] = content_type(format_)
        if self.encoding is not None:
            headers["Content-Encoding"] = self.encoding
            self._compressor = compressor(self.encoding)
        self.response = web.StreamResponse(headers=headers)
        await self.response.prepare(self._request)
        self._started = True
