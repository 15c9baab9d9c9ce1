"""SSI's access tokens: RS256-shaped JWTs that the simulator signs with a key of its own and never stores.

Official clients read ``exp`` with plain base64, so a payload never contains ``-`` or ``_``: ASCII JSON without ``>``, ``?`` and
``~`` cannot. A restart of the simulator voids every token, as an expiry does.
"""

import base64
import hmac
import json
from typing import Final

LIFETIME_S: Final = 8 * 3600
_SIGNATURE_BYTES = 256


def issue_token(key: bytes, consumer_id: str, now_s: int) -> str:
    """Make a token that holds for eight hours."""
    payload = {"uuid": hmac.digest(key, consumer_id.encode(), "sha256").hex()[:32], "iat": now_s, "exp": now_s + LIFETIME_S}
    body = f"{_encoded({'alg': 'RS256', 'typ': 'JWT'})}.{_encoded(payload)}"
    return f"{body}.{_signature(key, body)}"


def accepts_token(key: bytes, token: str, now_s: int) -> bool:
    """Whether ``token`` is ours and has not expired."""
    body, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _signature(key, body).encode()):
        return False
    payload = body.partition(".")[2]
    expires_s: int = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"]
    return now_s < expires_s


def _encoded(value: dict[str, object]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _signature(key: bytes, body: str) -> str:
    """As long as an RS256 signature, and as opaque."""
    digest = hmac.digest(key, body.encode(), "sha256")
    return _base64((digest * (_SIGNATURE_BYTES // len(digest)))[:_SIGNATURE_BYTES])


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
