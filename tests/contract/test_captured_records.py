"""What becomes of the records that were captured from SSI, or stand in its guide.

The records are not ours to publish: they lie beside the repository, and only what we expect of them is here.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.ssi.core.decode import decode, decode_lines, decode_tolerantly
from pipelines.core.frames import Shard
from pipelines.core.indices import Index, advance
from pipelines.core.price_shard import fold_frame
from schemas.calendar import at
from schemas.instruments import limits
from schemas.position import Position
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
from schemas.topics import SSI_TICKS, STATE_PRICES
from schemas.units import Exchange, Price, Shares, Side, Symbol, TradingDay, UnixMs, Vnd
from tests.builders import a_frame, offers

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "ssi_samples.jsonl"
FRIDAY, MONDAY = TradingDay(20260717), TradingDay(20260720)


def ts(day: int, clock: str) -> UnixMs:
    hour, minute, second = map(int, clock.split(":"))
    return at(TradingDay(day), hour, minute, second)


def a_bar(symbol: str, clock: str, price: int, volume: int, day: TradingDay = MONDAY) -> BarRecord:
    p = Price(price)
    return BarRecord(
        symbol=Symbol(symbol), trading_day=day, ts_ms=ts(day, clock), open=p, high=p, low=p, close=p, volume=Shares(volume)
    )


def vnindex(
    clock: str, value: int, volume: int, traded: int, breadth: tuple[int, int, int, int], pt: tuple[int, int]
) -> IndexRecord:
    """VNINDEX of that Monday; breadth without ceilings, of which there were none."""
    advances, no_changes, declines, floors = breadth
    return IndexRecord(
        symbol=Symbol("VNINDEX"),
        trading_day=MONDAY,
        ts_ms=ts(MONDAY, clock),
        exchange=Exchange.HOSE,
        value=Price(value),
        prior_value=Price(178_745),
        volume=Shares(volume),
        traded_value=Vnd(traded),
        put_through_volume=Shares(pt[0]),
        put_through_value=Vnd(pt[1]),
        advances=advances,
        no_changes=no_changes,
        declines=declines,
        ceilings=0,
        floors=floors,
        session="LO",
    )


BLOCK = (33_177_710, 663_767_705_890)
BLOCK_AND_ONE_SHARE = (33_177_711, 663_767_714_360)

EXPECTED: list[SsiRecord | str] = [
    # Cached records of Friday, sent on Monday to whoever subscribes: they pass, and are the folds' to judge.
    a_bar("VCB", "14:45:00", 58_500, 500, FRIDAY),
    a_bar("TCB", "14:45:00", 31_450, 3_800, FRIDAY),
    a_bar("HPG", "14:45:00", 21_850, 100, FRIDAY),
    # The opening auction: three matches that look the same are three matches.
    a_bar("HPG", "09:15:00", 21_750, 100),
    a_bar("HPG", "09:15:00", 21_750, 100),
    a_bar("HPG", "09:15:00", 21_750, 100),
    a_bar("HPG", "09:15:00", 21_750, 400),
    a_bar("VCB", "13:34:55", 56_500, 1_000),
    a_bar("VCB", "13:35:26", 56_400, 3_000),
    a_bar("TCB", "13:35:20", 30_400, 4_000),
    a_bar("HPG", "13:35:26", 20_800, 600),
    a_bar("HPG", "13:35:27", 20_800, 100),
    a_bar("VNINDEX", "13:35:30", 174_641, 449_983),
    a_bar("VNINDEX", "13:35:35", 174_677, 352_115),
    a_bar("VNINDEX", "13:36:15", 174_668, 231_369),
    a_bar("VNINDEX", "13:36:20", 174_697, 201_094),
    a_bar("HPG", "13:36:24", 20_800, 100),
    vnindex("13:35:25", 174_636, 465_528_407, 10_430_967_264_120, (37, 33, 275, 9), BLOCK),
    vnindex("13:35:30", 174_641, 465_978_390, 10_441_346_438_320, (39, 30, 275, 10), BLOCK),
    vnindex("13:35:35", 174_677, 466_330_505, 10_450_643_676_670, (39, 31, 276, 8), BLOCK),
    vnindex("13:36:15", 174_668, 469_277_544, 10_522_961_069_960, (37, 31, 277, 9), BLOCK),
    vnindex("13:36:20", 174_697, 469_478_638, 10_527_337_140_710, (37, 31, 276, 10), BLOCK_AND_ONE_SHARE),
    vnindex("13:36:25", 174_700, 469_995_048, 10_541_645_281_810, (37, 31, 276, 10), BLOCK_AND_ONE_SHARE),
    QuoteRecord(
        symbol=Symbol("SSI"),
        trading_day=TradingDay(20251203),
        ts_ms=ts(20251203, "09:15:01"),
        exchange=Exchange.HOSE,
        bids=[32_350, 62_600, 32_300, 138_900, 32_250, 91_000],
        asks=[32_400, 60_500, 32_450, 30_000, 32_500, 43_800],
        session="LO",
    ),
    # A future before the open: AvgPrice "NaN", Side null, whole and fractional points side by side.
    SnapshotRecord(
        symbol=Symbol("41I1G4000"),
        trading_day=TradingDay(20260319),
        ts_ms=ts(20260319, "08:00:07"),
        exchange=Exchange.DER,
        price=Price(0),
        volume=Shares(0),
        total_volume=Shares(0),
        total_value=Vnd(0),
        reference=Price(188_000),
        ceiling=Price(201_160),
        floor=Price(174_840),
        open=Price(0),
        high=Price(0),
        low=Price(0),
        expected=Price(0),
        bids=[],
        asks=[],
        session="C",
        status="Normal",
    ),
    StatusRecord(
        symbol=Symbol("SSI"),
        trading_day=TradingDay(20230814),
        ts_ms=ts(20230814, "13:00:00"),
        exchange=Exchange.HOSE,
        session="LO",
        status="N",
    ),
    TradeRecord(
        symbol=Symbol("ACB"),
        trading_day=TradingDay(20230814),
        ts_ms=ts(20230814, "14:07:53"),
        exchange=Exchange.HOSE,
        price=Price(22_950),
        volume=Shares(100),
        total_volume=Shares(8_797_700),
        total_value=Vnd(201_713_015_000),
        reference=Price(22_900),
        ceiling=Price(24_500),
        floor=Price(21_300),
        high=Price(23_050),
        low=Price(22_800),
        expected=Price(22_900),
        side=Side.SELL,
        session="LO",
        status="N",
    ),
    ForeignRecord(
        symbol=Symbol("SSI"),
        trading_day=TradingDay(20230814),
        ts_ms=ts(20230814, "14:24:02"),
        exchange=Exchange.HOSE,
        total_room=Shares(1_501_130_137),
        current_room=Shares(806_887_173),
        bought=Shares(863_352),
        sold=Shares(825_308),
        bought_value=Vnd(25_123_543_200),
        sold_value=Vnd(24_016_462_800),
    ),
    # TotalVal is a sum in floating point, …999.99728: rounded once, here.
    OddLotRecord(
        symbol=Symbol("MBB"),
        trading_day=TradingDay(20250218),
        ts_ms=ts(20250218, "13:55:03"),
        exchange=Exchange.HOSE,
        price=Price(22_750),
        volume=Shares(9_193),
        total_volume=Shares(8_135_000),
        total_value=Vnd(185_028_290_000),
        bids=[22_700, 1_108, 22_650, 1_630, 22_600, 2_016],
        asks=[22_750, 132, 22_800, 548, 22_850, 297],
        session="LO",
        status="H",
    ),
]
"""One for each line: the record, or the reason of its dead letter. Every record that SSI is known to have sent decodes."""


@pytest.fixture(scope="module")
def captured() -> list[str]:
    if not SAMPLES.exists():
        pytest.skip(f"the captured records are not here ({SAMPLES.name} beside the repository)")
    return [json.loads(line)["broadcast_arg"] for line in SAMPLES.read_text().splitlines()]


@pytest.mark.parametrize("decoder", [decode, decode_tolerantly])
def test_every_captured_record_becomes_what_is_expected_of_it(captured: list[str], decoder: Callable[[str], SsiRecord]) -> None:
    assert [decoder(argument) for argument in captured] == EXPECTED


def test_spoilt_captured_records_are_dead_letters_with_a_reason(captured: list[str]) -> None:
    def spoilt(position: int, was: str, becomes: str) -> dict[str, Any]:
        assert was in captured[position]
        return next(decode_lines([captured[position].replace(was, becomes)]))

    assert spoilt(26, '\\"TotalVol\\":8797700.0', '\\"TotalVol\\":\\"NaN\\"')["dlq"] == "bad_field"
    assert spoilt(26, '\\"TotalVol\\":8797700.0,', "")["dlq"] == "bad_field"
    assert spoilt(27, '\\"BuyVol\\":863352.0', '\\"BuyVol\\":null')["dlq"] == "bad_field"
    assert spoilt(24, "DERIVATIVES", "MOON")["dlq"] == "unknown_exchange"
    assert spoilt(25, "14/08/2023", "14/13/2023")["dlq"] == "bad_time"
    assert spoilt(23, '\\"Symbol\\":\\"SSI\\"', '\\"Symbol\\":\\"ssi\\"')["dlq"] == "bad_symbol"
    assert spoilt(0, '"DataType":"B"', '"DataType":"BB"')["dlq"] == "unknown_type"
    assert spoilt(0, "}", "")["dlq"] == "bad_json"


def contents(captured: list[str], kind: str) -> list[dict[str, Any]]:
    """What SSI said in the records of a kind, field by field."""
    said = [json.loads(argument) for argument in captured]
    texts = [one["Content"] for one in said if one["DataType"] == kind]
    return [json.loads(text) if isinstance(text, str) else text for text in texts]


def test_matched_and_put_through_of_an_index_make_all(captured: list[str]) -> None:
    """Matched and put-through make all."""
    said = contents(captured, "MI")
    assert [one["AllQty"] - one["TotalQtty"] - one["TotalQttyPt"] for one in said] == [0] * len(said)
    assert [one["AllValue"] - one["TotalValue"] - one["TotalValuePt"] for one in said] == [0] * len(said)
    assert all(round(one["IndexValue"] - one["PriorIndexValue"], 2) == one["Change"] for one in said)


def test_the_five_counts_of_an_index_are_all_its_members(captured: list[str]) -> None:
    """So SSI's advances leave out the ceilings, and its declines the floors."""
    counts = ("Advances", "NoChanges", "Declines", "Ceilings", "Floors")
    assert {sum(one[name] for name in counts) for one in contents(captured, "MI")} == {354}


def test_the_row_of_an_index_moves_by_what_ssi_says(captured: list[str]) -> None:
    records = [record for record in map(decode, captured) if isinstance(record, IndexRecord)]
    said = contents(captured, "MI")
    assert len(records) == len(said)
    for record, one in zip(records, said, strict=True):
        index = Index()
        assert advance(index, record) == "index"
        row = index.row(record.symbol, src=0)
        assert (row.change, row.change_pct) == (round(one["Change"] * 100), one["RatioChange"])


def test_the_average_of_the_row_is_the_one_that_ssi_says(captured: list[str]) -> None:
    [trade] = contents(captured, "X-TRADE")
    [record] = [record for record in map(decode, captured) if isinstance(record, TradeRecord)]
    frame, place = a_frame(record), Shard.of("prices", 0, 1)
    folded = fold_frame(frame, Position(SSI_TICKS.name, 0, 0), place, {}, offers=offers(SSI_TICKS))
    [row] = [STATE_PRICES.decode(output.value) for output in folded.outputs if output.topic is STATE_PRICES]
    assert row.average == round(trade["AvgPrice"])
    assert (row.change, row.total_value) == (trade["Change"], trade["TotalVal"])


def test_the_limits_of_a_stock_and_a_future_follow_from_their_references(captured: list[str]) -> None:
    records = [record for record in map(decode, captured) if isinstance(record, TradeRecord | SnapshotRecord)]
    assert [record.exchange for record in records] == [Exchange.DER, Exchange.HOSE]
    for record in records:
        assert limits(record.reference, record.exchange) == (record.ceiling, record.floor)


def test_a_bar_of_the_index_holds_what_the_index_grew_by(captured: list[str]) -> None:
    """Its volume is matched volume alone: put-through does not move it."""
    totals = {one["Time"]: one["TotalQtty"] for one in contents(captured, "MI")}
    bars = {one["Time"]: one["Volume"] for one in contents(captured, "B") if one["Symbol"] == "VNINDEX"}
    pairs = [("13:35:25", "13:35:30"), ("13:35:30", "13:35:35"), ("13:36:15", "13:36:20")]
    assert [totals[after] - totals[before] for before, after in pairs] == [bars[after] for _, after in pairs]


def test_the_average_is_value_by_volume_and_the_foreign_value_was_at_the_last_price(captured: list[str]) -> None:
    [trade], [foreign] = contents(captured, "X-TRADE"), contents(captured, "R")
    assert round(trade["TotalVal"] / trade["TotalVol"], 2) == trade["AvgPrice"]
    assert foreign["BuyVal"] == foreign["BuyVol"] * 29_100
    assert foreign["SellVal"] == foreign["SellVol"] * 29_100
