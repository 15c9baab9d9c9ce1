from typing import Any

import pytest

from connectors.ssi.core.reference import LISTS, ListName, Page, ReferenceBook, ReferenceList, read_page
from schemas.structs import ReferenceRecord
from schemas.units import Exchange, Shares, Symbol, TradingDay

DAY = TradingDay(20261123)
BEFORE = TradingDay(20261120)
HOSE, DER, UPCOM = (ListName("Securities", market) for market in ("HOSE", "DER", "UPCOM"))
DETAILS = ListName("SecuritiesDetails", "HOSE")
VN30, VN100 = ListName("IndexComponents", "VN30"), ListName("IndexComponents", "VN100")
DETAILED = [
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


def listed(*symbols: Any) -> Page:
    return Page([{"Symbol": symbol} for symbol in symbols], None)


def members(*symbols: Any) -> Page:
    return Page([{"StockSymbol": symbol} for symbol in symbols], None)


def a_book(**kept: Page) -> ReferenceBook:
    """A book with a list of the day for each of these names, in the module above."""
    book = ReferenceBook({})
    for name, page in kept.items():
        assert book.take(globals()[name], DAY, page) == ""
    return book


def test_the_nested_lists_are_found_with_their_lengths() -> None:
    details = read_page("SecuritiesDetails", DETAILED, 1)
    assert [row["Symbol"] for row in details.rows] == ["VNM", "41I1GC000"]
    assert details.stated == 2
    assert read_page("IndexComponents", COMPONENTS, 1) == ([{"StockSymbol": "SSI"}, {"StockSymbol": "VNM"}], 2)
    assert read_page("Securities", [{"Symbol": "VNM", "Market": "HOSE"}, None], 1) == ([{"Symbol": "VNM"}], 1)


def test_none_and_nonsense_are_no_rows() -> None:
    nothing: tuple[object, ...] = (
        None, [], {}, "x", [None], [{"RepeatedInfo": None}], [{"TotalNoSym": "many", "IndexComponent": [None, 5]}],
    )  # fmt: skip
    for data in nothing:
        assert read_page("SecuritiesDetails", data, None) == ([], None)
        assert read_page("IndexComponents", data, None) == ([], None)


def test_a_stock_and_a_future_are_joined_from_all_three() -> None:
    book = a_book(
        HOSE=Page([{"Symbol": "VNM", "StockName": "Sữa Việt Nam", "StockEnName": "Vinamilk"}], 1),
        DER=Page([{"Symbol": "41I1GC000", "StockName": None, "StockEnName": " VN30F 12/2026 "}], 1),
        DETAILS=read_page("SecuritiesDetails", DETAILED, 1),
        VN30=read_page("IndexComponents", COMPONENTS, 1),
        VN100=members("VNM", "VNM"),
    )
    assert book.records(DAY) == [
        ReferenceRecord(
            symbol=Symbol("41I1GC000"), trading_day=DAY, exchange=Exchange.DER, name="VN30F 12/2026", groups=[], sector=None,
            lot=Shares(1), underlying=Symbol("VN30"), last_trading_day=TradingDay(20261217), as_of=None,
        ),
        ReferenceRecord(
            symbol=Symbol("VNM"), trading_day=DAY, exchange=Exchange.HOSE, name="Sữa Việt Nam", groups=["VN100", "VN30"],
            sector=None, lot=Shares(100), underlying=None, last_trading_day=None, as_of=None,
        ),
    ]  # fmt: skip


def test_what_rest_does_not_say_is_unknown() -> None:
    (record,) = a_book(UPCOM=listed("ACV")).records(DAY)
    assert (record.name, record.groups, record.lot, record.as_of) == (None, [], None, None)


def test_what_is_no_symbol_is_left_out() -> None:
    assert a_book(HOSE=listed(None, "", "vnm", "A B", 5)).records(DAY) == []


def test_dates_and_lots_have_several_spellings() -> None:
    for spelled in ("17/12/2026", "20261217", "2026-12-17T00:00:00"):
        detail = {"Symbol": "41I1GC000", "LastTradingDate": spelled, "LotSize": "1.0"}
        (record,) = a_book(DER=listed("41I1GC000"), DETAILS=Page([detail], 1)).records(DAY)
        assert (record.last_trading_day, record.lot) == (20261217, 1)
    for unreadable, lot in (("", "0"), ("99/99/2026", "many"), (None, None)):
        poor = {"Symbol": "41I1GC000", "LastTradingDate": unreadable, "LotSize": lot}
        (record,) = a_book(DER=listed("41I1GC000"), DETAILS=Page([poor], 1)).records(DAY)
        assert (record.last_trading_day, record.lot) == (None, None)


def kept(*symbols: str) -> ReferenceList:
    return ReferenceList(BEFORE, listed(*symbols).rows)


def test_the_lists_of_an_earlier_day_stand_in_and_say_so() -> None:
    book = ReferenceBook({HOSE: kept("VNM"), VN30: ReferenceList(BEFORE, members("VNM").rows)})
    (record,) = book.records(DAY)
    assert (record.trading_day, record.as_of, record.groups) == (DAY, BEFORE, ["VN30"])
    assert book.cached(DAY) == len(LISTS)
    assert book.trouble(DAY) == ""
    book.take(HOSE, DAY, listed("VNM"))
    (record,) = book.records(DAY)
    assert record.as_of == BEFORE  # its groups are
    book.take(VN30, DAY, members("VNM"))
    (record,) = book.records(DAY)
    assert record.as_of is None
    assert book.cached(DAY) == len(LISTS) - 2


def test_a_contract_that_has_expired_since_is_not_listed_again() -> None:
    old = "41I1GB000"  # November's: its last day was the 19th
    assert [record.symbol for record in ReferenceBook({DER: kept(old, "41I1GC000")}).records(DAY)] == ["41I1GC000"]
    # What SSI says today it says.
    assert [record.symbol for record in a_book(DER=listed(old)).records(DAY)] == [old]


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (Page([], None), "SSI gives none"),
        (Page([], 0), "SSI gives none"),
        (Page(listed("VNM", "FPT").rows, 3), "SSI gives 2 of 3"),
        (listed("VNM"), "SSI gives 1, and gave 4 before"),
    ],
)
def test_a_list_that_cannot_be_all_is_told_and_the_kept_one_is_used(page: Page, why: str) -> None:
    book = ReferenceBook({HOSE: kept("ACB", "BID", "FPT", "VNM")})
    assert book.take(HOSE, DAY, page) == why
    assert f"Securities of HOSE: {why}; that of {BEFORE} is used" in book.trouble(DAY)
    assert len(book.records(DAY)) == 4
    assert book.take(HOSE, DAY, listed("ACB", "BID", "FPT")) == ""
    assert book.trouble(DAY) == ""
    assert [(record.symbol, record.as_of) for record in book.records(DAY)] == [("ACB", None), ("BID", None), ("FPT", None)]


def test_of_an_incomplete_list_and_none_the_incomplete_one_is_used() -> None:
    book = ReferenceBook({})
    assert book.take(VN30, DAY, Page(members("VNM").rows, 30)) == "SSI gives 1 of 30"
    assert "what came of it today is used" in book.trouble(DAY)
    book.fail(VN100, "HTTP 504")
    assert book.trouble(DAY).endswith("and 1 more such lists")


INDICES = Page([{"IndexCode": "VNINDEX"}, {"IndexCode": "VN30"}], 2)
HNX_INDICES = Page([{"IndexCode": "HNXIndex"}], 1)


def test_an_index_that_ssi_does_not_have_has_no_members_to_miss() -> None:
    book = ReferenceBook({VN100: ReferenceList(BEFORE, members("VNM").rows)})
    book.take(ListName("IndexList", "HOSE"), DAY, INDICES)
    assert book.take(VN100, DAY, Page([], 0)) == "SSI gives none"  # HNX's list is not there yet
    book.take(ListName("IndexList", "HNX"), DAY, HNX_INDICES)
    assert book.take(VN30, DAY, Page([], 0)) == "SSI gives none"
    assert book.take(VN100, DAY, Page([], 0)) == ""
    book.take(HOSE, DAY, listed("VNM"))
    assert book.records(DAY)[0].groups == []


def test_a_list_that_is_nowhere_is_said_to_be() -> None:
    book = ReferenceBook({})
    book.fail(VN30, "HTTP 504")
    assert book.trouble(DAY) == "reference data is incomplete: IndexComponents of VN30: HTTP 504; there is none from before"
