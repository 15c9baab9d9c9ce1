import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.decode import Decoder, decode, decode_lines, decode_tolerantly
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.symbols import Symbols
from schemas.calendar import at
from schemas.records import SsiRecord
from schemas.structs import (
    BarRecord,
    ForeignRecord,
    IndexRecord,
    OddLotRecord,
    QuoteRecord,
    SnapshotRecord,
    StatusRecord,
    TradeRecord,
)
from schemas.units import Exchange, Side, TradingDay
from tests.builders import changed

Arguments = Callable[..., str]
DAY = TradingDay(20261123)
DATA_TYPES = ("X-TRADE", "X-QUOTE", "X", "R", "MI", "B", "F", "OL")
FUTURE = "41I1GC000"


def rejection(argument: str | bytes) -> Reason:
    with pytest.raises(InvalidRecord) as caught:
        decode(argument)
    return caught.value.reason


def outcome(decoder: Callable[[str | bytes], SsiRecord], argument: str | bytes) -> SsiRecord | Reason:
    """The record, or the reason why there is none; anything else that is raised is a bug."""
    try:
        return decoder(argument)
    except InvalidRecord as error:
        return error.reason


def a_decoder_that_has_met(an_argument: Arguments, data_type: str, symbol: str) -> Decoder:
    """One that reads records of the symbol as it reads all but the first few of a day."""
    decoder = Decoder(Symbols())
    outcome(decoder.decode, an_argument(data_type, Symbol=symbol, IndexId=symbol))
    return decoder


def test_a_trade_becomes_whole_dong_and_shares(an_argument: Arguments) -> None:
    assert decode(an_argument("X-TRADE")) == TradeRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 9, 15, 2), exchange=Exchange.HOSE, price=62100, volume=300,
        total_volume=100_000, total_value=6_211_050_000, reference=62000, ceiling=66300, floor=57700, high=62300, low=61900,
        expected=62100, side=Side.BUY, session="LO", status="N",
    )  # fmt: skip


def test_a_quote_keeps_its_filled_levels_best_first(an_argument: Arguments) -> None:
    assert decode(an_argument("X-QUOTE")) == QuoteRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 9, 15, 2), exchange=Exchange.HOSE,
        bids=[62000, 700, 61900, 1400, 61800, 2100], asks=[62200, 500, 62300, 1000, 62400, 1500], session="LO",
    )  # fmt: skip


def test_a_snapshot_has_trade_and_book(an_argument: Arguments) -> None:
    assert decode(an_argument("X")) == SnapshotRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 9, 15, 2), exchange=Exchange.HOSE, price=62100, volume=300,
        total_volume=100_000, total_value=6_211_050_000, reference=62000, ceiling=66300, floor=57700, open=62000, high=62300,
        low=61900, expected=62100, bids=[62000, 700, 61900, 1400, 61800, 2100], asks=[62200, 500, 62300, 1000, 62400, 1500],
        session="LO", status="N",
    )  # fmt: skip


def test_a_foreign_record_has_both_counters(an_argument: Arguments) -> None:
    assert decode(an_argument("R")) == ForeignRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 9, 15, 4), exchange=Exchange.HOSE, total_room=2_089_955_445,
        current_room=1_049_012_345, bought=51_234, sold=40_021, bought_value=3_181_631_400, sold_value=2_485_304_100,
    )  # fmt: skip


def test_an_index_is_in_hundredths_of_a_point(an_argument: Arguments) -> None:
    assert decode(an_argument("MI")) == IndexRecord(
        symbol="VN30", trading_day=DAY, ts_ms=at(DAY, 9, 15, 5), exchange=Exchange.HOSE, value=188_327, prior_value=188_005,
        volume=9_120_300, traded_value=301_552_310_000, put_through_volume=1000, put_through_value=62_100_000, advances=18,
        no_changes=3, declines=8, ceilings=1, floors=0, session="LO",
    )  # fmt: skip


def test_bar_status_and_odd_lot_decode(an_argument: Arguments) -> None:
    assert decode(an_argument("B")) == BarRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 9, 15, 2), open=62100, high=62100, low=62100, close=62100, volume=300
    )
    assert decode(an_argument("F")) == StatusRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 9, 15), exchange=Exchange.HOSE, session="LO", status="N"
    )
    assert decode(an_argument("OL")) == OddLotRecord(
        symbol="VNM", trading_day=DAY, ts_ms=at(DAY, 10, 2, 11), exchange=Exchange.HOSE, price=62050, volume=37,
        total_volume=132_837, total_value=8_250_155_000, bids=[62000, 12, 61950, 45, 61900, 8],
        asks=[62100, 20, 62150, 5, 62200, 81], session="LO", status="N",
    )  # fmt: skip


FIELDS = {
    "X-TRADE": {
        "LastPrice": "price", "LastVol": "volume", "TotalVol": "total_volume", "TotalVal": "total_value", "RefPrice": "reference",
        "Ceiling": "ceiling", "Floor": "floor", "Highest": "high", "Lowest": "low", "EstMatchedPrice": "expected",
        "TradingSession": "session", "TradingStatus": "status",
    },
    "X-QUOTE": {"TradingSession": "session"},
    "X": {
        "LastPrice": "price", "LastVol": "volume", "TotalVol": "total_volume", "TotalVal": "total_value", "RefPrice": "reference",
        "Ceiling": "ceiling", "Floor": "floor", "Open": "open", "High": "high", "Low": "low", "EstMatchedPrice": "expected",
        "TradingSession": "session", "TradingStatus": "status",
    },
    "R": {
        "TotalRoom": "total_room", "CurrentRoom": "current_room", "BuyVol": "bought", "SellVol": "sold", "BuyVal": "bought_value",
        "SellVal": "sold_value",
    },
    "MI": {
        "IndexValue": "value", "PriorIndexValue": "prior_value", "TotalQtty": "volume", "TotalValue": "traded_value",
        "TotalQttyPt": "put_through_volume", "TotalValuePt": "put_through_value", "Advances": "advances",
        "NoChanges": "no_changes", "Declines": "declines", "Ceilings": "ceilings", "Floors": "floors",
        "TradingSession": "session",
    },
    "B": {"Open": "open", "High": "high", "Low": "low", "Close": "close", "Volume": "volume"},
    "F": {"TradingSession": "session", "TradingStatus": "status"},
    "OL": {
        "LastPrice": "price", "LastVol": "volume", "TotalVol": "total_volume", "TotalVal": "total_value",
        "TradingSession": "session", "TradingStatus": "status",
    },
}  # fmt: skip


@pytest.mark.parametrize(("data_type", "field"), [(data_type, field) for data_type in FIELDS for field in FIELDS[data_type]])
def test_each_field_of_the_wire_becomes_its_own_field_of_the_record(an_argument: Arguments, data_type: str, field: str) -> None:
    is_text = FIELDS[data_type][field] in ("session", "status")
    in_points = data_type == "MI" and field.endswith("IndexValue")
    said: Any = "ABC" if is_text else 1234.0
    record = decode(an_argument(data_type, **{field: said}))
    meant = "ABC" if is_text else 123_400 if in_points else 1234
    assert record == changed(decode(an_argument(data_type)), **{FIELDS[data_type][field]: meant})


@pytest.mark.parametrize("data_type", ["X-QUOTE", "X", "OL"])
def test_each_level_of_a_book_has_its_place(an_argument: Arguments, data_type: str) -> None:
    levels = 3 if data_type == "OL" else 10
    decoder = a_decoder_that_has_met(an_argument, data_type, "VNM")
    for side, of_record in (("Bid", "bids"), ("Ask", "asks")):
        for level in range(1, levels + 1):
            for place, what in enumerate(("Price", "Vol")):
                record = decoder.decode(an_argument(data_type, **{f"{side}{what}{level}": 1234.0}))
                whole = getattr(decode(an_argument(data_type)), of_record)
                book = whole + [0] * (2 * level - len(whole))
                book[2 * level - 2 + place] = 1234
                assert record == changed(decode(an_argument(data_type)), **{of_record: book}), (side, what, level)


@pytest.mark.parametrize(
    ("sent", "hundredths"), [(1746.36, 174_636), (0.29, 29), (1284.5, 128_450), (1880.0, 188_000), (2011, 201_100)]
)
def test_points_never_lose_a_hundredth_to_floating_point(an_argument: Arguments, sent: float, hundredths: int) -> None:
    record = decode(an_argument("MI", IndexValue=sent))
    assert isinstance(record, IndexRecord)
    assert record.value == hundredths


def test_a_future_is_in_hundredths_whether_or_not_its_prices_have_fractions(an_argument: Arguments) -> None:
    changes = {"Symbol": FUTURE, "Exchange": "DERIVATIVES", "LastVol": 3.0, "Ceiling": 2011.6, "Floor": 1748.4}
    fractional = decode(an_argument("X-TRADE", **changes, LastPrice=1881.3, RefPrice=1880.0))
    assert isinstance(fractional, TradeRecord)
    assert (fractional.price, fractional.reference, fractional.ceiling, fractional.floor) == (188_130, 188_000, 201_160, 174_840)
    assert (fractional.exchange, fractional.volume) == (Exchange.DER, 3)
    whole = decode(an_argument("X-TRADE", **changes | {"Ceiling": 2011.0, "Floor": 1748.0}, LastPrice=1881.0))
    assert isinstance(whole, TradeRecord)
    assert (whole.price, whole.ceiling) == (188_100, 201_100)


def test_the_book_of_a_future_is_in_hundredths(an_argument: Arguments) -> None:
    prices = {f"{side}Price{n}": (1880.0 + n / 10 if n < 6 else 0.0) for side in ("Ask", "Bid") for n in range(1, 11)}
    volumes = {f"{side}Vol{n}": (float(n) if n < 6 else 0.0) for side in ("Ask", "Bid") for n in range(1, 11)}
    record = decode(an_argument("X-QUOTE", Symbol=FUTURE, Exchange="DERIVATIVES", **prices, **volumes))
    assert isinstance(record, QuoteRecord)
    assert record.bids == record.asks == [188_010, 1, 188_020, 2, 188_030, 3, 188_040, 4, 188_050, 5]


def test_two_books_of_a_future_may_have_the_best_price_in_common_and_no_other(an_argument: Arguments) -> None:
    decoder = a_decoder_that_has_met(an_argument, "X-QUOTE", FUTURE)
    for step in (0.1, 0.3, 0.1):
        prices = {f"{side}Price{n}": round(1880 + step * (n - 1), 1) for side in ("Ask", "Bid") for n in range(1, 11)}
        argument = an_argument("X-QUOTE", Symbol=FUTURE, Exchange="DERIVATIVES", **prices)
        record = decoder.decode(argument)
        assert isinstance(record, QuoteRecord)
        assert record.bids[::2] == [188_000 + round(100 * step) * n for n in range(10)]
        assert record == decode_tolerantly(argument)


def test_a_bar_of_an_index_is_in_points_and_one_of_a_stock_is_not(an_argument: Arguments) -> None:
    prices = dict.fromkeys(("Open", "High", "Low", "Close"), 1746.41)
    record = decode(an_argument("B", Symbol="VNINDEX", **prices))
    assert isinstance(record, BarRecord)
    assert record.close == 174_641
    assert rejection(an_argument("B", Symbol="VNM", **prices)) is Reason.BAD_FIELD


def test_index_ids_become_symbols(an_argument: Arguments) -> None:
    assert decode(an_argument("MI", IndexId="HNXIndex")).symbol == "HNXINDEX"
    assert decode(an_argument("MI", IndexId="HNXUpcomIndex")).symbol == "UPCOMINDEX"
    assert decode(an_argument("MI", IndexId="VNNEWINDEX")).symbol == "VNNEWINDEX"


def test_only_trailing_empty_levels_are_cut_and_an_auction_order_keeps_its_level(an_argument: Arguments) -> None:
    record = decode(an_argument("X-QUOTE", AskPrice1=0.0, AskVol1=140.0, AskPrice2=0.0, AskVol2=0.0))
    assert isinstance(record, QuoteRecord)
    assert record.asks == [0, 140, 0, 0, 62400, 1500]
    nothing = {f"{side}{what}{n}": 0.0 for side in ("Ask", "Bid") for what in ("Price", "Vol") for n in range(1, 11)}
    empty = decode(an_argument("X-QUOTE", **nothing))
    assert isinstance(empty, QuoteRecord)
    assert (empty.bids, empty.asks) == ([], [])


def test_a_book_without_its_deeper_levels_is_one_of_three_levels(an_argument: Arguments) -> None:
    missing = {f"{side}{what}{n}": ... for side in ("Ask", "Bid") for what in ("Price", "Vol") for n in range(4, 11)}
    assert decode(an_argument("X-QUOTE", **missing)) == decode(an_argument("X-QUOTE"))
    assert rejection(an_argument("X-QUOTE", AskPrice9=..., AskVol9=100.0)) is Reason.BAD_FIELD


@pytest.mark.parametrize(
    "envelope",
    [
        lambda kind, content: {"DataType": kind, "Content": content},
        lambda kind, content: {"datatype": kind, "content": content},
        lambda kind, content: {"Datatype": kind.lower(), "Content": json.loads(content)},
        lambda kind, content: {"Extra": 1, "dataType": kind, "CONTENT": content},
    ],
)
@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_the_envelope_may_be_spelled_in_any_case(an_argument: Arguments, data_type: str, envelope: Callable[..., Any]) -> None:
    plain = an_argument(data_type)
    spelled = json.dumps(envelope(data_type, json.loads(plain)["Content"]))
    assert decode(spelled) == decode(plain) == decode(plain.encode())


@pytest.mark.parametrize(
    ("data_type", "live", "other"),
    [
        ("X-TRADE", "Highest", "High"), ("X-TRADE", "Lowest", "Low"), ("X", "High", "Highest"), ("X", "Low", "Lowest"),
        ("R", "BuyVol", "FBuyVol"), ("R", "SellVol", "FSellVol"), ("R", "BuyVal", "FBuyVal"), ("R", "SellVal", "FSellVal"),
        ("B", "Time", "TradingTime"), ("X-QUOTE", "Exchange", "MarketId"),
    ],
)  # fmt: skip
def test_other_spellings_of_a_field_mean_the_same(
    an_argument: Arguments, a_content: Callable[..., dict[str, Any]], data_type: str, live: str, other: str
) -> None:
    value = a_content(data_type)[live]
    assert decode(an_argument(data_type, **{live: ..., other: value})) == decode(an_argument(data_type))


def test_what_nothing_depends_on_may_be_anything(an_argument: Arguments) -> None:
    odd = {"AvgPrice": "NaN", "Change": "-Infinity", "PriorVal": None, "Isin": 5, "StockNo": 7, "New": {"deep": [1]}}
    assert decode(an_argument("X-TRADE", **odd)) == decode(an_argument("X-TRADE"))


@pytest.mark.parametrize("nothing", ["NaN", "Infinity", None, ..., 0.0])
def test_no_expected_price_is_0(an_argument: Arguments, nothing: Any) -> None:
    record = decode(an_argument("X-TRADE", EstMatchedPrice=nothing))
    assert isinstance(record, TradeRecord)
    assert record.expected == 0


@pytest.mark.parametrize("said", [None, "", "Unknow", ...])
def test_an_unknown_side_is_no_side(an_argument: Arguments, said: Any) -> None:
    record = decode(an_argument("X-TRADE", Side=said, TradingSession=said if said != "Unknow" else None))
    assert isinstance(record, TradeRecord)
    assert (record.side, record.session) == (None, None)


@pytest.mark.parametrize("spelled", ["62100.0", "62100", "6.21e4", 62100, 62100.00000001])
def test_a_number_may_be_spelled_in_any_way(an_argument: Arguments, spelled: Any) -> None:
    assert decode(an_argument("X-TRADE", LastPrice=spelled)) == decode(an_argument("X-TRADE"))


ESSENTIAL = {
    "X-TRADE": ("LastPrice", "LastVol", "TotalVol", "TotalVal"),
    "X-QUOTE": ("AskPrice1", "BidVol3"),
    "X": ("LastPrice", "LastVol", "TotalVol", "TotalVal", "BidPrice2", "AskVol1"),
    "R": ("BuyVol", "SellVol", "BuyVal", "SellVal", "CurrentRoom"),
    "MI": ("IndexValue", "TotalQtty", "TotalValue"),
    "B": ("Close", "Volume"),
    "OL": ("LastPrice", "LastVol", "TotalVol", "TotalVal", "BidPrice1", "AskVol3"),
}
SIDE = {
    "X-TRADE": {
        "RefPrice": "reference", "Ceiling": "ceiling", "Floor": "floor", "Highest": "high", "Lowest": "low",
        "EstMatchedPrice": "expected", "TradingSession": "session", "TradingStatus": "status", "Side": "side",
    },
    "X-QUOTE": {"TradingSession": "session"},
    "X": {
        "RefPrice": "reference", "Ceiling": "ceiling", "Floor": "floor", "Open": "open", "High": "high", "Low": "low",
        "EstMatchedPrice": "expected", "TradingSession": "session", "TradingStatus": "status",
    },
    "R": {"TotalRoom": "total_room"},
    "MI": {
        "PriorIndexValue": "prior_value", "TotalQttyPt": "put_through_volume", "TotalValuePt": "put_through_value",
        "Advances": "advances", "NoChanges": "no_changes", "Declines": "declines", "Ceilings": "ceilings", "Floors": "floors",
        "Exchange": "exchange", "TradingSession": "session",
    },
    "B": {"Open": "open", "High": "high", "Low": "low"},
    "F": {"TradingSession": "session", "TradingStatus": "status"},
    "OL": {"TradingSession": "session", "TradingStatus": "status"},
}  # fmt: skip
TEXTS = frozenset({"TradingSession", "TradingStatus", "Side", "Exchange"})
UNREADABLE_FIGURES: list[Any] = ["NaN", None, ..., "Infinity", "12,000", "", True, -1.0e11, 1e30, [], {}]
UNREADABLE_TEXTS = ["x" * 17, 5, True, ["LO"], {}]


@pytest.mark.parametrize(
    ("data_type", "field"), [(data_type, field) for data_type in ESSENTIAL for field in ESSENTIAL[data_type]]
)
@pytest.mark.parametrize("value", UNREADABLE_FIGURES)
def test_a_value_that_must_be_there_is_never_made_up(an_argument: Arguments, data_type: str, field: str, value: Any) -> None:
    assert rejection(an_argument(data_type, **{field: value})) is Reason.BAD_FIELD


@pytest.mark.parametrize(("data_type", "field"), [(data_type, field) for data_type in SIDE for field in SIDE[data_type]])
def test_any_other_field_that_cannot_be_read_is_left_out_and_counted(an_argument: Arguments, data_type: str, field: str) -> None:
    whole = decode(an_argument(data_type))
    left_out = changed(whole, **{SIDE[data_type][field]: None if field in TEXTS else 0})
    others = {"MarketId": ...} if field == "Exchange" else {}
    decoder = Decoder(Symbols())
    values = UNREADABLE_TEXTS if field in TEXTS else UNREADABLE_FIGURES
    for value in values:
        assert decoder.decode(an_argument(data_type, **{field: value}, **others)) == left_out, value
    # SSI writes an indicative price of 0 where there is none, so none and no number mean the same there.
    nothing = ["NaN", None, ..., "Infinity", ""] if field == "EstMatchedPrice" else []
    assert decoder.left_out == {(data_type, field): len(values) - len(nothing)}


@pytest.mark.parametrize(
    ("data_type", "changes", "field"),
    [
        ("X-TRADE", {"RefPrice": 12345.67}, "RefPrice"), ("X", {"Open": "NaN"}, "Open"),
        ("F", {"TradingSession": "A session of 17."}, ""), ("F", {"TradingSession": "A session of 17.."}, "TradingSession"),
        ("X-TRADE", {"Ceiling": 1e8 + 1}, "Ceiling"), ("MI", {"Exchange": "MOON"}, "Exchange"),
    ],
)  # fmt: skip
def test_a_record_with_an_odd_side_field_is_a_record(
    an_argument: Arguments, data_type: str, changes: dict[str, Any], field: str
) -> None:
    (line,) = decode_lines([an_argument(data_type, **changes)])
    assert "record" in line
    assert line.get("left_out", []) == ([field] if field else [])


def test_a_future_may_lack_its_reference_too(an_argument: Arguments) -> None:
    record = decode(an_argument("X-TRADE", Symbol=FUTURE, Exchange="DERIVATIVES", LastPrice=1881.3, RefPrice=-1.0))
    assert isinstance(record, TradeRecord)
    assert (record.price, record.reference) == (188_130, 0)


@pytest.mark.parametrize("symbol", ["VNM", FUTURE])
@pytest.mark.parametrize("field", ["LastPrice", "LastVol", "TotalVal"])
@pytest.mark.parametrize("value", [1e308, "1e308", -1e308, 10**18, "9" * 20])
def test_a_number_beyond_every_market_is_refused_in_any_unit(
    an_argument: Arguments, symbol: str, field: str, value: float | str
) -> None:
    assert rejection(an_argument("X-TRADE", Symbol=symbol, **{field: value})) is Reason.BAD_FIELD


def test_a_sum_of_amounts_may_have_a_fraction_of_a_dong_in_any_type(an_argument: Arguments) -> None:
    amounts = {"X-TRADE": "TotalVal", "X": "TotalVal", "OL": "TotalVal", "R": "BuyVal", "MI": "TotalValue"}
    for data_type, field in amounts.items():
        fractional = an_argument(data_type, **{field: 6211049999.98})
        assert decode(fractional) == decode(an_argument(data_type, **{field: 6211050000.0})) == decode_tolerantly(fractional)


@pytest.mark.parametrize("field", ["LastPrice", "LastVol", "TotalVol"])
def test_a_fraction_of_a_dong_or_a_share_is_another_unit(an_argument: Arguments, field: str) -> None:
    assert rejection(an_argument("X-TRADE", **{field: 28.355})) is Reason.BAD_FIELD
    assert decode(an_argument("X-TRADE", TotalVal=6211049999.98)) == decode(an_argument("X-TRADE"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Symbol": "vnm"}, Reason.BAD_SYMBOL), ({"Symbol": "VNM "}, Reason.BAD_SYMBOL), ({"Symbol": None}, Reason.BAD_SYMBOL),
        ({"Symbol": "<script>"}, Reason.BAD_SYMBOL), ({"Symbol": "VNM\n"}, Reason.BAD_SYMBOL), ({"Symbol": 7}, Reason.BAD_SYMBOL),
        ({"Time": "9:15:02"}, Reason.BAD_TIME), ({"Time": "24:00:00"}, Reason.BAD_TIME), ({"Time": ...}, Reason.BAD_TIME),
        ({"TradingDate": "2026-11-23"}, Reason.BAD_TIME), ({"TradingDate": "31/02/2026"}, Reason.BAD_TIME),
        ({"TradingDate": None}, Reason.BAD_TIME), ({"TradingDate": "23/11/٢٠٢٦"}, Reason.BAD_TIME),
        ({"Exchange": "NYSE"}, Reason.UNKNOWN_EXCHANGE), ({"Exchange": None, "MarketId": None}, Reason.UNKNOWN_EXCHANGE),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_record_has_a_name(an_argument: Arguments, changes: dict[str, Any], reason: Reason) -> None:
    assert rejection(an_argument("X-TRADE", **changes)) is reason


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("", Reason.BAD_JSON),
        ("{", Reason.BAD_JSON),
        ("[]", Reason.BAD_JSON),
        ("5", Reason.BAD_JSON),
        ("[" * 5000, Reason.BAD_JSON),
        (b"\xff\xfe", Reason.BAD_JSON),
        ("\ud800", Reason.BAD_JSON),
        ('{"DataType":"X","Content":"{"}', Reason.BAD_JSON),
        ('{"DataType":"X","Content":[]}', Reason.BAD_JSON),
        ("{}", Reason.NO_CONTENT),
        ('{"DataType":"X"}', Reason.NO_CONTENT),
        ('{"Content":"{}"}', Reason.NO_CONTENT),
        ('{"DataType":"Y","Content":"{}"}', Reason.UNKNOWN_TYPE),
        ('{"DataType":5,"Content":"{}"}', Reason.UNKNOWN_TYPE),
        ('{"DataType":"R","Content":"{}"}', Reason.BAD_SYMBOL),
    ],
)
def test_what_is_wrong_with_an_argument_has_a_name(argument: str | bytes, reason: Reason) -> None:
    assert rejection(argument) is reason


names = st.sampled_from(
    ["Symbol", "Time", "LastPrice", "LastVol", "TotalVol", "TotalVal", "Ceiling", "Exchange", "Side", "IndexValue", "BuyVol",
     "CurrentRoom", "AskPrice1", "AskVol4", "BidPrice10", "Open", "Volume", "TradingSession", "EstMatchedPrice", "Highest"]
)  # fmt: skip
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.integers(0, 10**8),
    st.floats(),
    st.integers(0, 10**8).map(float),
    st.integers(0, 10**7).map(lambda n: n / 100),
    st.integers(0, 10**6).map(str),
    st.integers(0, 10**6).map(lambda n: f"{n}.0"),
    st.sampled_from(["NaN", "Infinity", "", "HOSE", "DERIVATIVES", "VNM", FUTURE, "VN30", "09:00:00", "BU", "SD", "LO"]),
    st.text(max_size=5),
)


@given(
    st.sampled_from(DATA_TYPES),
    st.dictionaries(names, values, max_size=3),
    st.sampled_from(["VNM", FUTURE, "VNINDEX", "VNNEW", "VNNew", "ABCDEF", "4211GC000", "CVNM2601"]),
)
def test_both_paths_give_the_same_record(an_argument: Arguments, data_type: str, changes: dict[str, Any], symbol: str) -> None:
    argument = an_argument(data_type, **({"Symbol": symbol, "IndexId": symbol} | changes))
    assert outcome(decode, argument) == outcome(decode_tolerantly, argument)
    decoder = a_decoder_that_has_met(an_argument, data_type, symbol)
    assert outcome(decoder.decode, argument) == outcome(decoder.decode_tolerantly, argument)


@pytest.mark.parametrize("zero", ["0.0", "0", "0.00", "-0.0", '"0"', "1e1", "null", '"NaN"'])
@pytest.mark.parametrize("field", ["AskPrice4", "AskVol7", "BidPrice10", "BidVol4"])
def test_a_level_that_hose_does_not_publish_is_read_however_it_is_written(an_argument: Arguments, field: str, zero: str) -> None:
    decoder = a_decoder_that_has_met(an_argument, "X-QUOTE", "VNM")
    said = an_argument("X-QUOTE")
    argument = said.replace(f'{field}\\":0.0', f'{field}\\":{json.dumps(zero)[1:-1]}')
    assert (argument == said) == (zero == "0.0")
    assert outcome(decoder.decode, argument) == outcome(decoder.decode_tolerantly, argument)


@pytest.mark.parametrize("data_type", ["X-TRADE", "X-QUOTE", "X", "B", "OL"])
def test_a_future_is_read_alike_whether_it_was_met_before_or_not(an_argument: Arguments, data_type: str) -> None:
    prices = dict.fromkeys(("LastPrice", "Ceiling", "Floor", "RefPrice", "Open", "High", "Low", "Close", "BidPrice1"), 1880.3)
    argument = an_argument(data_type, Symbol=FUTURE, Exchange="DERIVATIVES", **prices, Highest=1881.0, AskPrice2=1880.7)
    decoder = a_decoder_that_has_met(an_argument, data_type, FUTURE)
    assert decoder.decode(argument) == decoder.decode(argument) == decode_tolerantly(argument)


@given(
    st.sampled_from(DATA_TYPES),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from(["flip", "cut", "drop", "insert"]), st.integers(0, 255))
    ),
)
def test_a_mutated_argument_is_a_record_or_has_a_reason(
    an_argument: Arguments, data_type: str, mutations: list[tuple[float, str, int]]
) -> None:
    argument = bytearray(an_argument(data_type).encode())
    for where, what, byte in mutations:
        position = int(where * len(argument))
        if what == "flip" and argument:
            argument[position] = byte
        elif what == "cut":
            del argument[position:]
        elif what == "drop":
            del argument[position : position + 3]
        else:
            argument.insert(position, byte)
    assert outcome(decode, bytes(argument)) is not None


def test_lines_hold_arguments_in_any_of_three_ways(an_argument: Arguments) -> None:
    argument = an_argument("F")
    lines: list[str | bytes] = [
        argument,
        "",
        json.dumps(argument),
        json.dumps({"kind": "F", "broadcast_arg": argument}),
        "nonsense",
        b"\xff",
    ]
    record = {
        "kind": "status", "symbol": "VNM", "trading_day": 20261123, "ts_ms": at(DAY, 9, 15), "exchange": "HOSE",
        "session": "LO", "status": "N",
    }  # fmt: skip
    decoded = list(decode_lines(lines))
    assert decoded[:3] == [{"record": record}] * 3
    assert [line["dlq"] for line in decoded[3:]] == ["bad_json", "bad_json"]
