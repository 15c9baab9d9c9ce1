"""SSI's lists of what is listed, and the reference records that come of them. Pure.

A page of Securities is a list of instruments, one of IndexList a list of indices. A page of SecuritiesDetails or IndexComponents
is a list of a single object, and the list that matters is inside it, under ``RepeatedInfo`` or ``IndexComponent``. Every value is
a string or null.

Each list is judged on its own: SSI answers with an empty one for a while each night, and what is missing in one says nothing
about the others. The last good one of each is kept, and stands in until a better one comes.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, NamedTuple

import msgspec

from schemas.calendar import as_day
from schemas.instruments import contract_of, expiry
from schemas.structs import ReferenceRecord
from schemas.units import SYMBOL_PATTERN, Exchange, Shares, Symbol, TradingDay

MARKETS: Final = {"HOSE": Exchange.HOSE, "HNX": Exchange.HNX, "UPCOM": Exchange.UPCOM, "DER": Exchange.DER}
"""The markets whose instruments are asked for, by their names in the REST API."""
GROUPS: Final = ("VN30", "VN100", "HNX30")
"""The indices whose members are asked for; a symbol's groups are those that it is a member of."""
SHRUNK_PERCENT: Final = 50
"""A list with fewer than this share of the rows that it had the last time is incomplete: markets do not shrink so."""

_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_INDEX_MARKETS: Final = ("HOSE", "HNX")
"""The markets that have indices."""
_COUNT: Final = re.compile(r"[0-9]{1,6}")
_KEPT: Final = ("Symbol", "StockName", "StockEnName", "SymbolName", "LotSize", "LastTradingDate", "StockSymbol", "IndexCode")
"""The fields of a row that are of use."""


class ListName(NamedTuple):
    """One of the lists that SSI's REST API has."""

    operation: str
    """``Securities``, ``SecuritiesDetails``, ``IndexList`` or ``IndexComponents``."""
    subject: str
    """The market or the index that it is of."""

    def __str__(self) -> str:
        return f"{self.operation} of {self.subject}"


LISTS: Final = (
    *(ListName("Securities", market) for market in MARKETS),
    *(ListName("IndexList", market) for market in _INDEX_MARKETS),
    *(ListName("IndexComponents", index) for index in GROUPS),
    *(ListName("SecuritiesDetails", market) for market in MARKETS),
)
"""All lists, those first without which most would be missing; the list of indices is ahead of their members."""


class ReferenceList(msgspec.Struct, frozen=True):
    """A list as SSI gave it."""

    day: TradingDay
    """The trading day on which it was asked for."""
    rows: list[dict[str, Any]]


class Page(NamedTuple):
    """What a page of a list brings."""

    rows: list[dict[str, Any]]
    stated: int | None
    """How many rows the whole list has, where SSI says so."""


def read_page(operation: str, data: Any, total: int | None) -> Page:
    """Take the rows out of a page of ``operation``; ``total`` is what its envelope says.

    Of a list inside an object the envelope counts the object; how long the list is stands beside it.
    """
    if operation in ("Securities", "IndexList"):
        return Page([_kept(row) for row in rows_of(data)], total)
    inner, count = ("RepeatedInfo", "TotalNoSym") if operation == "SecuritiesDetails" else ("IndexComponent", "TotalSymbolNo")
    rows = [_kept(row) for page in rows_of(data) for row in rows_of(page.get(inner))]
    counts = [str(page.get(count)) for page in rows_of(data)]
    return Page(rows, max((int(text) for text in counts if _COUNT.fullmatch(text)), default=None))


class ReferenceBook:
    """The last good version of each list, and what is wrong with those that are not of today."""

    def __init__(self, kept: Mapping[ListName, ReferenceList]) -> None:
        """Begin with what an earlier run has kept."""
        self.lists = dict(kept)
        self._troubles: dict[ListName, str] = {}
        """What was wrong with the lists that could not be taken when they were asked for last."""

    def take(self, name: ListName, day: TradingDay, page: Page) -> str:
        """Take in a whole list that SSI gave on ``day``. Returns what is wrong with it; empty when it is good.

        Of an incomplete list and the one that is there, the longer one is used.
        """
        before = self.lists.get(name)
        trouble = "" if self._is_unknown(name) else _shortfall(page, len(before.rows) if before else 0)
        if trouble:
            self._troubles[name] = trouble
        else:
            self._troubles.pop(name, None)
        if not trouble or (page.rows and (before is None or len(page.rows) > len(before.rows))):
            self.lists[name] = ReferenceList(day, page.rows)
        return trouble

    def fail(self, name: ListName, why: str) -> None:
        """Note that a list could not be had."""
        self._troubles[name] = why

    def trouble(self, day: TradingDay) -> str:
        """What is wrong with the reference data of ``day``, for an operator; empty when all is well, or nothing was asked yet."""
        if not self._troubles:
            return ""
        name, why = next(iter(self._troubles.items()))
        kept = self.lists.get(name)
        if kept is None:
            instead = "there is none from before"
        elif kept.day == day:
            instead = "what came of it today is used"
        else:
            instead = f"that of {kept.day} is used"
        others = len(self._troubles) - 1
        more = f", and {others} more such lists" if others else ""
        return f"reference data is incomplete: {name}: {why}; {instead}{more}"

    def cached(self, day: TradingDay) -> int:
        """How many lists are not of ``day``: kept from before, or missing."""
        return sum(1 for name in LISTS if (kept := self.lists.get(name)) is None or kept.day != day)

    def records(self, day: TradingDay) -> list[ReferenceRecord]:
        """A record for ``day`` of each instrument on the lists, sorted by symbol; ``as_of`` marks those from earlier lists."""
        listed = [
            (market, row, self._age(day, market)) for market in MARKETS for row in self._rows(ListName("Securities", market))
        ]
        detailed = [row for market in MARKETS for row in self._rows(ListName("SecuritiesDetails", market))]
        groups = {index: [row.get("StockSymbol") for row in self._rows(ListName("IndexComponents", index))] for index in GROUPS}
        return reference_records(day, listed, detailed, groups)

    def indices(self) -> list[str]:
        """The ids of SSI's indices, as it writes them."""
        return [str(row["IndexCode"]) for rows in self._indices() for row in rows if "IndexCode" in row]

    def _is_unknown(self, name: ListName) -> bool:
        """Whether SSI has no such index, so that an empty list of its members is all there is."""
        if name.operation != "IndexComponents":
            return False
        return all(self._indices()) and name.subject not in map(str.upper, self.indices())

    def _indices(self) -> list[list[dict[str, Any]]]:
        return [self._rows(ListName("IndexList", market)) for market in _INDEX_MARKETS]

    def _rows(self, name: ListName) -> list[dict[str, Any]]:
        kept = self.lists.get(name)
        return kept.rows if kept else []

    def _age(self, day: TradingDay, market: str) -> TradingDay | None:
        """The day of the oldest list that a record of ``market`` is made of; None when all are of ``day``."""
        names = (ListName("Securities", market), ListName("SecuritiesDetails", market))
        members = (ListName("IndexComponents", index) for index in GROUPS)
        oldest = min(self.lists[name].day for name in (*names, *members) if name in self.lists)
        return oldest if oldest != day else None


def reference_records(
    day: TradingDay,
    listed: Iterable[tuple[str, Mapping[str, Any], TradingDay | None]],
    detailed: Iterable[Mapping[str, Any]],
    groups: Mapping[str, Iterable[Any]],
) -> list[ReferenceRecord]:
    """Join what the three operations say of each symbol into one record, sorted by symbol.

    Args:
        day: The trading day that the records are for.
        listed: Rows of Securities, each with the market that was asked for, and the day on which SSI said so if that is not
            ``day``. Only what is in them gets a record. A contract that has expired since then gets none.
        detailed: Rows of SecuritiesDetails.
        groups: The members of each index.
    """
    more = {str(row.get("Symbol")): row for row in detailed}
    of_symbol: dict[str, list[str]] = {}
    for index, symbols in groups.items():
        for member in {symbol for symbol in symbols if isinstance(symbol, str)}:
            of_symbol.setdefault(member, []).append(index)
    records: dict[str, ReferenceRecord] = {}
    for market, row, as_of in listed:
        symbol = row.get("Symbol")
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            continue
        detail = more.get(symbol, {})
        contract = contract_of(symbol)
        last_trading_day = _day(detail.get("LastTradingDate")) if contract else None
        if as_of is not None and contract and (last_trading_day or expiry(contract.month)) < day:
            continue
        records[symbol] = ReferenceRecord(
            symbol=Symbol(symbol),
            trading_day=day,
            exchange=MARKETS[market],
            name=_text(row.get("StockName")) or _text(row.get("StockEnName")) or _text(detail.get("SymbolName")),
            groups=sorted(of_symbol.get(symbol, [])),
            sector=None,
            lot=_lot(detail.get("LotSize")),
            underlying=contract.underlying if contract else None,
            last_trading_day=last_trading_day,
            as_of=as_of,
        )
    return [records[symbol] for symbol in sorted(records)]


def _shortfall(page: Page, before: int) -> str:
    """What is wrong with a list, given how many rows it had the last time; empty when nothing is."""
    rows = len(page.rows)
    if not rows:
        return "SSI gives none"
    if page.stated is not None and rows < page.stated:
        return f"SSI gives {rows} of {page.stated}"
    if rows * 100 < before * SHRUNK_PERCENT:
        return f"SSI gives {rows}, and gave {before} before"
    return ""


def rows_of(data: Any) -> list[dict[str, Any]]:
    """The rows of a page that is a list; none where it is not."""
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _KEPT if row.get(name) is not None}


def _text(value: Any) -> str | None:
    return value.strip()[:200] or None if isinstance(value, str) else None


def _lot(value: Any) -> Shares | None:
    text = str(value).removesuffix(".0")
    return Shares(int(text)) if text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text) else None


def _day(value: Any) -> TradingDay | None:
    """A date in one of SSI's spellings: ``dd/MM/yyyy``, ``yyyyMMdd`` or ``yyyy-MM-dd…``."""
    text = str(value)
    if match := re.match(r"([0-9]{2})/([0-9]{2})/([0-9]{4})", text):
        year, month, day = match[3], match[2], match[1]
    elif match := re.match(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})", text):
        year, month, day = match[1], match[2], match[3]
    else:
        return None
    try:
        return as_day(date(int(year), int(month), int(day)))
    except ValueError:
        return None
