"""One HTTP call to SSI. Whatever fails is raised as an error of ours.

An exception of aiohttp's holds the request with its Authorization header, and so the token. None of them leaves this module, not
even as the cause of another, so that no log can show the token.
"""

from typing import Final, NamedTuple

import aiohttp

from connectors.ssi.core.errors import SsiUnavailable

TIMEOUT: Final = aiohttp.ClientTimeout(total=20, connect=10)


class Reply(NamedTuple):
    """An HTTP reply of SSI's."""

    status: int
    body: bytes
    retry_after: str | None
    """Its Retry-After header, where it has one."""


def bearer(token: str) -> dict[str, str]:
    """The header that authorizes a call with ``token``."""
    return {"Authorization": f"Bearer {token}"}


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
        SsiUnavailable: No reply came.
    """
    try:
        async with http.request(
            method, url, headers=headers, params=query, json=body, timeout=TIMEOUT, allow_redirects=False
        ) as reply:
            return Reply(reply.status, await reply.read(), reply.headers.get("Retry-After"))
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise SsiUnavailable(what, why(error)) from None


def why(error: BaseException) -> str:
    """What went wrong, in words that hold nothing of the request."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return str(error)
    return "no reply in time" if isinstance(error, TimeoutError) else type(error).__name__
