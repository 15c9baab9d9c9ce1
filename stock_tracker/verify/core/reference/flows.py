"""The foreign flow of each scope, added up from the lines of the ledger.

The ledger is split by symbol, the flow is not: the lines of all symbols are added to one :class:`FlowSums`, compared at the end.
"""

from array import array
from bisect import bisect
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.reference.compare import Placed, Rows, differ
from stock_tracker.verify.core.reference.day import ToldDay
from stock_tracker.verify.core.reference.seconds import ForeignSeconds

SETTLED_MS = 120_000
"""Market time after which a line of the ledger must be in the flow of its minute."""
RECENT_MS = 300_000
"""Market time before the end in which the sums of each second are known: rows are compared with those of the last one."""
_MINUTE_MS = 60_000
_SECTOR = "sector:"
"""What the scopes of sectors begin with."""
_LATER_MS = 10**15
"""The second of what no tick has followed yet."""
_FIGURES = ("bought", "sold", "bought_value", "sold_value")
_UNCLEAR = "when its lines were booked nobody can say from the records, so only its last figures are compared"


@dataclass
class FlowSums:
    """What the lines of all symbols come to, by scope and by the market second in which they were booked."""

    day: int = 0
    until_ms: int | None = None
    """The last second that all shards have reached."""
    moved_ms: int = 0
    """The exchange's time of the latest line."""
    has_sectors: bool = True
    """Whether the sectors of all symbols are known."""
    unclear: set[str] = field(default_factory=set)
    """Symbols with lines whose second nobody can say."""
    totals: dict[str, list[int]] = field(default_factory=dict)
    """By scope, the sums over the whole day; the figures are those of :data:`_FIGURES`."""
    reached_ms: int = 0
    """The last second that any shard has reached."""
    seconds: dict[str, dict[int, list[int]]] = field(default_factory=lambda: defaultdict(dict))
    """By scope, what was added in each second of the last minutes, and in each whole minute before, by its end."""

    _placed: dict[int, "_PlacedSeconds"] = field(default_factory=lambda: defaultdict(_PlacedSeconds))
    """By partition of ``market.foreign``, where lines stand of which the records say in which second they were booked."""
    _open: list["_OpenLine"] = field(default_factory=list)
    """The other lines."""

    def add(self, told: ToldDay, entries: Iterable[Placed], sectors: Mapping[str, str] | None, doubtful: Collection[str]) -> None:
        """Add the lines of some symbols of a shard.

        Args:
            told: What their records said.
            entries: Their part of ``market.foreign``.
            sectors: Of the symbols of which reference data tells none; None where nobody knows.
            doubtful: Symbols whose counters can be read in more than one way.
        """
        clock = told.foreign_seconds
        self.has_sectors &= sectors is not None
        self.day = max(self.day, told.day)
        self.until_ms = clock.reached_ms if self.until_ms is None else min(self.until_ms, clock.reached_ms)
        lines = list(entries)
        self.reached_ms = max(self.reached_ms, clock.reached_ms)
        self.moved_ms = max([self.moved_ms, *(line.ts_ms for _, line in lines)])
        lines = [(at, line) for at, line in lines if line.volume or line.value]
        by_symbol: dict[str, list[LedgerEntry]] = defaultdict(list)
        for _, line in lines:
            by_symbol[line.symbol].append(line)
        scopes_of = {symbol: _scopes(told, symbol, own, sectors) for symbol, own in by_symbol.items()}
        for at, line in lines:
            part, scopes = _part(line), scopes_of[line.symbol]
            for scope in scopes:
                _add(self.totals.setdefault(scope, [0, 0, 0, 0]), part)
            if line.symbol in clock.moved:
                self.unclear.add(line.symbol)
            second = _second_of(clock, line, doubtful)
            if second is None:
                self._open.append(_OpenLine(at, line.symbol, part, scopes))
            else:
                self._placed[at.message.partition].add(at, second)
                self._book(scopes, second, part)

    def settle(self) -> None:
        """Find the seconds of the lines that stand between two others and were booked in the minute of both.

        Of the other lines nobody can say it, nor of their symbols then. Call it once all symbols have been added.
        """
        for line in self._open:
            before, after = self._placed[line.at.message.partition].around(line.at)
            if _minute_end(before) == _minute_end(after):
                self._book(line.scopes, after, line.part)
            else:
                self.unclear.add(line.symbol)
        self._open.clear()

    def _book(self, scopes: Iterable[str], second: int, part: list[int]) -> None:
        if second <= self.reached_ms - RECENT_MS:
            second = _minute_end(second)
        for scope in scopes:
            _add(self.seconds[scope].setdefault(second, [0, 0, 0, 0]), part)


class _OpenLine(NamedTuple):
    """A line of which its records do not say in which second it was booked."""

    at: EventPosition
    symbol: str
    part: list[int]
    scopes: Collection[str]


class _PlacedSeconds:
    """The seconds of lines by their places in a partition, which may come in any order: a few bytes each."""

    def __init__(self) -> None:
        self._places = array("q")
        self._seconds = array("q")
        self._in_order: list[int] | None = None

    def add(self, at: EventPosition, second: int) -> None:
        """Note a line."""
        self._places.append(_place(at))
        self._seconds.append(second)
        self._in_order = None

    def around(self, at: EventPosition) -> tuple[int, int]:
        """The seconds of the last line before a place, and of the first after it; 0, or later than all, where there is none."""
        if self._in_order is None:
            self._in_order = sorted(range(len(self._places)), key=self._places.__getitem__)
        found = bisect(self._in_order, _place(at), key=self._places.__getitem__)
        before = self._seconds[self._in_order[found - 1]] if found else 0
        after = self._seconds[self._in_order[found]] if found < len(self._in_order) else _LATER_MS
        return before, after


def _place(at: EventPosition) -> int:
    """A number that grows along a partition."""
    return at.message.offset << 20 | at.idx


def _second_of(clock: ForeignSeconds, line: LedgerEntry, doubtful: Collection[str]) -> int | None:
    """The second in which a line was booked, as far as the records of its symbol say; None where they do not."""
    if line.symbol in clock.restless or line.symbol in doubtful:
        return None
    told = line.symbol, line.side, line.counter, line.ts_ms
    return _LATER_MS if told in clock.waiting else clock.seconds.get(told)


def check(
    sums: FlowSums, flow: list[Placed] | None, rows: Rows | None, doubts: list[tuple[str, str, str]]
) -> Iterator[Difference]:
    """Compare the flow with the sums; ``doubts`` says what is left out.

    Every minute of every scope is compared, and the last row. Where the second of a line is unclear, only the last of each is,
    and that only if foreigners traded nothing just before the end.
    """
    sums.settle()
    if not sums.unclear:
        yield from _check_minutes(sums, flow)
        if (sums.until_ms or 0) <= sums.reached_ms - RECENT_MS + _MINUTE_MS:
            doubts.append(("state.flow", "market", "the clocks of the shards are minutes apart"))
            return
        yield from _check_rows(sums, rows, {scope: _up_to(sums, scope, sums.until_ms or 0) for scope in sums.totals})
        return
    doubts += [("market.flow", symbol, _UNCLEAR) for symbol in sorted(sums.unclear)]
    if sums.moved_ms + SETTLED_MS > (sums.until_ms or 0):
        doubts.append(("market.flow", "market", "foreigners traded just before the records end"))
        return
    events = {event.scope: (at, event) for at, event in flow or ()}
    for scope, figures in sorted(sums.totals.items()):
        if scope in events:
            yield from differ("flow", scope, events[scope][1], dict(zip(_FIGURES, figures, strict=True)), events[scope][0])
        elif flow is not None and any(figures):
            yield Difference("missing_flow", scope, "market.flow has no event of it", None, "market.flow")
    yield from _check_rows(sums, rows, sums.totals)


def _check_minutes(sums: FlowSums, flow: list[Placed] | None) -> Iterator[Difference]:
    if flow is None:
        return
    events: dict[str, dict[int, Placed]] = defaultdict(dict)
    for at, event in flow:
        events[event.scope][event.ts_ms] = at, event
    for scope in sorted(sums.totals.keys() | {scope for scope in events if sums.has_sectors or not scope.startswith(_SECTOR)}):
        before = [0, 0, 0, 0]
        seconds, told = sums.seconds.get(scope, {}), events.get(scope, {})
        ends = {_minute_end(second) for second in seconds if second != _LATER_MS}
        in_order = deque(sorted(seconds))
        for end in sorted(ends | told.keys()):
            figures = list(before)
            while in_order and in_order[0] <= end:
                _add(figures, seconds[in_order.popleft()])
            if end in told:
                at, event = told[end]
                yield from differ("flow", scope, event, dict(zip(_FIGURES, figures, strict=True)), at)
            elif figures != before and end <= (sums.until_ms or 0):
                yield Difference(
                    "missing_flow", scope, f"market.flow has no event of the minute that ends at {end}", None, "market.flow"
                )
            before = figures


def _check_rows(sums: FlowSums, rows: Rows | None, expected: dict[str, list[int]]) -> Iterator[Difference]:
    if rows is None:
        return
    for scope, figures in sorted(expected.items()):
        if scope in rows:
            at, row = rows[scope]
            net = {"net_value": figures[2] - figures[3]}
            yield from differ("flow_row", scope, row, dict(zip(_FIGURES, figures, strict=True)) | net, at)
        elif any(figures):
            yield Difference("missing_state", scope, "state.flow has no row of it", None, "state.flow")


def _minute_end(second_ms: int) -> int:
    return -(-second_ms // _MINUTE_MS) * _MINUTE_MS


def _up_to(sums: FlowSums, scope: str, until_ms: int) -> list[int]:
    figures = [0, 0, 0, 0]
    for second, part in sums.seconds.get(scope, {}).items():
        if second <= until_ms:
            _add(figures, part)
    return figures


def _part(entry: LedgerEntry) -> list[int]:
    """What a line adds, in the order of :data:`_FIGURES`."""
    volume, value = entry.volume, entry.value
    return [volume, 0, value, 0] if entry.side is Side.BUY else [0, volume, 0, value]


def sectors_of(adopted: Iterable[Placed]) -> Mapping[str, str] | None:
    """The sectors that held last, by symbol; None where nobody has said so."""
    told = [terms.terms.sectors for _, terms in adopted if terms.topic == "ssi.foreign" and terms.terms.sectors is not None]
    return told[-1] if told else None


def _scopes(told: ToldDay, symbol: str, lines: Sequence[LedgerEntry], sectors: Mapping[str, str] | None) -> set[str]:
    """The market, the exchange, the groups and the sector of a symbol."""
    records = told.foreign.get(symbol)
    exchange = (
        max(records, key=lambda record: record.ts_ms).exchange
        if records
        else next(line.exchange for line in lines if line.symbol == symbol)
    )
    reference = told.references.get(symbol)
    sector = (reference.sector if reference is not None else None) or (sectors or {}).get(symbol)
    of_sector = [f"{_SECTOR}{sector}"] if sector and sectors is not None else []
    return {"market", exchange.value, *(reference.groups if reference is not None else ()), *of_sector}


def _add(figures: list[int], part: Iterable[int]) -> None:
    for place, more in enumerate(part):
        figures[place] += more
