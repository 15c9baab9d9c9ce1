"""An index as the feed says it.

Index records carry no counter that could identify them, so only those of a shard's leading feed are folded.
"""

from typing import ClassVar, Literal

from pipelines.core.codec import Codec, Stored
from schemas.structs import IndexEvent, IndexRecord, IndexRow
from schemas.units import Price, Shares, Symbol, TradingDay, UnixMs, Vnd

Outcome = Literal["index", "unchanged", "stale", "previous_day", "empty"]
"""What a record came to:

- ``index``: something changed.
- ``unchanged``: nothing changed, its time apart.
- ``stale``: older than what is known.
- ``previous_day``: of an earlier day.
- ``empty``: it has no value; SSI sends 0 before there is one.
"""


class Index(Stored):
    """What is known of an index. Values in hundredths of a point, volumes in shares, values traded in VND."""

    DAY_AT: ClassVar[int | None] = 0

    day: TradingDay = TradingDay(0)
    ts_ms: UnixMs = UnixMs(0)
    value: Price = Price(0)
    prior_value: Price = Price(0)
    volume: Shares = Shares(0)
    traded_value: Vnd = Vnd(0)
    put_through_volume: Shares = Shares(0)
    put_through_value: Vnd = Vnd(0)
    advances: int = 0
    no_changes: int = 0
    declines: int = 0
    ceilings: int = 0
    floors: int = 0
    session: str | None = None

    def event(self, symbol: Symbol) -> IndexEvent:
        """The event on ``market.indices`` that tells how the index stands."""
        return IndexEvent(
            symbol=symbol,
            day=self.day,
            ts_ms=self.ts_ms,
            value=self.value,
            prior_value=self.prior_value,
            volume=self.volume,
            traded_value=self.traded_value,
            put_through_volume=self.put_through_volume,
            put_through_value=self.put_through_value,
            advances=self.advances,
            no_changes=self.no_changes,
            declines=self.declines,
            ceilings=self.ceilings,
            floors=self.floors,
            session=self.session,
        )

    def row(self, symbol: Symbol, src: int) -> IndexRow:
        """The row on ``state.indices`` that shows how the index stands, as the frame at offset ``src`` leaves it."""
        change = self.value - self.prior_value
        return IndexRow(
            day=self.day,
            src=src,
            ts_ms=self.ts_ms,
            symbol=symbol,
            session=self.session,
            value=self.value,
            prior_value=self.prior_value,
            change=Price(change),
            change_pct=round(change * 100 / self.prior_value, 2) if self.prior_value else 0.0,
            volume=self.volume,
            traded_value=self.traded_value,
            put_through_volume=self.put_through_volume,
            put_through_value=self.put_through_value,
            advances=self.advances,
            no_changes=self.no_changes,
            declines=self.declines,
            ceilings=self.ceilings,
            floors=self.floors,
        )


INDEX = Codec(Index)


def advance(index: Index, record: IndexRecord) -> Outcome:
    """Fold a record of the leading feed into its index, in place.

    Two records of one second are told apart by their traded volume, which only grows: after a reconnect SSI may send a cached
    one again.
    """
    if record.value <= 0:
        return "empty"
    if record.trading_day < index.day:
        return "previous_day"
    if record.trading_day == index.day:
        if (record.ts_ms, record.volume) < (index.ts_ms, index.volume):
            return "stale"
        if _content(record) == _content(index):
            index.ts_ms = record.ts_ms
            return "unchanged"
    index.day = record.trading_day
    index.ts_ms = record.ts_ms
    index.value = record.value
    index.prior_value = record.prior_value
    index.volume = record.volume
    index.traded_value = record.traded_value
    index.put_through_volume = record.put_through_volume
    index.put_through_value = record.put_through_value
    index.advances = record.advances
    index.no_changes = record.no_changes
    index.declines = record.declines
    index.ceilings = record.ceilings
    index.floors = record.floors
    index.session = record.session
    return "index"


def _content(said: Index | IndexRecord) -> tuple[object, ...]:
    return (
        said.value,
        said.prior_value,
        said.volume,
        said.traded_value,
        said.put_through_volume,
        said.put_through_value,
        said.advances,
        said.no_changes,
        said.declines,
        said.ceilings,
        said.floors,
        said.session,
    )
