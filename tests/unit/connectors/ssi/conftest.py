"""SSI's records as SSI writes them: floats with a decimal point, content as a string inside the argument."""

import json
from collections.abc import Callable
from typing import Any

import pytest

CONTENTS: dict[str, dict[str, Any]] = {
    "X-TRADE": {
        "RType": "X-TRADE", "TradingDate": "23/11/2026", "Time": "09:15:02", "Isin": "VNM", "Symbol": "VNM",
        "Ceiling": 66300.0, "Floor": 57700.0, "RefPrice": 62000.0, "AvgPrice": 62110.52, "PriorVal": 62000.0,
        "LastPrice": 62100.0, "LastVol": 300.0, "TotalVal": 6211050000.0, "TotalVol": 100000.0, "MarketId": "HOSE",
        "Exchange": "HOSE", "TradingSession": "LO", "TradingStatus": "N", "Change": 100.0, "RatioChange": 0.16,
        "EstMatchedPrice": 62100.0, "Highest": 62300, "Lowest": 61900, "Side": "BU",
    },
    "X-QUOTE": {
        "TradingDate": "23/11/2026", "Time": "09:15:02", "Exchange": "HOSE", "Symbol": "VNM", "RType": "X-QUOTE",
        **{f"AskPrice{n}": (62100.0 + 100 * n if n < 4 else 0.0) for n in range(1, 11)},
        **{f"AskVol{n}": (500.0 * n if n < 4 else 0.0) for n in range(1, 11)},
        **{f"BidPrice{n}": (62100.0 - 100 * n if n < 4 else 0.0) for n in range(1, 11)},
        **{f"BidVol{n}": (700.0 * n if n < 4 else 0.0) for n in range(1, 11)},
        "TradingSession": "LO",
    },
    "R": {
        "RType": "R", "TradingDate": "23/11/2026", "Time": "09:15:04", "Isin": "VNM", "Symbol": "VNM",
        "TotalRoom": 2089955445.0, "CurrentRoom": 1049012345.0, "BuyVol": 51234.0, "SellVol": 40021.0,
        "BuyVal": 3181631400.0, "SellVal": 2485304100.0, "MarketId": "HOSE", "Exchange": "HOSE",
    },
    "MI": {
        "IndexId": "VN30", "IndexValue": 1883.27, "PriorIndexValue": 1880.05, "TradingDate": "23/11/2026", "Time": "09:15:05",
        "TotalTrade": 0.0, "TotalQtty": 9120300.0, "TotalValue": 301552310000.0, "IndexName": "VN30", "Advances": 18,
        "NoChanges": 3, "Declines": 8, "Ceilings": 1, "Floors": 0, "Change": 3.22, "RatioChange": 0.17,
        "TotalQttyPt": 1000.0, "TotalValuePt": 62100000.0, "Exchange": "HOSE", "AllQty": 9121300.0,
        "AllValue": 301614410000.0, "IndexType": "", "TradingSession": "LO", "MarketId": "HOSE", "RType": "MI",
        "TotalQttyOd": 0.0, "TotalValueOd": 0.0,
    },
    "B": {
        "RType": "B", "TradingDate": "23/11/2026", "Time": "09:15:02", "Symbol": "VNM", "Open": 62100.0, "High": 62100.0,
        "Low": 62100.0, "Close": 62100.0, "Volume": 300.0, "Value": 0.0,
    },
    "F": {
        "RType": "F", "MarketId": "HOSE", "TradingDate": "23/11/2026", "Time": "09:15:00", "Symbol": "VNM",
        "TradingSession": "LO", "TradingStatus": "N", "Exchange": "HOSE", "TradingOlSession": "",
    },
    "OL": {
        "RType": "OL", "TradingDate": "23/11/2026", "Time": "10:02:11", "StockNo": 1207, "Symbol": "VNM", "Ceiling": 66300,
        "Floor": 57700, "RefPrice": 62000, "Open": 62000, "High": 62300, "Low": 61900, "LastPrice": 62050, "LastVol": 37,
        "TotalVal": 8250154999.99871, "TotalVol": 132837, "BidPrice1": 62000, "BidPrice2": 61950, "BidPrice3": 61900,
        "BidVol1": 12, "BidVol2": 45, "BidVol3": 8, "AskPrice1": 62100, "AskPrice2": 62150, "AskPrice3": 62200,
        "AskVol1": 20, "AskVol2": 5, "AskVol3": 81, "Exchange": "HOSE", "TradingSession": "LO", "TradingStatus": "N",
        "Change": 50, "RatioChange": 0.08, "StockType": "Stock",
    },
}  # fmt: skip
CONTENTS["X"] = {
    **{name: CONTENTS["X-TRADE"][name] for name in list(CONTENTS["X-TRADE"])[:8]},
    "RType": "X", "Open": 62000.0, "High": 62300.0, "Low": 61900.0, "Close": 62100.0, "AvgPrice": 62110.52, "PriorVal": 62000.0,
    "LastPrice": 62100.0, "LastVol": 300.0, "TotalVal": 6211050000.0, "TotalVol": 100000.0,
    **{name: value for name, value in CONTENTS["X-QUOTE"].items() if name.startswith(("Bid", "Ask"))},
    "MarketId": "HOSE", "Exchange": "HOSE", "TradingSession": "LO", "TradingStatus": "N", "Change": 100.0, "RatioChange": 0.16,
    "EstMatchedPrice": 62100.0, "Side": None, "CloseQtty": 0.0,
}  # fmt: skip


def content_of(data_type: str, **changes: Any) -> dict[str, Any]:
    """A record of ``data_type`` with some fields changed; a field changed to ``...`` is left out."""
    content = {**CONTENTS[data_type], **changes}
    return {name: value for name, value in content.items() if value is not ...}


def argument_of(data_type: str, **changes: Any) -> str:
    content = json.dumps(content_of(data_type, **changes), separators=(",", ":"))
    return json.dumps({"DataType": data_type, "Content": content}, separators=(",", ":"))


@pytest.fixture(scope="session")
def an_argument() -> Callable[..., str]:
    """``an_argument("X-TRADE", LastVol=100.0)``: a Broadcast argument with some fields changed, or left out (``...``)."""
    return argument_of


@pytest.fixture(scope="session")
def a_content() -> Callable[..., dict[str, Any]]:
    """``a_content("X-TRADE")``: what the Content of such an argument holds."""
    return content_of
