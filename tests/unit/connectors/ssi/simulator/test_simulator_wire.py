"""The simulator writes records as SSI does: the captured samples' keys, in their order, with their kinds of numbers."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.derived import Snapshots, bar_of_index, bar_of_match
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.records import Foreign, IndexValue, OddLot, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.universe import Listing, universe_of
from schemas.calendar import at
from schemas.units import Price, Symbol, TradingDay

DAY = TradingDay(20261123)
SAMPLES = Path(__file__).parents[6] / "shared" / "data" / "ssi_samples.jsonl"
UNIVERSE = universe_of(DAY)
HPG = next(listing for listing in UNIVERSE.stocks if listing.symbol == "HPG")
FRONT = UNIVERSE.futures[0]
MORNING = at(DAY, 9, 20, 5)


def a_trade(listing: Listing = HPG, **changes: Any) -> Trade:
    fields: dict[str, Any] = {
        "due_ms": MORNING + 120,
        "ts_ms": MORNING,
        "listing": listing,
        "price": listing.reference,
        "volume": 100,
        "total_volume": 100,
        "total_value": 2_710_000,
        "high": listing.reference,
        "low": listing.reference,
        "expected": 0,
        "session": "LO",
        "side": "BU",
    }
    return Trade(**fields | changes)


def a_zero(listing: Listing) -> Trade:
    nothing = dict.fromkeys(("price", "volume", "total_volume", "total_value", "high", "low"), 0)
    return a_trade(listing, **nothing, side=None, session="C")


def raw_fields(content: str) -> dict[str, str]:
    """Each key with its value as written."""
    return dict(re.findall(r'"(\w+)":("(?:[^"\\]|\\.)*"|[^,}]+)', content))


def samples(kind: str) -> list[str]:
    """The contents of the captured records of a kind, as written."""
    if not SAMPLES.exists():
        pytest.skip(f"the captured samples are not at {SAMPLES}")
    lines = [json.loads(line) for line in SAMPLES.read_text().splitlines()]
    contents = [json.loads(line["broadcast_arg"])["Content"] for line in lines if line["kind"] == kind]
    assert contents
    return contents


def kind_of(raw: str) -> str:
    if raw.startswith('"'):
        return "string"
    if raw == "null":
        return "null"
    return "float" if "." in raw else "int"


@pytest.mark.parametrize(
    ("kind", "record"),
    [
        ("X-TRADE", a_trade(total_value=2_710_033, total_volume=101)),
        ("X-QUOTE", Quote(MORNING, MORNING, HPG, (27050, 27000), (100, 200), (27100,), (300,), "LO")),
        ("R", Foreign(MORNING, MORNING, HPG, 1000, 5, 6, 7, 8)),
        ("MI", IndexValue(MORNING, MORNING, UNIVERSE.indices[0], 174636, 178745, 4, 5, 6, 7, 37, 33, 275, 0, 9, "LO")),
        ("F", Status(MORNING, MORNING, HPG, "LO")),
        ("OL", OddLot(MORNING, MORNING, HPG, 27200, 7, 107, 8, 1, 2, 3, (27050,), (5,), (27100,), (6,), "LO")),
    ],
)
def test_a_record_has_the_keys_and_the_kinds_of_values_of_the_captured_ones(kind: str, record: SimulatedRecord) -> None:
    ours = raw_fields(wire.content(record))
    for sample in samples(kind):
        theirs = raw_fields(sample)
        # The F of 2023 ends before TradingOlSession, which 2025 and 2026 have.
        assert list(ours)[: len(theirs)] == list(theirs)
        assert set(list(ours)[len(theirs) :]) <= {"TradingOlSession"}
        # The OL of SSI's guide has a sum of doubles as its TotalVal, with a rounding error that ours does not have.
        told = [key for key in theirs if (kind, key) != ("OL", "TotalVal")]
        assert {key: kind_of(ours[key]) for key in told} == {key: kind_of(theirs[key]) for key in told}


def test_a_captured_index_record_is_written_byte_for_byte() -> None:
    sample = samples("MI")[0]
    day = TradingDay(20260720)
    record = IndexValue(
        due_ms=0,
        ts_ms=at(day, 13, 35, 25),
        listing=UNIVERSE.indices[0],
        value=174636,
        prior=178745,
        volume=465528407,
        traded_value=10430967264120,
        put_through_volume=33177710,
        put_through_value=663767705890,
        advances=37,
        no_changes=33,
        declines=275,
        ceilings=0,
        floors=9,
        session="LO",
    )
    assert wire.content(record) == sample


def test_a_captured_book_is_written_byte_for_byte() -> None:
    ssi = next(listing for listing in UNIVERSE.stocks if listing.symbol == "SSI")
    ms = at(TradingDay(20251203), 9, 15, 1)
    record = Quote(ms, ms, ssi, (32350, 32300, 32250), (62600, 138900, 91000), (32400, 32450, 32500), (60500, 30000, 43800), "LO")
    assert wire.broadcast("X-QUOTE", wire.content(record)) == json.dumps(
        {"DataType": "X-QUOTE", "Content": samples("X-QUOTE")[0]}, separators=(",", ":")
    )


def test_a_captured_snapshot_of_a_future_is_written_byte_for_byte() -> None:
    day = TradingDay(20260319)
    future = replace(FRONT, symbol=Symbol("41I1G4000"), reference=Price(188_000), ceiling=Price(201_160), floor=Price(174_840))
    ms = at(day, 8, 0, 7)
    snapshots = Snapshots()
    snapshots.match(0, wire.encode(msgspec.structs.replace(a_zero(future), ts_ms=ms)))
    assert argument_of(snapshots.write(0, of_book=False)) == argument("X", samples("X")[0])
    snapshots.book(0, wire.encode(Quote(ms, ms, future, (), (), (), (), "C")))
    assert argument_of(snapshots.write(0, of_book=True)) == argument("X", samples("X")[0])


def test_captured_bars_of_a_match_and_of_an_index_are_written_byte_for_byte() -> None:
    vcb = next(listing for listing in UNIVERSE.stocks if listing.symbol == "VCB")
    trade = a_trade(vcb, ts_ms=at(TradingDay(20260717), 14, 45), price=58_500, volume=500, session="ATC", side=None)
    assert argument_of(bar_of_match(wire.encode(trade))) == argument("B", samples("B")[0])
    ms = at(TradingDay(20260720), 13, 35, 30)
    index = IndexValue(ms, ms, UNIVERSE.indices[0], 174641, 178745, 4, 5, 6, 7, 37, 33, 275, 0, 9, "LO")
    sample = next(content for content in samples("B") if "VNINDEX" in content)
    assert argument_of(bar_of_index(wire.encode(index), 449_983)) == argument("B", sample)


def test_a_snapshot_repeats_the_last_match_when_the_book_changes() -> None:
    snapshots = Snapshots()
    snapshots.open(0, wire.encode(a_trade(price=27_000)))
    snapshots.match(0, wire.encode(a_trade(price=27_200, high=27_250, low=26_950, volume=700)))
    snapshots.book(0, wire.encode(Quote(MORNING, MORNING + 2_000, HPG, (27_150, 27_100), (100, 200), (27_200,), (300,), "ATC")))
    said = json.loads(json.loads(argument_of(snapshots.write(0, of_book=True)))["Content"])
    assert said["Time"] == "09:20:07"
    assert (said["Open"], said["High"], said["Low"], said["Close"]) == (27_000, 27_250, 26_950, 27_200)
    assert (said["LastPrice"], said["LastVol"]) == (27_200, 700)
    assert (said["BidPrice2"], said["BidVol2"], said["AskPrice1"], said["AskVol1"]) == (27_100, 200, 27_200, 300)
    assert said["TradingSession"] == "ATC"
    assert said["Side"] is None


def argument(data_type: str, content: str) -> str:
    return json.dumps({"DataType": data_type, "Content": content}, separators=(",", ":"))


def argument_of(invocation: str) -> str:
    said: str = json.loads(invocation)["A"][0]
    return said


def test_a_record_without_a_match_has_no_average_and_a_change_of_minus_100_percent() -> None:
    fields = raw_fields(wire.content(a_zero(HPG)))
    assert fields["AvgPrice"] == '"NaN"'
    assert fields["Change"] == "-27100.0"
    assert fields["RatioChange"] == "-100.0"
    assert fields["LastPrice"] == fields["LastVol"] == fields["TotalVal"] == "0.0"
    assert fields["Highest"] == "0"
    assert fields["Side"] == "null"


def test_a_future_is_in_points_and_its_change_is_a_difference_of_doubles() -> None:
    trade = a_trade(FRONT, price=FRONT.reference - 610, high=206_600, low=205_850, total_volume=3, total_value=617_550_000)
    fields = raw_fields(wire.content(trade))
    assert fields["LastPrice"] == "2058.5"
    assert fields["Change"] == repr(2058.5 - 2064.6) == "-6.099999999999909"
    assert fields["Highest"] == "2066"
    assert fields["AvgPrice"] == "205850000.0"
    assert fields["Exchange"] == fields["MarketId"] == '"DERIVATIVES"'
    assert fields["TradingStatus"] == '"Normal"'


def test_trailing_zeros_are_dropped_as_in_dot_net() -> None:
    index = UNIVERSE.indices[0]
    record = IndexValue(MORNING, MORNING, index, 174700, 178745, 0, 0, 0, 0, 0, 89, 0, 0, 0, "LO")
    fields = raw_fields(wire.content(record))
    assert fields["IndexValue"] == "1747.0"
    assert fields["Change"] == "-40.45"
    assert fields["RatioChange"] == "-2.26"


@given(price=st.integers(1, 10**6), volume=st.integers(1, 10**9), others=st.integers(0, 10**9))
def test_numbers_survive_being_written(price: int, volume: int, others: int) -> None:
    trade = a_trade(price=price, volume=volume, total_volume=volume + others, total_value=price * volume)
    decoded = json.loads(wire.content(trade))
    assert (decoded["LastPrice"], decoded["LastVol"]) == (price, volume)
    assert (decoded["TotalVol"], decoded["TotalVal"]) == (volume + others, price * volume)
    assert decoded["AvgPrice"] == pytest.approx(price * volume / (volume + others), abs=0.0006)
    assert decoded["RatioChange"] == pytest.approx((price - 27100) / 271, abs=0.00501)


def test_every_record_of_a_day_is_json_within_json_within_json(market_of: Callable[[int], MarketDay]) -> None:
    for record in market_of(7).records[::97]:
        invocation = json.loads(wire.encode(record))
        assert list(invocation) == ["H", "M", "A"]
        assert (invocation["H"], invocation["M"], len(invocation["A"])) == ("FcMarketDataV2Hub", "Broadcast", 1)
        argument = json.loads(invocation["A"][0])
        assert list(argument) == ["DataType", "Content"]
        assert argument["DataType"] == record.channel
        content = json.loads(argument["Content"])
        if record.channel != "MI":
            assert content["Symbol"] == record.listing.symbol
        for key, value in content.items():
            if isinstance(value, float):
                assert abs(value) < 1e15, key
