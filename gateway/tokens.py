"""Who a client is, by the token that it shows: a JWT, signed with a shared secret or with one of an issuer's published keys.

Nothing is fetched because a client asks for it: the issuer's keys come at the start and again every few minutes.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Final

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey

from gateway.core.access import BadToken, Identity
from gateway.core.errors import Refused
from gateway.settings import GatewaySettings
from schemas.stock_v1 import ErrorCode

REFRESH_S: Final = 300.0
"""How often the issuer's keys are fetched, in seconds; when they cannot be had, every :data:`AGAIN_S`."""
AGAIN_S: Final = 5.0
ANSWER_S: Final = 10.0
KEYS_BYTES: Final = 256 * 1024
"""The longest list of keys that is read."""
LEEWAY_S: Final = 10
"""By how much the issuer's clock may differ from this one."""
TOKEN_BYTES: Final = 8_192

log = logging.getLogger(__name__)


class TokenCheck:
    """What a token must be signed with and say."""

    def __init__(self, settings: GatewaySettings, now_ms: Callable[[], int]) -> None:
        """``now_ms`` is the wall clock."""
        secret = settings.jwt_secret
        self._now_ms = now_ms
        self._url = settings.jwks_url
        self._key: OctKey | KeySet | None = None if secret is None else OctKey.import_key(secret.get_secret_value())
        self._algorithms = ["HS256"] if secret is not None else ["RS256", "ES256"]
        self._wanted: dict[str, jwt.ClaimsOption] = {"exp": {"essential": True}}
        if settings.jwt_audience:
            self._wanted["aud"] = {"essential": True, "value": settings.jwt_audience}
        if settings.jwt_issuer:
            self._wanted["iss"] = {"essential": True, "value": settings.jwt_issuer}

    def identify(self, token: str) -> Identity:
        """Whom ``token`` names, until when, and what for.

        Raises:
            BadToken: It is none, not signed by whom it should be, for somebody else, or over.
            Refused: The issuer's keys have not been had yet: later.
        """
        if self._key is None:
            raise Refused(ErrorCode.NOT_READY, "the keys that tokens are signed with are not here yet", 1_000)
        try:
            if len(token) > TOKEN_BYTES:
                raise BadToken("the token is too long")
            claims = jwt.decode(token, self._key, algorithms=self._algorithms).claims
            jwt.JWTClaimsRegistry(now=self._now_ms() // 1_000, leeway=LEEWAY_S, **self._wanted).validate(claims)
        except (JoseError, ValueError, TypeError) as error:
            # What it says of the token is for the log: whoever tries tokens is told no more than that.
            log.info("a token was refused: %s", type(error).__name__)
            raise BadToken("the token is not valid here, or not any more: get a new one") from error
        return Identity.of(claims)

    async def fetch_forever(self) -> None:
        """Keep the issuer's keys, if there is one: a key that is not published any more signs nothing that is taken."""
        if self._url is None:
            return
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as http:
            while True:
                were_had = await self._fetch(http, self._url)
                await asyncio.sleep(REFRESH_S if were_had else AGAIN_S)

    async def _fetch(self, http: aiohttp.ClientSession, url: str) -> bool:
        try:
            async with http.get(url) as answer:
                answer.raise_for_status()
                keys = await answer.content.read(KEYS_BYTES)
            self._key = KeySet.import_key_set(json.loads(keys))
        except (aiohttp.ClientError, TimeoutError, JoseError, ValueError, TypeError, KeyError) as error:
            log.warning("the keys of GATEWAY_JWKS_URL cannot be had, those from before go on: %s", error or "no answer in time")
            return False
        return True
