from typing import Any

from connectors.ssi.core.reference import details, members, reference_records, securities
from schemas.structs import ReferenceRecord
from schemas.units import Exchange, Shares, Symbol, TradingDay

DAY = TradingDay(20261123)
DETAILS = [
    {
        "RType": "y",
        "ReportDate": "23/11/2026",
        "TotalNoSym": "2",
        "RepeatedInfo": [
            {"Symbol": "VNM", "LotSize": "100", "LastTradingDate": None, "Underlying": None},
            {"Symbol": "41I1GC000", "LotSize": "1", "LastTradingDate": "17/12/2026", "Underlying": "VN30"},
        ],
    }
]
COMPONENTS = [
    {
        "IndexCode": "VN30",
        "TotalSymbolNo": "2",
        "IndexComponent": [{"Isin": "SSI", "StockSymbol": "SSI"}, {"Isin": "VNM", "StockSymbol": "VNM"}],
    }
]


def test_the_nested_lists_are_found() -> None:
    assert [row["Symbol"] for row in details(DETAILS)] == ["VNM", "41I1GC000"]
    assert members(COMPONENTS) == ["SSI", "VNM"]


def test_none_and_nonsense_are_no_rows() -> None:
    nothing: tuple[object, ...] = (
        None, [], {}, "x", [None],
        [{"RepeatedInfo": None}], [{"IndexComponent": [{"StockSymbol": None}, 5]}],
    )  # fmt: skip
    for data in nothing:
        assert details(data) == []
        assert members(data) == []
    assert securities([{"Symbol": "VNM"}, None]) == [{"Symbol": "VNM"}]


def test_a_stock_and_a_future_are_joined_from_all_three() -> None:
    listed: list[tuple[str, dict[str, Any]]] = [
        ("HOSE", {"Symbol": "VNM", "StockName": "Sữa Việt Nam", "StockEnName": "Vinamilk"}),
        ("DER", {"Symbol": "41I1GC000", "StockName": None, "StockEnName": " VN30F 12/2026 "}),
    ]
    groups = {"VN30": members(COMPONENTS), "VN100": ["VNM", "VNM"]}
    assert reference_records(DAY, listed, details(DETAILS), groups) == [
        ReferenceRecord(
            symbol=Symbol("41I1GC000"), trading_day=DAY, exchange=Exchange.DER, name="VN30F 12/2026", groups=[], sector=None,
            lot=Shares(1), underlying=Symbol("VN30"), last_trading_day=TradingDay(20261217),
        ),
        ReferenceRecord(
            symbol=Symbol("VNM"), trading_day=DAY, exchange=Exchange.HOSE, name="Sữa Việt Nam", groups=["VN100", "VN30"],
            sector=None, lot=Shares(100), underlying=None, last_trading_day=None,
        ),
    ]  # fmt: skip


def test_what_rest_does_not_say_is_unknown() -> None:
    (record,) = reference_records(DAY, [("UPCOM", {"Symbol": "ACV"})], [], {})
    assert (record.name, record.groups, record.lot) == (None, [], None)


def test_what_is_no_symbol_is_left_out() -> None:
    rows = [("HOSE", {"Symbol": symbol}) for symbol in (None, "", "vnm", "A B", 5)]
    assert reference_records(DAY, rows, [], {}) == []


def test_dates_and_lots_have_several_spellings() -> None:
    for spelled in ("17/12/2026", "20261217", "2026-12-17T00:00:00"):
        detail = {"Symbol": "41I1GC000", "LastTradingDate": spelled, "LotSize": "1.0"}
        (record,) = reference_records(DAY, [("DER", {"Symbol": "41I1GC000"})], [detail], {})
        assert (record.last_trading_day, record.lot) == (20261217, 1)
    for unreadable, lot in (("", "0"), ("99/99/2026", "many"), (None, None)):
        poor = {"Symbol": "41I1GC000", "LastTradingDate": unreadable, "LotSize": lot}
        (record,) = reference_records(DAY, [("DER", {"Symbol": "41I1GC000"})], [poor], {})
        assert (record.last_trading_day, record.lot) == (None, None)
