"""An index as the feed says it.

Index records carry no counter that could identify them, so only those of a shard's leading feed are folded. Nothing but the
values around it tells whether a value is true: what cannot be, by the limits of the stocks in it, is rejected, and what is far
from everything known is believed when the next record says so too.
"""

from typing import ClassVar, Final, Literal

from pipelines.core.codec import Codec, Stored
from pipelines.core.errors import RecordRejected
from schemas.structs import IndexEvent, IndexRecord, IndexRow
from schemas.units import Price, Shares, Symbol, TradingDay, UnixMs, Vnd

MOST_PERCENT: Final = 20
"""How far an index can be from the day before. Its members have limits of 7 % (HOSE), 10 % (HNX) or 15 % (UPCOM); single ones may
go further on their first day (20 to 40 %), an index of many never does (Decision 352/QĐ-SGDHCM)."""

Outcome = Literal["index", "unchanged", "stale", "previous_day", "empty", "doubted"]
"""What a record came to:

- ``index``: something changed.
- ``unchanged``: nothing changed, its time apart.
- ``stale``: older than what is known.
- ``previous_day``: of an earlier day.
- ``empty``: it has no value; SSI sends 0 before there is one.
- ``doubted``: it is far from what is known; a newer one that agrees with it will be believed.
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
    doubted: Price = Price(0)
    """A value of today that is far from what is known, while it waits for a newer record; 0 when there is none."""
    doubted_ms: UnixMs = UnixMs(0)
    """Exchange time of the record that said it."""

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
        # SSI sends 0 for a prior value that it does not have, and zeros alone for a breadth that it does not count.
        prior_value = self.prior_value or None
        change = None if prior_value is None else Price(self.value - prior_value)
        counts = (self.advances, self.no_changes, self.declines, self.ceilings, self.floors)
        advances, no_changes, declines, ceilings, floors = counts if any(counts) else (None,) * len(counts)
        return IndexRow(
            day=self.day,
            src=src,
            ts_ms=self.ts_ms,
            symbol=symbol,
            session=self.session,
            value=self.value,
            prior_value=prior_value,
            change=change,
            change_pct=None if change is None or prior_value is None else round(change * 100 / prior_value, 2),
            volume=self.volume,
            traded_value=self.traded_value,
            put_through_volume=self.put_through_volume,
            put_through_value=self.put_through_value,
            advances=advances,
            no_changes=no_changes,
            declines=declines,
            ceilings=ceilings,
            floors=floors,
        )


INDEX = Codec(Index)


def check_index(record: IndexRecord) -> None:
    """Look at the value of a record.

    Raises:
        RecordRejected: It is further from the prior value that the record itself says than an index can be.
    """
    if record.value > 0 and record.prior_value > 0 and _is_far(record.value, record.prior_value):
        raise RecordRejected(
            "implausible",
            f"{record.symbol} is {record.value} after {record.prior_value}: no index moves {MOST_PERCENT} % in a day",
        )


def advance(index: Index, record: IndexRecord) -> Outcome:
    """Fold a record of the leading feed into its index, in place; it passed :func:`check_index`.

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
            index.doubted = Price(0)
            return "unchanged"
    if _is_doubtful(index, record):
        index.doubted, index.doubted_ms = record.value, record.ts_ms
        return "doubted"
    index.doubted = Price(0)
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


def _is_doubtful(index: Index, record: IndexRecord) -> bool:
    """Whether a record is far from the last value known, and no older record has said so too."""
    if not index.value or not _is_far(record.value, index.value):
        return False
    return not index.doubted or record.ts_ms <= index.doubted_ms or _is_far(record.value, index.doubted)


def _is_far(value: int, known: int) -> bool:
    return abs(value - known) * 100 > MOST_PERCENT * known


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
