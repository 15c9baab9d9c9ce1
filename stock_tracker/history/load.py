"""Loads SSI's history into the archive: asks what is missing there, window by window, newest days first.

Days come first, by whole markets where no symbols are named; then indices; then the minutes of those days on which something was
traded. Each window is stored as soon as it has come, with a mark in the archive that it was asked for: started again after
whatever ended it, a load asks for the rest only.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from clickhouse_connect.driver.client import Client

from connectors.clickhouse import history as tables
from connectors.ssi.core.history import ReadRows, weekdays
from connectors.ssi.history import Listed, SsiHistory, chosen
from schemas.history import HistoryDay, HistoryIndex, HistoryKind, HistoryMark, HistoryMinute
from schemas.units import Exchange, Symbol, TradingDay, UnixMs
from stock_tracker.history.core.plan import HistoryPart, index_parts, market_parts, minute_parts, symbol_parts

Tell = Callable[[int, int, str], None]
"""Told how many parts of a stage are done, how many it has, and what is done now."""


@dataclass(frozen=True)
class HistoryRequest:
    """What is to be loaded."""

    first: TradingDay
    last: TradingDay
    symbols: tuple[str, ...] = ()
    """Instruments and indices; empty for all."""
    kinds: frozenset[HistoryKind] = frozenset(("days", "indices", "minutes"))
    again: bool = False
    """Whether to ask also for what was asked before: after a dividend all adjusted closes before it are others."""


@dataclass
class HistoryLoad:
    """What a load has done."""

    rows: Counter[HistoryKind] = field(default_factory=Counter)
    """Rows that came and are stored."""
    parts: int = 0
    """Windows that were asked for."""
    kept: int = 0
    """Rows that came and were left out, because the stream has told of that symbol's day."""
    unusable: list[str] = field(default_factory=list)
    """Rows that could not be read, each with the reason."""


async def load(ssi: SsiHistory, archive: Client, request: HistoryRequest, now: Callable[[], UnixMs], tell: Tell) -> HistoryLoad:
    """Load what the archive has not.

    Args:
        ssi: Asked.
        archive: Opened on the archive's database, which has all migrations, by a user who may write.
        request: What to load; its days are over.
        now: This machine's time, in milliseconds since 1970: when SSI said something.
        tell: Told of progress.

    Raises:
        UnknownSymbols: SSI does not list what is asked for.
        HistoryInterrupted: SSI was away for too long; what came before is stored.
        SsiError: SSI refuses; what came before is stored.
        clickhouse_connect.driver.exceptions.Error: ClickHouse does.
    """
    tell(0, 1, "what SSI lists")
    listed = await ssi.listed()
    symbols = chosen(listed, request.symbols)
    loading = _Loading(ssi, archive, request, now, tell, HistoryLoad())
    if "days" in request.kinds:
        await loading.days(listed, [symbol for symbol in symbols if symbol in listed.exchanges] if request.symbols else None)
    if "indices" in request.kinds:
        await loading.indices([index for index in listed.indices if not request.symbols or index in symbols])
    if "minutes" in request.kinds:
        await loading.minutes(frozenset(symbols) if request.symbols else None)
    return loading.done


@dataclass
class _Loading:
    ssi: SsiHistory
    archive: Client
    request: HistoryRequest
    now: Callable[[], UnixMs]
    tell: Tell
    done: HistoryLoad

    async def days(self, listed: Listed, symbols: list[Symbol] | None) -> None:
        wanted, booked = self._wanted("days")
        if symbols is None:
            futures = [symbol for symbol, exchange in listed.exchanges.items() if exchange is Exchange.DER]
            asked = self._asked("days", [*(exchange.value for exchange in Exchange), *futures])
            parts = market_parts(wanted, asked) + symbol_parts(listed.exchanges, futures, wanted, asked, booked)
        else:
            # Asked again, a symbol is asked for even where its whole market was.
            asked = self._asked("days", symbols)
            if self.request.again:
                asked = {(subject, day) for subject, day in asked if subject not in set(Exchange)}
            parts = symbol_parts(listed.exchanges, symbols, wanted, asked, booked)
        for part in self._each(parts):
            read = (
                await self.ssi.market_days(part.exchange, part.window)
                if part.is_market
                else await self.ssi.days(Symbol(part.subject), part.exchange, part.window)
            )
            self._store(part, read, booked)

    async def indices(self, indices: Sequence[Symbol]) -> None:
        wanted, booked = self._wanted("indices")
        for part in self._each(index_parts(indices, wanted, self._asked("indices", indices), booked)):
            self._store(part, await self.ssi.index_days(Symbol(part.subject), part.window), booked)

    async def minutes(self, symbols: frozenset[Symbol] | None) -> None:
        _, booked = self._wanted("minutes")
        traded = tables.traded(self.archive, self.request.first, self.request.last)
        subjects = {day.symbol for day in traded} if symbols is None else symbols
        for part in self._each(minute_parts(traded, symbols, self._asked("minutes", subjects), booked)):
            self._store(part, await self.ssi.minutes(Symbol(part.subject), part.exchange, part.window), booked)

    def _wanted(self, what: HistoryKind) -> tuple[list[TradingDay], set[tables.SymbolDay]]:
        first, last = self.request.first, self.request.last
        return weekdays(first, last), tables.booked(self.archive, what, first, last)

    def _asked(self, what: HistoryKind, subjects: Iterable[str]) -> set[tables.SymbolDay]:
        first, last = self.request.first, self.request.last
        if self.request.again:
            tables.forget(self.archive, what, subjects, first, last)
        return tables.asked(self.archive, what, first, last)

    def _each(self, parts: list[HistoryPart]) -> Iterable[HistoryPart]:
        for number, part in enumerate(parts):
            self.tell(number, len(parts), str(part))
            yield part
            self.done.parts += 1
        if parts:
            self.tell(len(parts), len(parts), parts[-1].what)

    def _store(
        self,
        part: HistoryPart,
        read: ReadRows[HistoryDay] | ReadRows[HistoryMinute] | ReadRows[HistoryIndex],
        booked: set[tables.SymbolDay],
    ) -> None:
        days = frozenset(part.days)
        came = [row for row in read.rows if row.day in days]
        rows = [row for row in came if (row.symbol, row.day) not in booked]
        counts, volumes = Counter(row.day for row in rows), Counter[TradingDay]()
        for row in rows:
            volumes[row.day] += row.volume
        marks = [
            HistoryMark(part.what, part.subject, day, counts[day], volumes[day], len(read.unusable.get(day, ())))
            for day in part.days
        ]
        tables.store(self.archive, rows, marks, self.now())
        self.done.rows[part.what] += len(rows)
        self.done.kept += len(came) - len(rows)
        self.done.unusable += [f"{part}: {why}" for reasons in read.unusable.values() for why in reasons]
