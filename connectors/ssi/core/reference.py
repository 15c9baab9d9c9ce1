"""The pages of SSI's REST API to reference records. Pure.

A page of Securities is a list of instruments. A page of SecuritiesDetails or IndexComponents is a list of a single object, and
the list that matters is inside it, under ``RepeatedInfo`` or ``IndexComponent``. Every value is a string or null.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from schemas.calendar import as_day
from schemas.instruments import contract_of
from schemas.structs import ReferenceRecord
from schemas.units import SYMBOL_PATTERN, Exchange, Shares, Symbol, TradingDay

MARKETS: Final = {"HOSE": Exchange.HOSE, "HNX": Exchange.HNX, "UPCOM": Exchange.UPCOM, "DER": Exchange.DER}
"""The markets whose instruments are asked for, by their names in the REST API."""
GROUPS: Final = ("VN30", "VN100", "HNX30")
"""The indices whose members are asked for; a symbol's groups are those that it is a member of."""

_SYMBOL: Final = re.compile(SYMBOL_PATTERN)


def securities(data: Any) -> list[dict[str, Any]]:
    """The rows of a page of Securities; none where the page is not a list."""
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []


def details(data: Any) -> list[dict[str, Any]]:
    """The instruments on a page of SecuritiesDetails."""
    return [row for page in securities(data) for row in securities(page.get("RepeatedInfo"))]


def members(data: Any) -> list[str]:
    """The symbols on a page of IndexComponents."""
    rows = [row for page in securities(data) for row in securities(page.get("IndexComponent"))]
    return [symbol for row in rows if isinstance(symbol := row.get("StockSymbol"), str)]


def reference_records(
    day: TradingDay,
    listed: Iterable[tuple[str, Mapping[str, Any]]],
    detailed: Iterable[Mapping[str, Any]],
    groups: Mapping[str, Iterable[str]],
) -> list[ReferenceRecord]:
    """Join what the three operations say of each symbol into one record, sorted by symbol.

    Args:
        day: The trading day that the records are for.
        listed: Rows of Securities, each with the market that was asked for. Only what is in them gets a record.
        detailed: Rows of SecuritiesDetails.
        groups: The members of each index.
    """
    more = {str(row.get("Symbol")): row for row in detailed}
    of_symbol: dict[str, list[str]] = {}
    for index, symbols in groups.items():
        for member in set(symbols):
            of_symbol.setdefault(member, []).append(index)
    records: dict[str, ReferenceRecord] = {}
    for market, row in listed:
        symbol = row.get("Symbol")
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            continue
        detail = more.get(symbol, {})
        contract = contract_of(symbol)
        records[symbol] = ReferenceRecord(
            symbol=Symbol(symbol),
            trading_day=day,
            exchange=MARKETS[market],
            name=_text(row.get("StockName")) or _text(row.get("StockEnName")) or _text(detail.get("SymbolName")),
            groups=sorted(of_symbol.get(symbol, [])),
            sector=None,
            lot=_lot(detail.get("LotSize")),
            underlying=contract.underlying if contract else None,
            last_trading_day=_day(detail.get("LastTradingDate")) if contract else None,
        )
    return [records[symbol] for symbol in sorted(records)]


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
