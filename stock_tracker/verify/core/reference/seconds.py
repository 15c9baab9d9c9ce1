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
    """Symbols with a counter that stood lower at a later time: what is booked of them may wait until a newer record decides."""
    moved: set[str] = field(default_factory=set)
    """Symbols whose exchange or groups changed after foreigners had traded them."""
    reached_ms: int = 0
    """The last second that a tick closed."""
    _newest: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """By symbol: the latest time, and the highest of bought and sold."""
    _exchanges: dict[str, str] = field(default_factory=dict)
    _groups: dict[str, list[str]] = field(default_factory=dict)

    def take(self, record: object) -> None:
        """Take note of a record of the day, in the order of the partition."""
        if isinstance(record, ClockTick):
            self._close(record.ts_ms)
        elif isinstance(record, ForeignRecord):
            self._hear(record)
        elif isinstance(record, ReferenceRecord):
            groups = sorted(set(record.groups))
            if record.symbol in self._newest and groups != self._groups.get(record.symbol, []):
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
        symbol = record.symbol
        for side, counter in ((Side.BUY, record.bought), (Side.SELL, record.sold)):
            told = symbol, side, counter, record.ts_ms
            if told not in self.seconds:
                self.waiting.add(told)
        ts_ms, bought, sold = self._newest.get(symbol, (0, 0, 0))
        if record.ts_ms > ts_ms and (record.bought < bought or record.sold < sold):
            self.restless.add(symbol)
        self._newest[symbol] = max(ts_ms, record.ts_ms), max(bought, record.bought), max(sold, record.sold)
        if self._exchanges.setdefault(symbol, record.exchange.value) != record.exchange.value:
            self.moved.add(symbol)
