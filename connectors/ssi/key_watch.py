"""Takes a new key of SSI while the connector runs, as soon as its files have one: the stream stands as long as SSI lets it."""

import asyncio
import logging
from typing import Final

from connectors.ssi.client import monotonic_ms
from connectors.ssi.core.errors import BadCredentials, NewKeyRefused, SsiError
from connectors.ssi.keys import Key
from connectors.ssi.rest import RENEW_AGAIN_S, SsiRest
from connectors.ssi.session import Session

log = logging.getLogger(__name__)

LOOK_S: Final = 5.0
"""How often the files are looked at, in seconds."""


class KeyWatch:
    """Looks whether the key has changed, and gets a token for it."""

    def __init__(self, rest: SsiRest, session: Session) -> None:
        self._rest = rest
        self._session = session
        self.trouble = ""
        """Why a new key is not used, and what to do; empty when none is refused."""

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        await self._session.has_token.wait()
        seen: Key | None = None
        again_ms = 0
        while True:
            await asyncio.sleep(LOOK_S)
            key = self._rest.new_key()
            if key is None:
                self.trouble, seen = "", None
            elif key != seen:
                # An operator writes two files, one after the other: what is taken has been so at two looks.
                seen, again_ms = key, 0
            elif monotonic_ms() >= again_ms:
                again_ms = monotonic_ms() + int(RENEW_AGAIN_S * 1000)
                await self._take()

    async def _take(self) -> None:
        try:
            await self._rest.take_key()
        except BadCredentials as error:
            self.trouble = str(NewKeyRefused(error.why))
            log.warning("%s", self.trouble)
        except SsiError as error:
            log.warning("%s; the new key is tried again", error)
        else:
            self.trouble = ""
            log.info("SSI has taken the new key; the connection stays, and the next one is made with it")
            self._session.retry_now()
