"""Fetches what SSI and the archive say of a day, and compares the two."""

from collections.abc import Callable
from typing import Any, Final

import aiohttp
from clickhouse_connect.driver.client import Client

from connectors.ssi.core.reconcile import ArchivedDay, DayReport, ForeignSide, compare_day, daily_prices
from connectors.ssi.rest import SsiRest
from connectors.ssi.settings import SsiSettings
from schemas.calendar import as_date
from schemas.units import TradingDay

SHOWN: Final = 50
"""How many symbols that differ are listed; all are counted."""

_TRADES: Final = """
WITH ifNull(phase, '') = 'put_through' AS is_put_through
SELECT
    symbol, generation, any(exchange),
    sumIf(volume, kind = 'print' AND anchored AND NOT is_put_through) AS printed,
    sumIf(volume, kind = 'gap') - sumIf(volume, kind = 'fill' AND NOT is_put_through) AS missed,
    sumIf(volume, kind = 'correction') AS corrected,
    sumIf(volume, kind = 'print' AND is_put_through) AS put_through,
    sumIf(volume, kind = 'print' AND NOT anchored AND ifNull(phase, '') NOT IN ('put_through', 'odd_lot')) AS unanchored
FROM trades WHERE day = {day:Date} GROUP BY symbol, generation ORDER BY symbol, generation
"""
_LEDGER: Final = """
SELECT symbol, side, generation, any(exchange), sum(volume) AS total, sumIf(volume, ambiguous AND kind = 'correction') AS unsure
FROM foreign_ledger WHERE day = {day:Date} GROUP BY symbol, side, generation ORDER BY symbol, side, generation
"""


async def reconcile(settings: SsiSettings, archive: Client, day: TradingDay, tell: Callable[[str], None]) -> DayReport:
    """Compare DailyStockPrice of ``day`` with the archive.

    Args:
        settings: How to reach SSI.
        archive: Opened on the database of the archive.
        day: Of which the market is closed; before that SSI's totals grow.
        tell: Called with a line of progress.

    Raises:
        SsiError: SSI does not answer, or does not let us in.
        SsiUnavailable: Its totals of some symbols cannot be read.
    """
    tell(f"Asking SSI for DailyStockPrice of {day}")
    async with aiohttp.ClientSession() as http:
        rows = await SsiRest(http, settings).daily_prices(day)
    tell("Asking the archive")
    return compare_day(daily_prices(rows), archived_days(archive, day))


def archived_days(archive: Client, day: TradingDay) -> dict[str, ArchivedDay]:
    """What the archive has of each symbol on ``day``.

    Raises:
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
    """
    parameters = {"day": as_date(day).isoformat()}
    days: dict[str, ArchivedDay] = {}
    for symbol, _, exchange, printed, missed, corrected, put_through, unanchored in _rows(archive, _TRADES, parameters):
        found = days.get(symbol) or ArchivedDay(symbol, exchange)
        days[symbol] = found._replace(
            printed=found.printed + printed,
            missed=found.missed + missed,
            corrected=found.corrected + corrected,
            last_generation=printed + missed + corrected,
            put_through=found.put_through + put_through,
            unanchored=found.unanchored + unanchored,
        )
    for symbol, side, _, exchange, total, unsure in _rows(archive, _LEDGER, parameters):
        found = days.get(symbol) or ArchivedDay(symbol, exchange)
        before = found.bought if side == "buy" else found.sold
        now = ForeignSide(before.total + total, total, before.ambiguous + unsure)
        days[symbol] = found._replace(bought=now) if side == "buy" else found._replace(sold=now)
    return days


def _rows(archive: Client, query: str, parameters: dict[str, Any]) -> list[Any]:
    return list(archive.query(query, parameters=parameters).result_rows)


def as_json(day: TradingDay, report: DayReport) -> dict[str, Any]:
    """The whole report."""
    return {
        "day": day,
        "equal": report.count("equal"),
        "explained": report.count("explained"),
        "different": report.count("different"),
        "put_through": report.put_through_in_total,
        "symbols": [
            {
                "symbol": symbol.symbol,
                "verdict": symbol.verdict,
                **{
                    figure.figure: {"verdict": figure.verdict, "ssi": figure.ssi, "ours": figure.ours, "why": figure.why}
                    for figure in symbol.figures
                },
            }
            for symbol in report.symbols
        ],
    }


def sentences(day: TradingDay, report: DayReport) -> list[str]:
    """The report for people: a table of what is not equal, what differs first, and the sums."""
    odd = [
        (figure.verdict, symbol.symbol, figure)
        for symbol in report.symbols
        for figure in symbol.figures
        if figure.verdict != "equal"
    ]
    odd.sort(key=lambda found: (found[0] != "different", found[1]))
    lines = [f"{'symbol':12} {'figure':14} {'verdict':9} {'SSI':>16} {'archive':>16}  why"] if odd else []
    for verdict, symbol, figure in odd[:SHOWN]:
        lines.append(f"{symbol:12} {figure.figure:14} {verdict:9} {figure.ssi:>16,} {figure.ours:>16,}  {figure.why}")
    if len(odd) > SHOWN:
        lines.append(f"… and {len(odd) - SHOWN:,} more (--json has them all)")
    counts = ", ".join(f"{report.count(verdict):,} {verdict}" for verdict in ("equal", "explained", "different"))
    return [*lines, f"{day}: {len(report.symbols):,} symbols, {counts}; {report.put_through_in_total}"]
