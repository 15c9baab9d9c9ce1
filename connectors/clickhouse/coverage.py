"""What the archive has of each trading day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from clickhouse_connect.driver.client import Client

from schemas.calendar import as_date, is_trading_day, next_trading_day
from schemas.units import TradingDay


@dataclass(frozen=True, slots=True)
class DayCoverage:
    """What the archive has of a trading day."""

    day: TradingDay
    symbols: int
    """Symbols with a print or a gap."""
    prints: int
    lost: int
    """Shares (contracts) in gaps over which no feed was connected."""
    summaries: int
    """Summaries of a symbol's day that were made at or after the close."""
    foreign: int
    """Lines of the foreign ledger."""

    @property
    def lacks(self) -> bool:
        """Whether there is nothing of it."""
        return not (self.symbols or self.summaries or self.foreign)

    def __str__(self) -> str:
        if self.lacks:
            return f"{as_date(self.day)}  nothing"
        return (
            f"{as_date(self.day)}  {self.symbols} symbols, {self.prints} prints, {self.summaries} final summaries,"
            f" {self.foreign} foreign entries" + (f"; {self.lost} shares lost" if self.lost else "")
        )


def coverage_of(archive: Client, first: TradingDay, last: TradingDay) -> list[DayCoverage]:
    """Look at every trading day from ``first`` to ``last``, both included."""
    days = {"first": as_date(first), "last": as_date(last)}
    where = "day BETWEEN {first:Date} AND {last:Date} GROUP BY d"
    trades = _by_day(
        archive,
        "toYYYYMMDD(day) AS d, uniqExact(symbol), countIf(kind = 'print'), sumIf(volume, kind = 'gap' AND cause = 'lost')"
        f" FROM trades WHERE {where}",
        days,
    )
    summaries = _by_day(archive, f"toYYYYMMDD(day) AS d, countIf(final) FROM prices_daily WHERE {where}", days)
    foreign = _by_day(archive, f"toYYYYMMDD(day) AS d, count() FROM foreign_ledger WHERE {where}", days)
    return [
        DayCoverage(day, *trades.get(day, (0, 0, 0)), *summaries.get(day, (0,)), *foreign.get(day, (0,)))
        for day in _trading_days(first, last)
    ]


def _trading_days(first: TradingDay, last: TradingDay) -> Iterator[TradingDay]:
    day = first if is_trading_day(first) else next_trading_day(first)
    while day <= last:
        yield day
        day = next_trading_day(day)


def _by_day(archive: Client, selected: str, days: dict[str, date]) -> dict[int, tuple[int, ...]]:
    found = archive.query(f"SELECT {selected}", parameters=days).result_rows
    return {int(day): tuple(map(int, rest)) for day, *rest in found}
