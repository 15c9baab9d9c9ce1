"""SSI's access tokens: JWTs that look like RS256 ones. The simulator signs them with a key of its own and stores none.

SSI's own clients read ``exp`` with plain base64, which has no ``-`` and ``_``. So a payload must have neither once it is encoded:
it is ASCII JSON without ``>``, ``?`` and ``~``, from which they cannot come. A restart makes a new key, so that no earlier token
is valid any more.
"""

import base64
import hmac
import json
from typing import Final

LIFETIME_S: Final = 8 * 3600
_SIGNATURE_BYTES = 256


def issue_token(key: bytes, consumer_id: str, now_s: int) -> str:
    """Make a token that is valid for eight hours from ``now_s`` (seconds since 1970)."""
    payload = {"uuid": name_of(key, consumer_id), "iat": now_s, "exp": now_s + LIFETIME_S}
    body = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(payload)}"
    return f"{body}.{_signature(key, body)}"


def name_of(key: bytes, consumer_id: str) -> str:
    """What tokens that are signed with ``key`` call a consumer, and :func:`owner_of` returns."""
    return hmac.digest(key, consumer_id.encode(), "sha256").hex()[:32]


def owner_of(key: bytes, token: str, now_s: int) -> str | None:
    """Whom ``token`` was issued to with ``key``; None when it was not, or has expired at ``now_s``."""
    body, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, body).encode()):
        return None
    payload = body.partition(".")[2]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims["uuid"]) if now_s < claims["exp"] else None


def _encoded(value: dict[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _signature(key: bytes, body: str) -> str:
    """A signature that is as long as one of RS256."""
    digest = hmac.digest(key, body.encode(), "sha256")
    return _base64((digest * (_SIGNATURE_BYTES // len(digest)))[:_SIGNATURE_BYTES])


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
