"""SSI's REST answers as SSI writes them: numbers as strings, a status in the body, lists nested as SSI nests them. Pure.

As at SSI, refusals come with HTTP 200 too, and the body's ``status`` tells them from answers. AccessToken's is an integer; all
others say "Success" or "Error", or the integer 401.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from connectors.ssi.simulator.core.universe import IndexListing, Listing, Universe
from schemas.calendar import as_date
from schemas.instruments import contract_of, expiry, tick_of
from schemas.units import FUTURES_MULTIPLIER_VND, Exchange, TradingDay

PAGE_SIZES = (10, 20, 50, 100, 500, 1000)
LAST_PAGE = 10
_PREFIX = "lookuprequest."


class _Credentials(msgspec.Struct):
    consumer_id: str = msgspec.field(name="consumerID")
    consumer_secret: str = msgspec.field(name="consumerSecret")


def read_credentials(body: bytes) -> tuple[str, str] | None:
    """The consumer id and secret in the body of an AccessToken request; None when they are not in it."""
    try:
        credentials = msgspec.json.decode(body, type=_Credentials)
    except msgspec.MsgspecError:
        return None
    return credentials.consumer_id, credentials.consumer_secret


def token_granted(token: str) -> dict[str, Any]:
    """The answer to AccessToken. It may have no further key: SSI's Python client breaks on one."""
    return {"message": "Success", "status": 200, "data": {"accessToken": token}}


def token_refused() -> dict[str, Any]:
    """The answer to AccessToken with wrong credentials, in SSI's words."""
    return {"message": "The connection is invalid", "status": 400, "data": None}


def unauthorized(message: str = "Missing Authorization header") -> dict[str, Any]:
    """The answer to a request without a valid token; it is sent with HTTP 200 like any other."""
    return {"message": message, "status": 401}


class ReferenceData:
    """Answers the operations that ask what is listed on one day."""

    def __init__(self, universe: Universe, day: TradingDay) -> None:
        self._universe = universe
        self._day = day
        self._operations: dict[str, Callable[[Mapping[str, str]], dict[str, Any]]] = {
            "securities": self._securities,
            "securitiesdetails": self._details,
            "indexcomponents": self._components,
            "indexlist": self._indices,
        }

    def answer(self, operation: str, query: Mapping[str, str]) -> dict[str, Any] | None:
        """The answer to ``operation``, in upper or lower case; None when SSI has no such operation.

        Parameters may be written ``symbol``, ``Symbol`` or ``lookupRequest.symbol``.
        """
        handler = self._operations.get(operation.lower())
        return handler({name.lower().removeprefix(_PREFIX): value for name, value in query.items()}) if handler else None

    def _securities(self, query: Mapping[str, str]) -> dict[str, Any]:
        rows = [
            {"Market": listing.exchange.value, "Symbol": listing.symbol, "StockName": listing.name, "StockEnName": listing.name}
            for listing in self._selected(query)
        ]
        return _page(rows, query)

    def _details(self, query: Mapping[str, str]) -> dict[str, Any]:
        selected = self._selected(query)
        answer = _page([self._detail(listing) for listing in selected], query)
        if answer["data"]:
            report = {
                "RType": "y",
                "ReportDate": self._date(self._day),
                "TotalNoSym": str(len(selected)),
                "RepeatedInfo": answer["data"],
            }
            answer["data"] = [report]
        return answer

    def _components(self, query: Mapping[str, str]) -> dict[str, Any]:
        index = self._universe.index(query.get("indexcode", ""))
        return _page([_composition(index)] if index else [], query)

    def _indices(self, query: Mapping[str, str]) -> dict[str, Any]:
        exchange = query.get("exchange", "").upper()
        rows = [
            {"IndexCode": index.index_id, "IndexName": index.index_id, "Exchange": index.exchange.value}
            for index in self._universe.indices
            if exchange in ("", index.exchange)
        ]
        return _page(rows, query)

    def _selected(self, query: Mapping[str, str]) -> list[Listing]:
        market, symbol = query.get("market", "").upper(), query.get("symbol", "").upper()
        return [
            listing for listing in self._universe.listings if market in ("", listing.exchange) and symbol in ("", listing.symbol)
        ]

    def _detail(self, listing: Listing) -> dict[str, str | None]:
        contract = contract_of(listing.symbol)
        return {
            "Isin": listing.symbol,
            "Symbol": listing.symbol,
            "SymbolName": listing.name,
            "SymbolEngName": listing.name,
            "SecType": "FU" if contract else "S",
            "MarketId": listing.exchange.value,
            "Exchange": listing.exchange.value,
            "Issuer": None,
            "LotSize": "1" if contract else "100",
            "IssueDate": None,
            "MaturityDate": self._date(expiry(contract.month)) if contract else None,
            "FirstTradingDate": None,
            "LastTradingDate": self._date(expiry(contract.month)) if contract else None,
            "ContractMultiplier": str(FUTURES_MULTIPLIER_VND) if contract else None,
            "SettlMethod": "C" if contract else None,
            "Underlying": contract.underlying if contract else None,
            "PutOrCall": None,
            "ExercisePrice": "0",
            "ExerciseStyle": None,
            "ExcerciseRatio": "0",
            "ListedShare": str(listing.shares),
            **_ticks(listing.exchange),
        }

    @staticmethod
    def _date(day: TradingDay) -> str:
        return as_date(day).strftime("%d/%m/%Y")


def _composition(index: IndexListing) -> dict[str, Any]:
    return {
        "IndexCode": index.index_id,
        "IndexName": index.index_id,
        "Exchange": index.exchange.value,
        "TotalSymbolNo": str(len(index.members)),
        "IndexComponent": [{"Isin": m.symbol, "StockSymbol": m.symbol} for m in sorted(index.members, key=lambda m: m.symbol)],
    }


def _ticks(exchange: Exchange) -> dict[str, str | None]:
    """The price steps of an exchange, each with the price from which it holds: in VND, or in points for futures."""
    if exchange is Exchange.DER:
        bounds = [("0", "0.1")]
    else:
        starts = (0, 10_000, 50_000) if exchange is Exchange.HOSE else (0,)
        bounds = [(str(start), str(tick_of(start, exchange))) for start in starts]
    padded = [*bounds, *[(None, None)] * (4 - len(bounds))]
    return {f"{key}{n}": pair[k] for n, pair in enumerate(padded, 1) for k, key in enumerate(("TickPrice", "TickIncrement"))}


def _page(rows: Sequence[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """The page of ``rows`` that ``query`` asks for, in the body that SSI puts around it."""
    index, size = _number(query.get("pageindex"), 1), _number(query.get("pagesize"), 10)
    if size not in PAGE_SIZES:
        return _error("Size of a page must 10, 20, 50, 100 or 1000")
    if index is None or not 1 <= index <= LAST_PAGE:
        return _error(f"Index of a page must be from 1 to {LAST_PAGE}")
    cut = rows[(index - 1) * size : index * size]
    message = "Success" if cut else "NoDataFound"
    return {"data": list(cut), "message": message, "status": "Success", "totalRecord": len(rows)}


def _error(message: str) -> dict[str, Any]:
    return {"data": None, "message": message, "status": "Error", "totalRecord": 0}


def _number(text: str | None, default: int) -> int | None:
    if not text:
        return default
    return int(text) if text.isdecimal() else None
