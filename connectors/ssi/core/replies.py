"""What SSI's replies mean, those of REST and those of the hub. Pure.

SSI answers an expired token with HTTP 200 and ``"status": 401`` in the body, writes ``status`` as a number or as a word, and
complains of quotas in the text of a message, in plain text, or in the reason of a close frame. So a reply is judged by its HTTP
status, the status in its body, and its words.
"""

import base64
import binascii
import re
from typing import Any, Final, NamedTuple

import msgspec

from connectors.ssi.core.errors import BadCredentials, QuotaExceeded, SsiError, SsiUnavailable, TokenRejected

_QUOTA_WORDS: Final = ("quota", "has been blocked", "too many requests")
_TOKEN_WORDS: Final = ("unauthorized", "not authorized", "missing authorization", "authorization has been denied", "token")
_CREDENTIAL_WORDS: Final = ("connection is invalid", "consumer", "credential", "secret")
"""SSI answers a wrong or expired key with "The connection is invalid"."""
MAX_PAUSE_S: Final = 300.0
"""The longest pause that a Retry-After may ask for, in seconds: a wrong number there must not cost a day."""
LIFETIME_S: Final = 8 * 3600
"""How long SSI's tokens live, in seconds: taken for the life of one that does not say, or says something impossible."""
RENEW_AHEAD_S: Final = 3600
"""A token is replaced this long before it expires."""
MOST_WORDS: Final = 500
"""SSI's own texts are short. What is longer is a page of somebody else, and a word in it proves nothing."""
_SUCCESS: Final = (200, "200", "Success", "success", None)
# Without a good token some versions of the hub answer 403, or redirect to a login page, where others answer 401.
_REJECTED: Final = (401, 403, 302)
_TOKEN_LIKE: Final = re.compile(r"eyJ[\w+/=-]*\.[\w+/=-]*\.?[\w+/=-]*|(?i:bearer)\s+\S+")
"""A token, or a header with one, in a text that SSI quotes it in."""
_SENDABLE: Final = re.compile(r"[\x21-\x7e]+")
"""What may stand in the header of a call."""
_NOT_JSON: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class _Body(msgspec.Struct):
    """The body of every REST reply; ``data`` and ``status`` come in several shapes."""

    message: Any = None
    status: Any = None
    data: Any = None
    total: Any = msgspec.field(name="totalRecord", default=None)


class _Complaint(msgspec.Struct):
    """An object that says what is wrong: in SSI's envelope, in ASP.NET's, or in that of a gateway before it."""

    message: Any = None
    status: Any = None
    aspnet_message: Any = msgspec.field(name="Message", default=None)
    error: Any = None
    description: Any = msgspec.field(name="error_description", default=None)


_answer = msgspec.json.Decoder(_Body)
_complaint = msgspec.json.Decoder(_Complaint)


class Said(NamedTuple):
    """What a reply says besides its HTTP status."""

    status: Any
    """The status in its body: a number or a word; None where there is none."""
    words: str
    """Its message, or its text where that is short and no web page, as one line; else empty."""
    is_json: bool
    """Whether it is an object: SSI's own words are, those of most proxies are not."""

    @property
    def is_refusal(self) -> bool:
        """Whether the status in the body says that the call failed."""
        return self.status not in _SUCCESS


class RestAnswer(NamedTuple):
    """What a REST reply brings."""

    data: Any
    """None where SSI says that there is none."""
    total: int | None
    """Of how many records this is a page, where SSI says so."""


def speaks_of_quota(text: str) -> bool:
    """Whether ``text`` says that SSI was called too often."""
    return any(word in text.lower() for word in _QUOTA_WORDS)


def speaks_of_token(text: str) -> bool:
    """Whether ``text`` says that SSI does not accept the token."""
    # SignalR's own connection token has nothing to do with the access token.
    lower = text.lower().replace("connection token", "")
    return any(word in lower for word in _TOKEN_WORDS)


def one_line(text: str) -> str:
    """``text`` as one line of at most 200 characters, fit for a log: without what may be a token."""
    return " ".join(_TOKEN_LIKE.sub("***", text).split())[:200]


def said_in(text: str) -> Said:
    """What the body of a reply, or a text on the stream, says."""
    try:
        complaint = _complaint.decode(text)
    except _NOT_JSON:
        plain = text.strip()
        is_page = plain.startswith("<") or len(plain) > MOST_WORDS
        return Said(None, "" if is_page else one_line(plain), is_json=False)
    words = (complaint.message, complaint.aspnet_message, complaint.error, complaint.description)
    return Said(complaint.status, one_line(" ".join(word for word in words if isinstance(word, str))), is_json=True)


def refusal(what: str, http_status: int, text: str, retry_after: str | None) -> SsiError | None:
    """The error that a reply means; None when nothing speaks against it.

    Args:
        what: The call, for the error's text.
        http_status: Of the reply.
        text: The body of the reply.
        retry_after: Its Retry-After header; only a number of seconds is understood.
    """
    said = said_in(text)
    why = f"HTTP {http_status}" if http_status != 200 else said.words or f"status {one_line(str(said.status))}"
    if http_status != 200 and said.words:
        why = f"{why}: {said.words}"
    pause = min(float(retry_after), MAX_PAUSE_S) if retry_after and retry_after.isascii() and retry_after.isdigit() else None
    if http_status == 429 or speaks_of_quota(said.words):
        return QuotaExceeded(what, why, pause)
    if http_status in _REJECTED or str(said.status) == "401" or speaks_of_token(said.words):
        return TokenRejected(what, why)
    if http_status != 200 or said.is_refusal:
        return SsiUnavailable(what, why, pause)
    return None


def objection(text: str) -> SsiError | None:
    """The error that a text on the stream means where it speaks of quota or token; None for any other text."""
    error = refusal("the stream", 200, text, None)
    return error if isinstance(error, QuotaExceeded | TokenRejected) else None


def read_answer(what: str, http_status: int, body: bytes, retry_after: str | None) -> RestAnswer:
    """Return what a REST reply brings.

    Raises:
        TokenRejected: The HTTP status or the body says so.
        QuotaExceeded: The HTTP status or the body says so.
        SsiUnavailable: The reply is not an answer for any other reason.
    """
    text = body.decode(errors="replace")
    if error := refusal(what, http_status, text, retry_after):
        if http_status == 200 and type(error) is SsiUnavailable and "nodata" in error.why.lower().replace(" ", ""):
            return RestAnswer(None, 0)
        raise error
    try:
        answer = _answer.decode(body)
    except _NOT_JSON:
        raise SsiUnavailable(what, "the reply is not SSI's JSON") from None
    return RestAnswer(answer.data, _count(answer.total))


def read_token(http_status: int, body: bytes, retry_after: str | None) -> str:
    """Return the access token in a reply to AccessToken.

    Raises:
        BadCredentials: SSI itself says that the credentials are wrong.
        SsiUnavailable: There is no token in the reply for any other reason.
    """
    what = "AccessToken"
    try:
        data = read_answer(what, http_status, body, retry_after).data
    except QuotaExceeded:
        raise
    except SsiUnavailable as error:
        raise _judged(what, http_status, said_in(body.decode(errors="replace")), error) from None
    token = data.get("accessToken") if isinstance(data, dict) else None
    token = token.strip() if isinstance(token, str) else ""
    if not token:
        raise SsiUnavailable(what, "the reply holds no accessToken")
    if not _SENDABLE.fullmatch(token):
        raise SsiUnavailable(what, "the accessToken has characters in it that no header can have")
    return token


def _judged(what: str, http_status: int, said: Said, error: SsiUnavailable) -> SsiError:
    """What a refused AccessToken means: wrong credentials, which end the connector, or trouble that passes.

    SSI reports its own failures in its envelope too ("Execution Timeout Expired", status 500, with HTTP 200), ASP.NET answers
    "An error has occurred." with HTTP 400, and what stands before SSI answers 403. Taken for a refusal they would end the
    connector, so with 400 and 403 the text itself has to name the credentials.
    """
    statuses = {str(http_status), str(said.status)}
    names_them = any(word in said.words.lower() for word in _CREDENTIAL_WORDS)
    if said.is_json and ("401" in statuses or (names_them and statuses & {"400", "403"})):
        return BadCredentials(error.why)
    hint = " (if it stays so, check SSI_CONSUMER_ID and SSI_CONSUMER_SECRET as well)" if statuses & {"400", "401", "403"} else ""
    return SsiUnavailable(what, f"{error.why}{hint}", error.retry_after_s)


def _count(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _claims_of(token: str) -> dict[str, Any]:
    """What a JWT says of itself; nothing where it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    payload = parts[1].replace("-", "+").replace("_", "/")
    try:
        claims = msgspec.json.decode(base64.b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, msgspec.MsgspecError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _instant(value: Any) -> int | None:
    """A time in a JWT, in seconds since 1970."""
    return int(value) if isinstance(value, int | float) and 0 < value < 2**40 else None


def expiry_of(token: str) -> int | None:
    """When a JWT expires, in seconds since 1970; None where it does not say so, or is none."""
    return _instant(_claims_of(token).get("exp"))


class TokenLife(NamedTuple):
    """How long a token that was just issued is good for, in seconds from then on."""

    good_s: float
    renew_s: float
    """After so long a new one is fetched: an hour ahead of the end, or half way if it lives for less than two."""


def life_of(token: str, wall_s: float) -> TokenLife:
    """How long a token is good for that was issued just now, when this machine's clock shows ``wall_s`` seconds since 1970.

    A token that says when it was issued needs no clock. Where it does not, and seems to have expired already or to live for
    longer than SSI's tokens do, it is this machine's clock that is wrong.
    """
    claims = _claims_of(token)
    expires_s, issued_s = _instant(claims.get("exp")), _instant(claims.get("iat"))
    good_s = expires_s - (issued_s or wall_s) if expires_s else LIFETIME_S
    if not 0 < good_s <= LIFETIME_S:
        good_s = LIFETIME_S
    return TokenLife(good_s, good_s - min(RENEW_AHEAD_S, good_s / 2))
