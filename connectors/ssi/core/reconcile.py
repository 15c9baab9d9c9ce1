"""A day of the archive against what SSI's REST says of it, symbol by symbol. Pure.

SSI's DailyStockPrice has the totals of a day: what was matched, what was put through, and what foreigners bought and sold. Ours
are the sums of what was seen on the stream. Where the two differ, the archive may know why: volume that it noted as a gap,
put-through deals that are in one total and not in the other, a counter that began again. What nothing explains, a person sees to.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple

from connectors.ssi.core.errors import SsiUnavailable

Verdict = Literal["equal", "explained", "different"]
_RANK: Final[dict[Verdict, int]] = {"equal": 0, "explained": 1, "different": 2}


class SsiDay(NamedTuple):
    """What SSI says of a symbol's day, in shares."""

    symbol: str
    matched: int
    """TotalMatchVol."""
    put_through: int
    """TotalDealVol."""
    foreign_bought: int
    foreign_sold: int


class ForeignSide(NamedTuple):
    """What the ledger has of a day: of what foreigners bought, or of what they sold, in shares."""

    total: int = 0
    last_generation: int = 0
    """Entries since the counter last began at 0; of a day in which it never did, all of them."""
    ambiguous: int = 0
    """Of ``total``: falls that were booked as corrections without being sure, as a negative number."""


class ArchivedDay(NamedTuple):
    """What the archive has of a symbol's day, in shares."""

    symbol: str
    exchange: str
    printed: int = 0
    """Prints of the order book that have a total."""
    missed: int = 0
    """Gaps, less what late prints filled of them. Put-through deals that fill a gap leave it here: the feed counts both in one
    total."""
    corrected: int = 0
    """Corrections: what the feed took back, as a negative number."""
    last_generation: int = 0
    """Prints, gaps and corrections since the counter last began at 0; of a day in which it never did, all of them."""
    put_through: int = 0
    unanchored: int = 0
    """Prints of the order book without a total."""
    bought: ForeignSide = ForeignSide()
    sold: ForeignSide = ForeignSide()

    @property
    def total(self) -> int:
        """What was traded in the order book, seen or not."""
        return self.printed + self.missed + self.corrected


class Compared(NamedTuple):
    """One figure of a symbol."""

    figure: Literal["volume", "put_through", "foreign_bought", "foreign_sold"]
    verdict: Verdict
    ssi: int
    ours: int
    why: str
    """What explains it, or what is lacking; empty where both are equal."""


class SymbolReport(NamedTuple):
    """All figures of a symbol."""

    symbol: str
    figures: tuple[Compared, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its figures."""
        return max((figure.verdict for figure in self.figures), key=lambda verdict: _RANK[verdict])


class DayReport(NamedTuple):
    """All symbols of a day."""

    symbols: tuple[SymbolReport, ...]

    def count(self, verdict: Verdict) -> int:
        """How many symbols came to ``verdict``."""
        return sum(report.verdict == verdict for report in self.symbols)

    @property
    def put_through_in_total(self) -> str:
        """What the day shows of a question that SSI leaves open: whether TotalVol of the stream contains put-through deals."""
        reasons = [figure.why for report in self.symbols for figure in report.figures if figure.figure == "volume"]
        shared = sum(_SHARED in why for why in reasons)
        own = sum(_OWN in why for why in reasons)
        if shared and not own:
            return "TotalVol of the stream contains put-through deals"
        if own and not shared:
            return "TotalVol of the stream does not contain put-through deals"
        return "this day does not show whether TotalVol of the stream contains put-through deals"


_SHARED: Final = "put-through deals are in the total of the stream"
_OWN: Final = "put-through deals are not in the total of the stream"


def daily_prices(rows: Iterable[Mapping[str, Any]]) -> list[SsiDay]:
    """The rows of DailyStockPrice.

    Raises:
        SsiUnavailable: The totals of some cannot be read; nothing could be said of those symbols.
    """
    days, unreadable = [], []
    for row in rows:
        symbol = str(row.get("Symbol") or "").strip().upper()
        figures = [
            _shares(row.get(name)) for name in ("TotalMatchVol", "TotalDealVol", "ForeignBuyVolTotal", "ForeignSellVolTotal")
        ]
        known = [figure for figure in figures if figure is not None]
        if symbol and len(known) == len(figures):
            days.append(SsiDay(symbol, *known))
        else:
            unreadable.append(symbol or "?")
    if unreadable:
        raise SsiUnavailable("DailyStockPrice", f"the totals of {', '.join(unreadable[:10])} cannot be read")
    return days


def _shares(value: Any) -> int | None:
    """SSI writes every value of REST as a text, and nothing as null or as an empty one."""
    if value is None or value == "":
        return 0
    try:
        shares = float(value)
        return int(shares) if shares == int(shares) and shares >= 0 else None
    except (TypeError, ValueError, OverflowError):
        return None


def compare_day(ssi: Iterable[SsiDay], archive: Mapping[str, ArchivedDay]) -> DayReport:
    """Compare every symbol that one of the two knows of."""
    said = {day.symbol: day for day in ssi}
    # SSI lists no derivatives in DailyStockPrice; what it never says anything of cannot be compared.
    ours = {symbol for symbol, day in archive.items() if day.exchange != "DER"}
    reports = []
    for symbol in sorted(said.keys() | ours):
        day = archive.get(symbol) or ArchivedDay(symbol, "")
        if symbol not in said:
            figure = Compared("volume", "different" if day.total else "equal", 0, day.total, "SSI does not list it")
            reports.append(SymbolReport(symbol, (figure,)))
            continue
        reports.append(SymbolReport(symbol, tuple(_figures(said[symbol], day))))
    return DayReport(tuple(reports))


def _figures(ssi: SsiDay, day: ArchivedDay) -> Iterator[Compared]:
    yield _volume(ssi, day)
    yield _put_through(ssi.put_through, day.put_through)
    yield _foreign("foreign_bought", ssi.foreign_bought, day.bought)
    yield _foreign("foreign_sold", ssi.foreign_sold, day.sold)


def _volume(ssi: SsiDay, day: ArchivedDay) -> Compared:
    verdict, why = _judge_volume(ssi, day)
    return Compared("volume", verdict, ssi.matched, day.printed, why)


def _judge_volume(ssi: SsiDay, day: ArchivedDay) -> tuple[Verdict, str]:
    if day.printed == ssi.matched and not day.missed and not day.corrected:
        return "equal", _OWN if ssi.put_through else ""
    parts = [f"{day.printed} in prints"]
    parts += [f"{day.missed} in gaps"] if day.missed else []
    parts += [f"{day.corrected} in corrections"] if day.corrected else []
    parts += [f"{day.unanchored} in prints without a total"] if day.unanchored else []
    began_again = ["the counter began again"] if day.last_generation != day.total else []
    for total, why in ((day.total, parts), (day.last_generation, [*parts, *began_again])):
        if total == ssi.matched:
            return "explained", "; ".join([*why, *([_OWN] if ssi.put_through else [])])
        if ssi.put_through and total == ssi.matched + ssi.put_through:
            return "explained", "; ".join([*why, _SHARED])
    if day.unanchored and day.total + day.unanchored == ssi.matched:
        return "explained", "; ".join(parts)
    return "different", f"{ssi.matched - day.total:+} unexplained ({'; '.join(parts)})"


def _put_through(ssi: int, ours: int) -> Compared:
    if ssi == ours:
        return Compared("put_through", "equal", ssi, ours, "")
    if not ours:
        return Compared("put_through", "explained", ssi, ours, "the stream told of no put-through deal")
    return Compared("put_through", "different", ssi, ours, f"{ssi - ours:+} unexplained")


def _foreign(figure: Literal["foreign_bought", "foreign_sold"], ssi: int, side: ForeignSide) -> Compared:
    if ssi == side.total:
        return Compared(figure, "equal", ssi, side.total, "")
    if ssi == side.last_generation:
        return Compared(figure, "explained", ssi, side.total, "SSI counts since the counter began again")
    if side.ambiguous and ssi == side.total - side.ambiguous:
        return Compared(figure, "explained", ssi, side.total, f"without {side.ambiguous} in corrections that nobody was sure of")
    return Compared(figure, "different", ssi, side.total, f"{ssi - side.total:+} unexplained")
