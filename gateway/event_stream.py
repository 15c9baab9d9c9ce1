"""``/v1/stream``: a client of ``stock.v1`` that only listens, to server-sent events."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from aiohttp import HttpVersion11, web

from gateway import metrics
from gateway.core import sse, wire
from gateway.core.access import Identity
from gateway.core.errors import Refused
from gateway.core.subscriber import Close, Subscriber
from gateway.fanout import Client, Fanout, Until
from gateway.framer import EventOutlet
from schemas.stock_v1 import CloseCode, ErrorCode

LOOK_S: Final = 5.0
"""How often to see whether the client is still there, in seconds: it says nothing, and nobody else would notice."""
FAREWELL_S: Final = 3.0
"""How long a client may take to read the last of it, in seconds."""
AGAIN_MS: Final = 3_000
"""How soon a browser comes back when the connection breaks, unless it was told otherwise."""
LATER_MS: Final = 30_000
"""How soon it comes back when there was no place for it."""

log = logging.getLogger(__name__)


async def serve_events(
    request: web.Request,
    fanout: Fanout,
    identify: Callable[[str], Identity] | None,
    identity: Identity | None,
    refused: str,
    until: Until | None = None,
) -> web.StreamResponse:
    """Serve until either side ends it.

    What passes by itself, that there is no place or that Kafka has not been read, is said in the stream, with a time after which
    to come back: a browser would not come back after any status but 200.

    Args:
        request: Says what it subscribes to.
        fanout: The board and the clients.
        identify: Says whom a token names; None where there are no accounts.
        identity: Whom the token of the request names.
        refused: Why there is no place for it; empty where there is one.
        until: When the connection has lasted long enough; None where it may last for ever.
    """
    subscriber = Subscriber(fanout.board, fanout.recents, fanout.limits, fanout.now_ms(), identify, identity)
    try:
        query = {name: ",".join(request.query.getall(name)) for name in request.query}
        wanted = sse.subscriptions(query, request.headers.get("Last-Event-ID"))
        if refused:
            return await _later(request, wire.close(CloseCode.CONNECTION_LIMIT, refused), CloseCode.CONNECTION_LIMIT, LATER_MS)
        for one in wanted:
            subscriber.subscribe(one)
    except Refused as error:
        if error.code is ErrorCode.NOT_READY:
            return await _later(request, wire.err(None, error), error.code, error.retry_ms or AGAIN_MS)
        problem = {"error": error.reason, "code": int(error.code)}
        return web.json_response(problem, status=sse.STATUS.get(error.code, 400))
    response = _response(request)
    outlet = EventOutlet(request, sse.EventWriter({one.ch: one.cursor for one in wanted if one.cursor}))
    ended: asyncio.Future[Close] = asyncio.get_running_loop().create_future()
    client = Client(subscriber, outlet, ended.set_result, fanout.now_ms(), until=until)
    # From here on nothing may be missed; nothing is written before the head of the answer has been.
    fanout.join(client)
    try:
        await response.prepare(request)
        await response.write(b"retry: %d\n\n" % AGAIN_MS)
        outlet.is_open = True
        client.pump(fanout.now_ms())
        while not ended.done() and not outlet.is_gone:
            await asyncio.wait({ended}, timeout=LOOK_S)
    except ConnectionError:
        metrics.REFUSED.labels("gone").inc()
    finally:
        fanout.leave(client)
    if ended.done():
        await _part(response, client, outlet, ended.result())
    metrics.CLOSED.labels(ended.result().code if ended.done() else "client").inc()
    return response


def _response(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            # Some proxies would collect what comes until it is worth their while.
            "X-Accel-Buffering": "no",
        }
    )
    response.force_close()
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    return response


async def _later(request: web.Request, body: bytes, code: int, retry_ms: int) -> web.StreamResponse:
    """Say in a stream that ends at once why it does, and when to come back."""
    metrics.CLOSED.labels(code).inc()
    response = _response(request)
    try:
        await response.prepare(request)
        await response.write(b"retry: %d\ndata: %s\n\n" % (retry_ms, wire.numbered(1, body)))
        await response.write_eof()
    except ConnectionError:
        metrics.REFUSED.labels("gone").inc()
    return response


async def _part(response: web.StreamResponse, client: Client, outlet: EventOutlet, close: Close) -> None:
    """Say why it ends; a connection whose client does not read is dropped."""
    log.info("ending an event stream: %s (%d)", close.reason, close.code)
    if not outlet.writable:
        outlet.abort()
        return
    outlet.write(client.subscriber.number([wire.close(close.code, close.reason)]))
    try:
        async with asyncio.timeout(FAREWELL_S):
            await response.write_eof()
    except (TimeoutError, ConnectionError):
        outlet.abort()
