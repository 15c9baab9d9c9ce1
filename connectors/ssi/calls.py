"""One HTTP call to SSI. Whatever fails is raised as an error of ours.

An exception of aiohttp's holds the request with its Authorization header, and so the token. None of them leaves this module, not
even as the cause of another, so that no log can show the token.
"""

import urllib.request
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from connectors.ssi.core.errors import SsiUnavailable
from connectors.ssi.settings import is_loopback

STEP_S: Final = 15.0
"""How long SSI may take for any one step, from resolving the name of its server to the last byte of the reply, in seconds."""
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
"""The longest reply that is read. SSI's longest, a page of a thousand instruments with their details, has one or two million."""
_CHUNK_BYTES: Final = 1 << 16
_SCHEMES: Final = {"ws": "http", "wss": "https"}
"""A WebSocket takes the proxy of the scheme that it begins as."""


class Reply(NamedTuple):
    """An HTTP reply of SSI's."""

    status: int
    body: bytes
    retry_after: str | None
    """Its Retry-After header, where it has one."""

    @property
    def text(self) -> str:
        """The body as text, whatever its bytes are."""
        return self.body.decode(errors="replace")


def bearer(token: str) -> dict[str, str]:
    """The header that authorizes a call with ``token``."""
    return {"Authorization": f"Bearer {token}"}


def proxy_for(url: str, what: str) -> str | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` name for ``url``; None to go there directly.

    This machine is always reached directly: no proxy elsewhere could.

    Raises:
        SsiUnavailable: The proxy is of a kind that cannot be used; ``what`` names the call.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    proxy = urllib.request.getproxies().get(_SCHEMES.get(parts.scheme, parts.scheme))
    if not proxy or is_loopback(host) or urllib.request.proxy_bypass(f"{host}:{parts.port}" if parts.port else host):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if urlsplit(proxy).scheme not in ("http", "https"):
        raise SsiUnavailable(what, "HTTP_PROXY or HTTPS_PROXY names no http(s) proxy, and others cannot be used")
    return proxy


async def call(
    http: aiohttp.ClientSession,
    method: str,
    url: str,
    what: str,
    *,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    body: dict[str, str] | None = None,
) -> Reply:
    """Make one call and read its reply, whatever its status.

    Args:
        http: Makes the call.
        method: ``GET`` or ``POST``.
        url: Where to.
        what: What the call is named in errors: ``negotiate``, ``Securities``, ….
        headers: Sent with it.
        query: Its query parameters.
        body: Sent as JSON.

    Raises:
        SsiUnavailable: No reply came within :data:`STEP_S`.
    """
    proxy = proxy_for(url, what)
    timeout = aiohttp.ClientTimeout(total=STEP_S)
    try:
        async with http.request(
            method, url, headers=headers, params=query, json=body, timeout=timeout, allow_redirects=False, proxy=proxy
        ) as reply:
            return Reply(reply.status, await _body(reply, what), reply.headers.get("Retry-After"))
    except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
        raise SsiUnavailable(what, why(error)) from None


async def _body(reply: aiohttp.ClientResponse, what: str) -> bytes:
    body = bytearray()
    async for chunk in reply.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise SsiUnavailable(what, f"the reply is longer than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def why(error: BaseException) -> str:
    """What went wrong, in words that hold nothing of the request."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answers HTTP {error.status}"
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return str(error)
    return f"no reply within {STEP_S:g} s" if isinstance(error, TimeoutError) else type(error).__name__
