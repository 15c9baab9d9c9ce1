"""What SSI's HTTP replies mean, those of REST and those of the hub. Pure.

SSI answers an expired token with HTTP 200 and ``"status": 401`` in the body, writes ``status`` as a number or as a word, and
complains of quotas in the text of a message. So a reply is judged by its HTTP status, the status in its body, and its words.
"""

import base64
import binascii
from typing import Any, Final, NamedTuple

import msgspec

from connectors.ssi.core.errors import BadCredentials, QuotaExceeded, SsiError, SsiUnavailable, TokenRejected

_QUOTA_WORDS: Final = ("quota", "has been blocked", "too many requests")
_TOKEN_WORDS: Final = ("unauthorized", "missing authorization", "token")
MAX_PAUSE_S: Final = 300.0
"""The longest pause that a Retry-After may ask for, in seconds: a wrong number there must not cost a day."""
LIFETIME_S: Final = 8 * 3600
"""Taken for the lifetime of a token that does not say when it expires."""
RENEW_AHEAD_S: Final = 3600
"""A token is replaced this long before it expires."""
_SUCCESS: Final = (200, "200", "Success", "success", None)
_REFUSALS: Final = ("400", "401", "403")
# Without a good token some versions of the hub answer 403, or redirect to a login page, where others answer 401.
_REJECTED: Final = (401, 403, 302)


class RestAnswer(msgspec.Struct):
    """The body of every REST reply; ``data`` and ``status`` come in several shapes."""

    message: Any = None
    status: Any = None
    data: Any = None


_answer = msgspec.json.Decoder(RestAnswer)


def speaks_of_quota(text: str) -> bool:
    """Whether ``text`` says that SSI was called too often."""
    return any(word in text.lower() for word in _QUOTA_WORDS)


def speaks_of_token(text: str) -> bool:
    """Whether ``text`` says that SSI does not accept the token."""
    return any(word in text.lower() for word in _TOKEN_WORDS)


def one_line(text: str) -> str:
    """``text`` as one line of at most 200 characters, fit for a log."""
    return " ".join(text.split())[:200]


def refusal(what: str, http_status: int, text: str, retry_after: str | None) -> SsiError | None:
    """The error that an HTTP status other than 200 means; None when it is 200.

    Args:
        what: The call, for the error's text.
        http_status: Of the reply.
        text: The body of the reply, which may complain of a quota.
        retry_after: Its Retry-After header; only a number of seconds is understood.
    """
    if http_status == 200:
        return None
    why = f"HTTP {http_status}"
    pause = min(float(retry_after), MAX_PAUSE_S) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    if http_status == 429 or speaks_of_quota(text):
        return QuotaExceeded(what, why, pause)
    if http_status in _REJECTED:
        return TokenRejected(what, why)
    return SsiUnavailable(what, why, pause)


def read_answer(what: str, http_status: int, body: bytes, retry_after: str | None) -> Any:
    """Return the ``data`` of a REST reply, None where SSI says that there is none.

    Raises:
        TokenRejected: The HTTP status or the body says so.
        QuotaExceeded: The HTTP status or the body says so.
        SsiUnavailable: The reply is not an answer for any other reason.
    """
    text = body.decode(errors="replace")
    try:
        answer = _answer.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise refusal(what, http_status, text, retry_after) or SsiUnavailable(what, "the reply is not SSI's JSON") from None
    said = one_line(str(answer.message))
    if speaks_of_quota(said):
        raise QuotaExceeded(what, said)
    if str(answer.status) == "401":
        raise TokenRejected(what, said)
    if error := refusal(what, http_status, text, retry_after):
        raise error
    if answer.status not in _SUCCESS:
        if "nodata" in said.lower().replace(" ", ""):
            return None
        raise SsiUnavailable(what, said)
    return answer.data


def read_token(http_status: int, body: bytes, retry_after: str | None) -> str:
    """Return the access token in a reply to AccessToken.

    Raises:
        BadCredentials: SSI itself says that the credentials are wrong.
        SsiUnavailable: There is no token in the reply for any other reason.
    """
    what = "AccessToken"
    try:
        data = read_answer(what, http_status, body, retry_after)
    except QuotaExceeded:
        raise
    except (TokenRejected, SsiUnavailable) as error:
        if _are_refused(http_status, body):
            raise BadCredentials(error.why) from None
        raise SsiUnavailable(what, error.why, getattr(error, "retry_after_s", None)) from None
    token = data.get("accessToken") if isinstance(data, dict) else None
    if not isinstance(token, str) or not token:
        raise SsiUnavailable(what, "the reply holds no accessToken")
    return token


def _are_refused(http_status: int, body: bytes) -> bool:
    """Whether SSI itself says that the credentials are wrong: with a body of its own, and status 400, 401 or 403.

    SSI reports its own failures in such a body too ("Execution Timeout Expired", status 500, with HTTP 200), and proxies in
    front of it answer 302 and 403 with web pages. Those troubles pass; taken for a refusal they would end the connector.
    """
    try:
        answer = _answer.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    said = answer.status if isinstance(answer.status, int | str) else None
    return str(said) in _REFUSALS or (http_status != 200 and str(http_status) in _REFUSALS)


def expiry_of(token: str) -> int | None:
    """When a JWT expires, in seconds since 1970; None where it does not say so, or is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    payload = parts[1].replace("-", "+").replace("_", "/")
    try:
        claims = msgspec.json.decode(base64.b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return None
    expiry = claims.get("exp") if isinstance(claims, dict) else None
    return int(expiry) if isinstance(expiry, int | float) and 0 < expiry < 2**40 else None


class TokenTimes(NamedTuple):
    """How long a token is good for, in seconds since 1970."""

    expires_s: float
    renew_s: float
    """From when on a new one is fetched: an hour ahead, or half way if it lives for less than two."""


def times_of(token: str, now_s: float) -> TokenTimes:
    """When the token that was issued at ``now_s`` expires, and when to replace it."""
    expires_s = expiry_of(token) or now_s + LIFETIME_S
    return TokenTimes(expires_s, expires_s - min(RENEW_AHEAD_S, (expires_s - now_s) / 2))
