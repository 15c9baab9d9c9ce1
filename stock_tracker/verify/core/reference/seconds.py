"""In which second of the market's clock the pipelines heard what foreigners had done, and of which symbols nobody can say so."""

from dataclasses import dataclass, field

from schemas.structs import ClockTick, ForeignRecord, ReferenceRecord
from schemas.units import Side

ToldSide = tuple[str, Side, int, int]
"""Symbol, side, its counter in shares, and the exchange's time."""


@dataclass
class ForeignSeconds:
    """What a partition of ``ssi.foreign`` told, by the clock tick that followed it there.

    A tick closes the second up to it: what stands before it in the partition belongs to its second or to an earlier one.
    """

    seconds: dict[ToldSide, int] = field(default_factory=dict)
    """The second, as a time in ms, of the first record that told a counter."""
    waiting: set[ToldSide] = field(default_factory=set)
    """What no tick has followed yet."""
    restless: set[str] = field(default_factory=set)
    """Symbols with a rise that was taken back: when it was believed, if ever, nobody can say."""
    moved: set[str] = field(default_factory=set)
    """Symbols whose exchange, groups or sector changed after foreigners had traded them."""
    reached_ms: int = 0
    """The last second that a tick closed."""
    _heard: dict[str, "_Heard"] = field(default_factory=dict)
    _exchanges: dict[str, str] = field(default_factory=dict)
    _groups: dict[str, list[str]] = field(default_factory=dict)

    def take(self, record: object) -> None:
        """Take note of a record of the day, in the order of the partition."""
        if isinstance(record, ClockTick):
            self._close(record.ts_ms)
        elif isinstance(record, ForeignRecord):
            self._hear(record)
        elif isinstance(record, ReferenceRecord):
            groups = [*sorted(set(record.groups)), record.sector or ""]
            if record.symbol in self._heard and groups != self._groups.get(record.symbol, [""]):
                self.moved.add(record.symbol)
            self._groups[record.symbol] = groups

    def _close(self, ts_ms: int) -> None:
        if ts_ms <= self.reached_ms:
            return
        self.reached_ms = ts_ms
        for side in self.waiting:
            self.seconds.setdefault(side, ts_ms)
        self.waiting.clear()

    def _hear(self, record: ForeignRecord) -> None:
        symbol, counters = record.symbol, (record.bought, record.sold)
        heard = self._heard.setdefault(symbol, _Heard())
        if heard.suspect_ms is not None and record.ts_ms > heard.suspect_ms:
            # A newer record decides: what was held is booked now.
            self.waiting |= heard.held - self.seconds.keys()
            heard.decide(counters)
        if record.ts_ms > heard.ts_ms and heard.suspect_ms is None and _is_below(counters, heard.top):
            heard.suspect_ms = record.ts_ms
            if not _is_below(counters, heard.before):
                self.restless.add(symbol)
        told = {(symbol, Side.BUY, record.bought, record.ts_ms), (symbol, Side.SELL, record.sold, record.ts_ms)}
        if heard.suspect_ms is not None:
            heard.held |= told - self.waiting
        else:
            self.waiting |= told - self.seconds.keys()
            heard.rise(counters)
        heard.ts_ms = max(heard.ts_ms, record.ts_ms)
        if self._exchanges.setdefault(symbol, record.exchange.value) != record.exchange.value:
            self.moved.add(symbol)


@dataclass
class _Heard:
    """What has been told of a symbol so far."""

    ts_ms: int = 0
    top: tuple[int, int] = (0, 0)
    """The highest of bought and sold."""
    before: tuple[int, int] = (0, 0)
    """The same before they rose last."""
    suspect_ms: int | None = None
    """The time of a record that said less, as long as no newer one has decided what it was."""
    held: set[ToldSide] = field(default_factory=set)
    """What came since then: it is booked with the verdict."""

    def rise(self, counters: tuple[int, int]) -> None:
        """Take counters that are believed."""
        top = max(self.top[0], counters[0]), max(self.top[1], counters[1])
        if top != self.top:
            self.before, self.top = self.top, top

    def decide(self, counters: tuple[int, int]) -> None:
        """Take the record that decides: the counters had truly fallen, or they stand as before."""
        if _is_below(counters, self.top):
            self.before, self.top = (0, 0), counters
        self.suspect_ms = None
        self.held = set()


def _is_below(counters: tuple[int, int], top: tuple[int, int]) -> bool:
    return counters[0] < top[0] or counters[1] < top[1]
