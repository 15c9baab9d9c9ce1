from collections.abc import Callable
from itertools import permutations

import pytest

from connectors.ssi.core.decode import Decoder
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.symbols import Symbols
from schemas.structs import BarRecord, IndexRecord, TradeRecord
from schemas.units import Exchange

Arguments = Callable[..., str]
WHOLE = dict.fromkeys(("Open", "High", "Low", "Close"), 1746.0)
DECIMAL = dict.fromkeys(("Open", "High", "Low", "Close"), 1746.41)


def close_of(decoder: Decoder, argument: str) -> int:
    record = decoder.decode(argument)
    assert isinstance(record, BarRecord)
    return record.close


def rejection(decoder: Decoder, argument: str) -> Reason:
    with pytest.raises(InvalidRecord) as caught:
        decoder.decode(argument)
    return caught.value.reason


@pytest.mark.parametrize("index", ["VNNEW", "VN25", "VNNewIndex", "HNX50", "UpcomLarge", "ABCIndex"])
def test_a_new_index_gives_the_same_records_whichever_channel_speaks_of_it_first(an_argument: Arguments, index: str) -> None:
    said = [
        an_argument("MI", IndexId=index, IndexValue=1746.0),
        an_argument("B", Symbol=index, **WHOLE),
        an_argument("B", Symbol=index, **DECIMAL),
    ]
    for order in permutations(said):
        decoder = Decoder(Symbols())
        records = {argument: decoder.decode(argument) for argument in order}
        value, whole, decimal = (records[argument] for argument in said)
        assert isinstance(value, IndexRecord)
        assert isinstance(whole, BarRecord)
        assert isinstance(decimal, BarRecord)
        assert value.symbol == whole.symbol == decimal.symbol == index.upper()
        assert (value.value, whole.close, decimal.close) == (174_600, 174_600, 174_641)


@pytest.mark.parametrize("symbol", ["VNX", "VNM", "A32", "VND122013", "FUEVFVND", "FUCTVGF3", "E1VFVN30", "CVNM2601"])
def test_a_security_is_in_dong_even_if_it_begins_like_an_index(an_argument: Arguments, symbol: str) -> None:
    assert close_of(Decoder(Symbols()), an_argument("B", Symbol=symbol, **WHOLE)) == 1_746


@pytest.mark.parametrize("symbol", ["41I1GC000", "VN30F2407", "42I1GC001", "41I3H1000"])
def test_a_derivative_is_in_points_whatever_is_under_it(an_argument: Arguments, symbol: str) -> None:
    assert close_of(Decoder(Symbols()), an_argument("B", Symbol=symbol, **WHOLE)) == 174_600
    trade = Decoder(Symbols()).decode(an_argument("X-TRADE", Symbol=symbol, Exchange="DERIVATIVES", LastPrice=1746.0))
    assert isinstance(trade, TradeRecord)
    assert trade.price == 174_600


def test_what_nothing_tells_of_is_not_guessed_and_an_exchange_or_a_decimal_tells(an_argument: Arguments) -> None:
    decoder = Decoder(Symbols())
    bar = an_argument("B", Symbol="NEWTHING", **WHOLE)
    assert rejection(decoder, bar) is Reason.UNKNOWN_SYMBOL
    decoder.decode(an_argument("X-TRADE", Symbol="NEWTHING"))
    assert close_of(decoder, bar) == 1_746

    decoder = Decoder(Symbols())
    assert close_of(decoder, an_argument("B", Symbol="NEWTHING", **DECIMAL)) == 174_641
    assert close_of(decoder, bar) == 174_600

    decoder = Decoder(Symbols())
    decoder.decode(an_argument("X-QUOTE", Symbol="NEWTHING", Exchange="DERIVATIVES"))
    assert close_of(decoder, bar) == 174_600

    decoder = Decoder(Symbols())
    decoder.decode(an_argument("MI", IndexId="NewThing"))
    assert close_of(decoder, bar) == 174_600


def test_lists_of_rest_know_better_than_the_look_of_a_symbol(an_argument: Arguments) -> None:
    symbols = Symbols()
    symbols.list_instruments([("VNODD", Exchange.UPCOM), ("ODDFUTURE", Exchange.DER)])
    symbols.name_indices(["OddOne"])
    decoder = Decoder(symbols)
    assert close_of(decoder, an_argument("B", Symbol="VNODD", **WHOLE)) == 1_746
    assert close_of(decoder, an_argument("B", Symbol="ODDFUTURE", **WHOLE)) == 174_600
    assert close_of(decoder, an_argument("B", Symbol="OddOne", **WHOLE)) == 174_600


def test_an_index_record_with_a_stock_in_it_does_not_change_the_unit_of_that_stock(an_argument: Arguments) -> None:
    decoder = Decoder(Symbols())
    decoder.decode(an_argument("MI", IndexId="VNM"))
    assert close_of(decoder, an_argument("B", Symbol="VNM", **WHOLE)) == 1_746
    trade = decoder.decode(an_argument("X-TRADE"))
    assert isinstance(trade, TradeRecord)
    assert trade.price == 62_100


def test_only_indices_are_written_in_mixed_case(an_argument: Arguments) -> None:
    decoder = Decoder(Symbols())
    for symbol in ("vnm", "Fuevfvnd", "NewThing"):
        assert rejection(decoder, an_argument("B", Symbol=symbol, **WHOLE)) is Reason.BAD_SYMBOL
    assert decoder.decode(an_argument("B", Symbol="HNXUpcomIndex", **WHOLE)).symbol == "UPCOMINDEX"


@pytest.mark.parametrize("symbol", ["", " VN30", "VN30\n", "VN<b>INDEX", "VNAVERYLONGINDEX", "VNĐINDEX"])
@pytest.mark.parametrize(("data_type", "name"), [("MI", "IndexId"), ("B", "Symbol")])
def test_no_symbol_is_none_in_any_channel(an_argument: Arguments, data_type: str, name: str, symbol: str) -> None:
    assert rejection(Decoder(Symbols()), an_argument(data_type, **{name: symbol})) is Reason.BAD_SYMBOL


def test_symbols_that_are_made_up_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.ssi.core.symbols.MAX_KNOWN", 100)
    symbols = Symbols()
    symbols.list_instruments([("VNM", Exchange.HOSE)])
    for number in range(99):
        symbols.instrument(f"X{number:03}", Exchange.HOSE)
    with pytest.raises(InvalidRecord) as refused:
        symbols.instrument("X099", Exchange.HOSE)
    assert refused.value.reason is Reason.BAD_SYMBOL
    with pytest.raises(InvalidRecord):
        symbols.index("MADEUPINDEX")
    with pytest.raises(InvalidRecord):
        symbols.instrument("X100", None)
    # Those that are known are what they were.
    assert symbols.instrument("VNM", Exchange.HOSE) == ("VNM", False)
    assert symbols.instrument("X098", Exchange.HOSE) == ("X098", False)
