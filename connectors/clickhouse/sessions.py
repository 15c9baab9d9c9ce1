"""Engine sessions: what a writer sets or makes in one request and finds again in the next.

ClickHouse calls them sessions, and clients ask for one by a name of their own (``session_id``). Each is a handle of the engine
that is kept between requests, with its settings, database and temporary tables.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from connectors.clickhouse.core.errors import StatementRefused
from connectors.clickhouse.engine import Engine, Handle

MOST = 64
"""How many are kept at a time."""
WAIT_SECONDS = 10
"""How long a request waits for an engine session that another one uses."""


@dataclass(slots=True)
class EngineSession:
    """A handle that is kept between requests."""

    handle: Handle
    expires: float
    """When it may be closed, on the event loop's clock."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One statement at a time, as on a ClickHouse server."""


class EngineSessions:
    """The engine sessions of all users."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sessions: dict[tuple[str, str], EngineSession] = {}
        """The open sessions, by user and the name that the client gave."""
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def use(self, user: str, name: str, seconds: int) -> AsyncIterator[Handle]:
        """Use a session as long as the block runs; it is made when there is none.

        Args:
            user: Whose: other users have other sessions under the same name.
            name: What the client calls it.
            seconds: How long it is kept afterwards.

        Raises:
            StatementRefused: 373, another request has used it for too long.
        """
        session = await self._open(user, name, seconds)
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await session.lock.acquire()
        except TimeoutError as error:
            raise StatementRefused(373, "SESSION_IS_LOCKED", f"session {name} is in use by another request") from error
        try:
            yield session.handle
        finally:
            session.expires = asyncio.get_running_loop().time() + seconds
            session.lock.release()

    async def close(self) -> None:
        """Close all of them."""
        for session in self._sessions.values():
            await self._engine.call(session.handle.close)
        self._sessions.clear()

    async def _open(self, user: str, name: str, seconds: int) -> EngineSession:
        async with self._opening:
            now = asyncio.get_running_loop().time()
            await self._expire(now)
            session = self._sessions.get((user, name))
            if session is None:
                session = EngineSession(await self._engine.call(Handle, self._engine.path), now)
                self._sessions[user, name] = session
            # It must not expire while this request still waits for it.
            session.expires = max(session.expires, now + WAIT_SECONDS + seconds)
            return session

    async def _expire(self, now: float) -> None:
        """Close those that nobody has asked for in time, and those next to expire while there are too many."""
        idle = sorted((session.expires, key) for key, session in self._sessions.items() if not session.lock.locked())
        excess = len(self._sessions) - MOST + 1
        for i, (expires, key) in enumerate(idle):
            if expires < now or i < excess:
                session = self._sessions.pop(key)
                await self._engine.call(session.handle.close)
