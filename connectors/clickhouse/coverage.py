"""What the archive has of each trading day, and where it comes from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.coverage import CoveredStretch, DayFacts, source_of, stretches
from schemas.calendar import as_date, as_day, is_trading_day, next_trading_day
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
    history: int
    """Symbols of whose day history tells: what SSI's REST said, and the stream had not."""
    history_minutes: int
    """Symbols of whose minutes history tells."""
    asked: bool
    """Whether SSI's REST was asked for the day of some symbol or market."""

    @property
    def lacks(self) -> bool:
        """Whether there is nothing of it, and SSI may have something."""
        return not (self.symbols or self.summaries or self.foreign or self.history or self.asked)

    def __str__(self) -> str:
        told = []
        if self.symbols or self.summaries or self.foreign:
            told.append(
                f"{self.symbols} symbols, {self.prints} prints, {self.summaries} final summaries, {self.foreign} foreign entries"
                + (f"; {self.lost} shares lost" if self.lost else "")
            )
        if self.history or self.history_minutes:
            told.append(f"history of {self.history} symbols, minutes of {self.history_minutes}")
        nothing = "nothing, nor has SSI" if self.asked else "nothing"
        return f"{as_date(self.day)}  {'; '.join(told) or nothing}"


def coverage_of(archive: Client, first: TradingDay, last: TradingDay) -> list[DayCoverage]:
    """Look at every trading day from ``first`` to ``last``, both included."""
    days = {"first": as_date(first), "last": as_date(last)}
    where = "day BETWEEN {first:Date} AND {last:Date}"
    trades = _by_day(
        archive,
        "toYYYYMMDD(day) AS d, uniqExact(symbol), countIf(kind = 'print'), sumIf(volume, kind = 'gap' AND cause = 'lost')"
        f" FROM trades WHERE {where} GROUP BY d",
        days,
    )
    summaries = _by_day(archive, f"toYYYYMMDD(day) AS d, countIf(final) FROM prices_daily WHERE {where} GROUP BY d", days)
    foreign = _by_day(archive, f"toYYYYMMDD(day) AS d, count() FROM foreign_ledger WHERE {where} GROUP BY d", days)
    history = _by_day(archive, f"toYYYYMMDD(day) AS d, uniqExact(symbol) FROM history_days WHERE {where} GROUP BY d", days)
    marks = _by_day(
        archive,
        "toYYYYMMDD(day) AS d, uniqExactIf(subject, what = 'minutes' AND rows > 0), countIf(what = 'days') > 0"
        f" FROM history_asked WHERE {where} GROUP BY d",
        days,
    )
    covered = []
    for day in trading_days(first, last):
        symbols, prints, lost = trades.get(day, (0, 0, 0))
        minutes, asked = marks.get(day, (0, 0))
        covered.append(
            DayCoverage(
                day=day,
                symbols=symbols,
                prints=prints,
                lost=lost,
                summaries=summaries.get(day, (0,))[0],
                foreign=foreign.get(day, (0,))[0],
                history=history.get(day, (0,))[0],
                history_minutes=minutes,
                asked=bool(asked),
            )
        )
    return covered


def symbols_covered(archive: Client, symbols: Sequence[str], first: TradingDay, last: TradingDay) -> list[CoveredStretch]:
    """Where each trading day of some symbols and indices comes from, from ``first`` to ``last``, both included."""
    parameters = {"symbols": list(symbols), "first": as_date(first), "last": as_date(last)}
    where = "symbol IN {symbols:Array(String)} AND day BETWEEN {first:Date} AND {last:Date}"
    streamed = _symbol_days(
        archive,
        f"SELECT symbol, day, 1 FROM prices_daily_state WHERE {where}"  # noqa: S608
        f" UNION DISTINCT SELECT symbol, day, 1 FROM indices WHERE {where}"
        f" UNION DISTINCT SELECT symbol, toDate(t) AS day, 1 FROM candles_1m_state WHERE {where.replace(' day ', ' toDate(t) ')}",
        parameters,
    )
    volumes = _symbol_days(archive, f"SELECT symbol, day, volume FROM history_days FINAL WHERE {where}", parameters)  # noqa: S608
    indices = _symbol_days(archive, f"SELECT symbol, day, volume FROM history_indices FINAL WHERE {where}", parameters)  # noqa: S608
    marked = "FROM history_asked FINAL WHERE day BETWEEN {first:Date} AND {last:Date}"
    minutes = _symbol_days(
        archive,
        f"SELECT subject, day, volume {marked} AND what = 'minutes' AND subject IN {{symbols:Array(String)}}",
        parameters,
    )
    markets = _markets(archive, parameters)
    asked = _symbol_days(
        archive,
        f"SELECT subject, day, rows {marked} AND what != 'minutes' AND subject IN {{subjects:Array(String)}}",
        {**parameters, "subjects": [*symbols, *set(markets.values())]},
    )
    found: list[CoveredStretch] = []
    for symbol in symbols:
        facts = [
            (
                day,
                DayFacts(
                    streamed=(symbol, day) in streamed,
                    volume=volumes.get((symbol, day), indices.get((symbol, day))),
                    minutes=minutes.get((symbol, day)),
                    asked=(symbol, day) in asked or (markets.get(symbol), day) in asked,
                    is_index=(symbol, day) in indices,
                ),
            )
            for day in trading_days(first, last)
        ]
        found += stretches(symbol, [(day, source_of(known)) for day, known in facts])
    return found


def trading_days(first: TradingDay, last: TradingDay) -> Iterator[TradingDay]:
    """The trading days from ``first`` to ``last``, both included, as far as the calendar knows."""
    day = first if is_trading_day(first) else next_trading_day(first)
    while day <= last:
        yield day
        day = next_trading_day(day)


def _by_day(archive: Client, selected: str, days: dict[str, date]) -> dict[int, tuple[int, ...]]:
    found = archive.query(f"SELECT {selected}", parameters=days).result_rows
    return {int(day): tuple(map(int, rest)) for day, *rest in found}


def _symbol_days(archive: Client, select: str, parameters: dict[str, Any]) -> dict[tuple[str | None, TradingDay], int]:
    found = archive.query(select, parameters=parameters).result_rows
    return {(str(symbol), as_day(day)): int(figure) for symbol, day, figure in found}


def _markets(archive: Client, parameters: dict[str, Any]) -> dict[str, str]:
    """The exchange of each symbol, where the archive knows it."""
    found = archive.query(
        "SELECT symbol, any(exchange) FROM (SELECT symbol, exchange FROM history_days WHERE symbol IN {symbols:Array(String)}"
        " UNION ALL SELECT symbol, exchange FROM prices_daily_state WHERE symbol IN {symbols:Array(String)}) GROUP BY symbol",
        parameters=parameters,
    ).result_rows
    return {str(symbol): str(exchange) for symbol, exchange in found}
