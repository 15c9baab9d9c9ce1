"""The archive, asked over ClickHouse's HTTP interface on behalf of REST: with limits, and never in the way of what is live."""

import asyncio
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
import msgspec

from gateway.core.errors import ArchiveAway, TooManyQuestions
from gateway.core.history import ArchiveQuestion, Statement, page
from gateway.settings import GatewaySettings

ANSWER_S: Final = 10.0
"""How long the archive may take for an answer, in seconds."""
AT_ONCE: Final = 4
"""Questions that are asked at a time; others wait, and no longer than for an answer."""
SHARE: Final = 2
"""Of these, how many may be one address's."""
WAITING: Final = 12
"""How many questions of one address may be asked or wait at a time: more than a page of ours has."""
_SETTINGS: Final = {
    "readonly": "1",
    "max_execution_time": str(int(ANSWER_S)),
    "max_memory_usage": str(512 * 1024 * 1024),
    "output_format_json_quote_64bit_integers": "0",
    "session_timezone": "Asia/Ho_Chi_Minh",
}


class _Column(msgspec.Struct):
    name: str


class _Answer(msgspec.Struct):
    """What ClickHouse calls JSONCompact."""

    meta: list[_Column]
    data: list[list[Any]]


_answer: Final = msgspec.json.Decoder(_Answer)
_FAILED: Final = "the archive cannot answer this now: stock-tracker status shows whether it runs, and its log says why not"


@dataclass
class _Asker:
    """An address that asks."""

    questions: int = 0
    """Those that are not answered yet."""
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SHARE))


class ArchiveAnswers:
    """One archive."""

    def __init__(self, settings: GatewaySettings) -> None:
        """Prepare; nothing is asked yet."""
        self._settings = settings
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._askers: dict[str, _Asker] = {}
        """By address, who asks at the moment."""
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, question: ArchiveQuestion, asked: Statement, address: str | None) -> dict[str, Any]:
        """A page of the answer.

        Args:
            question: Which one it is.
            asked: What the archive is asked.
            address: Of the client; None of one that is not counted.

        Raises:
            TooManyQuestions: So many of that address are not answered yet.
            ArchiveAway: Nobody answers, or not in time, or not this; or too many others ask.
        """
        columns, rows = await self._shared(asked, address)
        return page(question, asked.limit, columns, rows)

    async def rows(self, asked: Statement) -> list[list[Any]]:
        """The rows of an answer.

        Raises:
            ArchiveAway: Nobody answers, or not in time, or not this; or too many others ask.
        """
        _, rows = await self._in_turn(asked, None)
        return rows

    async def _shared(self, asked: Statement, address: str | None) -> tuple[list[str], list[list[Any]]]:
        if address is None:
            return await self._in_turn(asked, None)
        asker = self._askers.setdefault(address, _Asker())
        if asker.questions >= WAITING:
            raise TooManyQuestions(WAITING)
        asker.questions += 1
        try:
            return await self._in_turn(asked, asker.turns)
        finally:
            asker.questions -= 1
            if not asker.questions:
                del self._askers[address]

    async def _in_turn(self, asked: Statement, share: asyncio.Semaphore | None) -> tuple[list[str], list[list[Any]]]:
        async with AsyncExitStack() as turn:
            try:
                async with asyncio.timeout(ANSWER_S):
                    if share is not None:
                        await turn.enter_async_context(share)
                    await turn.enter_async_context(self._turns)
            except TimeoutError as error:
                raise ArchiveAway("the archive is asked too much at the moment: ask again later", "no turn in time") from error
            return await self._answer(asked)

    async def _answer(self, asked: Statement) -> tuple[list[str], list[list[Any]]]:
        if self._http is None:
            self._http = self._client()
        parameters = {f"param_{name}": value for name, value in asked.parameters.items()}
        try:
            async with self._http.post(
                self._settings.archive_url,
                params={"database": self._settings.archive_database, **_SETTINGS, **parameters},
                data=asked.sql.encode(),
            ) as answer:
                body = await answer.read()
                if answer.status != 200:
                    # What it says names tables and may repeat what the client sent: it is for the log, and not for the client.
                    raise ArchiveAway(_FAILED, body[:500].decode(errors="backslashreplace"))
                found = _answer.decode(body)
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise ArchiveAway(_FAILED, str(error) or "it did not answer in time") from error
        return [column.name for column in found.meta], found.data

    def _client(self) -> aiohttp.ClientSession:
        settings = self._settings
        # Without a file: what the system trusts.
        trusted = ssl.create_default_context(cafile=settings.archive_ca_file)
        named = {}
        if settings.archive_user is not None:
            # In headers, because ClickHouse's log has the URLs that it is asked by.
            named["X-ClickHouse-User"] = settings.archive_user
            named["X-ClickHouse-Key"] = settings.archive_password.get_secret_value()
        return aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_S), connector=aiohttp.TCPConnector(ssl=trusted), headers=named
        )

    async def close(self) -> None:
        """Ask no more."""
        if self._http is not None:
            await self._http.close()
