"""The reference data of the day: from the disk at once, from SSI beside the stream, which never waits for it."""

import asyncio
import logging
import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connectors.ssi.client import monotonic_ms, now_ms, now_us
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.daily import DailyTime
from connectors.ssi.core.errors import QuotaExceeded, ReferenceIncomplete, SsiError, SsiUnavailable
from connectors.ssi.core.market_clock import MarketClock, MarketTime
from connectors.ssi.core.reference import LISTS, ListName, ReferenceBook, ReferenceList
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.rest import SsiRest
from schemas.units import MonotonicMs, TradingDay, UnixMs

log = logging.getLogger(__name__)

LOOK_S: Final = 1.0
"""How often it is looked whether there is anything to ask for, in seconds."""
HEAD_START_S: Final = 2.0
"""How long the first connection to a simulator waits for reference data when none is kept, in seconds."""
TOLD_AFTER_S: Final = 120.0
"""How long lists have to be incomplete before that is told as a trouble of the connector, in seconds. Most come at the next
attempt, and what starts the connector should not take it for broken while data flows."""
LAYOUT: Final = 1
"""Of the file. One of another layout is passed over: SSI is asked for all of it in a quarter of a minute."""


class _File(msgspec.Struct):
    """What is kept on the disk."""

    layout: int
    lists: dict[str, ReferenceList]
    """By operation and subject: ``IndexComponents/VN30``."""


_read_file: Final = msgspec.json.Decoder(_File)


class ReferenceCache:
    """The last good lists, in a file of their own for each server that they came from."""

    def __init__(self, folder: Path, api_url: str) -> None:
        server = re.sub(r"[^A-Za-z0-9.-]", "_", urlsplit(api_url).netloc)
        self.path = folder / f"reference-{server}.json"
        """The file."""

    def load(self) -> dict[ListName, ReferenceList]:
        """What an earlier run has kept; nothing if it cannot be read."""
        try:
            file = _read_file.decode(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            log.warning("the kept reference data cannot be read (%s: %s); asking SSI for all of it", self.path, error)
            return {}
        if file.layout != LAYOUT:
            return {}
        return {name: file.lists[key] for name in LISTS if (key := _key(name)) in file.lists}

    def save(self, lists: dict[ListName, ReferenceList]) -> None:
        """Keep ``lists``. The file is replaced as a whole, so that whoever reads it never sees a part."""
        content = msgspec.json.encode(_File(LAYOUT, {_key(name): kept for name, kept in lists.items()}))
        draft = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(content)
            draft.replace(self.path)
        except OSError as error:
            log.warning("reference data cannot be kept (%s: %s); the next start has to wait for SSI's", self.path, error)


class Reference:
    """Asks SSI for its lists once a day and again as long as some are incomplete, and puts what is known into the stream."""

    def __init__(
        self,
        rest: SsiRest,
        stream: RecordStream,
        clock: MarketClock,
        cache: ReferenceCache,
        daily: DailyTime,
        backoff: SsiBackoff,
    ) -> None:
        """Nothing happens before :meth:`begin`.

        Args:
            rest: Is asked.
            stream: Gets the records.
            clock: Says what the trading day is.
            cache: Keeps the lists for the next start.
            daily: When the lists of a new day are asked for; at night SSI's are empty.
            backoff: The pauses while lists are incomplete.
        """
        self._rest = rest
        self._stream = stream
        self._clock = clock
        self._cache = cache
        self._daily = daily
        self._backoff = backoff
        self._book = ReferenceBook({})
        self._day: TradingDay | None = None
        self._asked_ms: UnixMs | None = None
        """Market time at which all lists were asked for last."""
        self._due: set[ListName] = set()
        """The lists that are still to come."""
        self._next_ms = monotonic_ms()
        self._incomplete_since_ms: MonotonicMs | None = None
        self._has_asked = asyncio.Event()

    @property
    def trouble(self) -> str:
        """What has been wrong with it for some time, for an operator; empty when all is well."""
        if self._day is None or self._incomplete_since_ms is None:
            return ""
        lasted_ms = monotonic_ms() - self._incomplete_since_ms
        return self._book.trouble(self._day) if lasted_ms >= TOLD_AFTER_S * 1000 else ""

    @property
    def old_lists(self) -> int:
        """How many lists are not of today: kept from an earlier day, or missing."""
        return self._book.cached(self._day) if self._day is not None else len(LISTS)

    async def begin(self) -> None:
        """Put what an earlier run has kept into the stream, marked with its day, so that nothing has to wait for REST."""
        self._book = ReferenceBook(await asyncio.to_thread(self._cache.load))
        if (market := self._clock.read(now_ms())) is not None:
            self._turn(market.trading_day)

    async def head_start(self) -> None:
        """Wait a moment for reference data where that costs nothing.

        A simulated stack begins with nothing kept, and its market may run many times as fast as a real one; but its REST API
        answers in milliseconds. SSI's takes a dozen seconds for all lists, and nobody waits for it.
        """
        if self._book.lists or self._rest.pace_s:
            return
        try:
            await asyncio.wait_for(self._has_asked.wait(), HEAD_START_S)
        except TimeoutError:
            log.warning("no reference data yet; connecting without it")

    async def run(self) -> None:
        """Keep the reference data up to date, until cancelled."""
        while True:
            market = self._clock.read(now_ms())
            if market is not None:
                self._look(market)
                if self._due and monotonic_ms() >= self._next_ms:
                    await self._ask(market.trading_day)
            await asyncio.sleep(LOOK_S)

    def _look(self, market: MarketTime) -> None:
        if market.trading_day != self._day:
            self._turn(market.trading_day)
        if self._asked_ms is None or self._daily.has_passed(self._asked_ms, market.ts_ms):
            self._asked_ms = market.ts_ms
            self._due = set(LISTS)

    def _turn(self, day: TradingDay) -> None:
        self._day = day
        if self._book.lists:
            log.info("reference data of earlier days stands in until SSI's has come")
            self._publish(day)

    async def _ask(self, day: TradingDay) -> None:
        """Ask for the lists that are due, publish what came, and decide when to ask again for what did not."""
        trouble: SsiError | None = None
        for name in LISTS:
            if name not in self._due:
                continue
            try:
                page = await self._rest.ask(name)
            except SsiError as error:
                trouble = error
                self._book.fail(name, error.why if isinstance(error, SsiUnavailable) else str(error))
                if isinstance(error, QuotaExceeded):
                    break
                # The next one may take as long to fail: what is there already does not wait for it.
                self._publish(day)
            else:
                if not self._book.take(name, day, page):
                    self._due.discard(name)
        self._incomplete_since_ms = (self._incomplete_since_ms or monotonic_ms()) if self._due else None
        self._publish(day)
        self._has_asked.set()
        await asyncio.to_thread(self._cache.save, dict(self._book.lists))
        log.info("reference data for %d: %d of %d lists are of today", day, len(LISTS) - self._book.cached(day), len(LISTS))
        if self._due:
            said = self._book.trouble(day)
            pause_s = self._backoff.failed(trouble or ReferenceIncomplete(said), monotonic_ms())
            self._next_ms = MonotonicMs(monotonic_ms() + int(pause_s * 1000))
            log.warning("%s (next attempt in %.0f s)", said, pause_s)
        else:
            self._backoff.worked()

    def _publish(self, day: TradingDay) -> None:
        self._stream.name_indices(self._book.indices())
        if records := self._book.records(day):
            self._stream.refer(records, now_us())


def _key(name: ListName) -> str:
    return f"{name.operation}/{name.subject}"
