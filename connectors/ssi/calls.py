"""One HTTP call to SSI, its failures told in our words.

aiohttp's exceptions carry the request with its Authorization header: none of them leaves this module, not even as a cause.
"""

from typing import Final, NamedTuple

import aiohttp

from connectors.ssi.core.errors import SsiUnavailable

TIMEOUT: Final = aiohttp.ClientTimeout(total=20, connect=10)


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: bytes
    retry_after: str | None


def bearer(token: str) -> dict[str, str]:
    """The header that authorizes a call."""
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
    """Make the call ``what``.

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
    """What went wrong, without the request that it went wrong with."""
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return str(error)
    return "no reply in time" if isinstance(error, TimeoutError) else type(error).__name__
