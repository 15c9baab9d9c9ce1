"""Captured and recorded days: what the hub once said is said again, to the letter and in its order."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from connectors.fixtures.core.errors import CutFixture
from connectors.fixtures.core.layout import FixtureMessage, Header
from connectors.fixtures.files import write_fixture
from connectors.ssi.simulator.captures import read_day
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.errors import UnreadableDay
from connectors.ssi.simulator.core.garble import argument_of
from connectors.ssi.simulator.core.market import MarketDay
from connectors.ssi.simulator.core.records import Verbatim
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs
from tests.played import played

DAY = TradingDay(20260720)
SAMPLES = Path(__file__).parents[6] / "shared" / "data" / "ssi_samples.jsonl"


def an_argument(data_type: str = "X-TRADE", time: str = "09:15:00", day: str = "20/07/2026", **fields: Any) -> str:
    content = {"RType": data_type, "TradingDate": day, "Time": time, "Symbol": "HPG", "Exchange": "HOSE", **fields}
    return json.dumps({"DataType": data_type, "Content": json.dumps(content)})


def a_match(time: str, volume: int, price: float = 20800.0, **fields: Any) -> str:
    return an_argument(time=time, LastPrice=price, LastVol=float(volume), RefPrice=20850.0, Side="BU", **fields)


def a_file(folder: Path, lines: Iterable[str]) -> Path:
    path = folder / "day.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def a_wire(folder: Path, *values: bytes, feeds: Iterable[str] | None = None, name: str = "day.jsonl.zst") -> Path:
    path = folder / name
    header = Header(topics=["ssi.wire"], trading_day=DAY)
    named = list(feeds or ["a"] * len(values))
    messages = [
        FixtureMessage("ssi.wire", 0, n, UnixMs(0), None, value, (("feed", feed.encode()),))
        for n, (value, feed) in enumerate(zip(values, named, strict=True))
    ]
    write_fixture(path, header, messages)
    return path


def a_hub_message(*arguments: str) -> bytes:
    invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]} for argument in arguments]
    return json.dumps({"C": "d-1", "M": invocations}).encode()


def said(day: MarketDay) -> list[str]:
    return [argument_of(wire.encode(record)) for record in day.records]


def test_arguments_are_kept_to_the_letter_bare_quoted_and_in_objects(tmp_path: Path) -> None:
    arguments = [
        an_argument(Odd="  é \\ \" \n\t", Number=1e-7), an_argument(time="09:15:01"), '{"DataType":"Z","Content":"{}"}',
        "no JSON",
    ]  # fmt: skip
    lines = [arguments[0], json.dumps(arguments[1]), json.dumps({"broadcast_arg": arguments[2], "kind": "Z"}), "", arguments[3]]
    assert said(read_day(a_file(tmp_path, lines))) == arguments


def test_a_record_is_due_at_the_greatest_time_so_far(tmp_path: Path) -> None:
    lines = [
        an_argument(time="14:45:00", day="17/07/2026"), an_argument(time="09:15:02"), an_argument(time="09:15:00"),
        "not a record", an_argument(time="09:16:00"),
    ]  # fmt: skip
    day = read_day(a_file(tmp_path, lines))
    assert day.day == DAY
    first = at(DAY, 9, 15, 2)
    assert [record.due_ms for record in day.records] == [first, first, first, first, at(DAY, 9, 16)]


def test_what_the_hub_said_of_itself_is_left_out_and_what_nobody_can_read_is_kept(tmp_path: Path) -> None:
    path = a_wire(
        tmp_path,
        b'{"C":"d-1","S":1,"M":[]}',
        b'{"I":"0"}',
        a_hub_message(an_argument(), an_argument(time="09:15:01")),
        b"{}",
        b'{"C":"d-2","M":[{"H":"FcM\xff',
        a_hub_message(an_argument(time="09:15:02")),
    )
    day = read_day(path)
    assert [record.form for record in day.records if isinstance(record, Verbatim)] == ["record", "record", "message", "record"]
    assert base64.b64decode(wire.encode(day.records[2])) == b'{"C":"d-2","M":[{"H":"FcM\xff'


def test_of_two_feeds_the_first_is_played(tmp_path: Path) -> None:
    first, second = a_hub_message(an_argument()), a_hub_message(an_argument(time="09:15:01"))
    day = read_day(a_wire(tmp_path, first, first, second, feeds=["b", "a", "b"]))
    assert said(day) == [an_argument(), an_argument(time="09:15:01")]


def test_rest_knows_what_the_day_was_about(tmp_path: Path) -> None:
    lines = [
        a_match("09:15:00", 100), a_match("09:15:30", 300, 20750.0), a_match("09:17:00", 600, TradingSession="PT"),
        an_argument("R", "09:18:00", BuyVol=5.0, SellVol=7.0, BuyVal=1.0, SellVal=2.0, CurrentRoom=9.0),
    ]  # fmt: skip
    with played(read_day(a_file(tmp_path, lines)), at(DAY, 10), derives=False) as so_far:
        query = {"symbol": "HPG", "fromDate": "20/07/2026", "toDate": "20/07/2026"}
        (price,) = so_far.ask("DailyStockPrice", **query)["data"]
        (bar,) = so_far.ask("IntradayOhlc", **query)["data"]
        listed = so_far.ask("Securities", market="HOSE")["data"]
    assert (price["TotalMatchVol"], price["RefPrice"], price["ClosePrice"]) == ("400", "20850", "20750")
    assert (price["TotalDealVol"], price["TotalTradedVol"]) == ("600", "1000")
    assert (price["ForeignBuyVolTotal"], price["ForeignSellVolTotal"], price["ForeignCurrentRoom"]) == ("5", "7", "9")
    assert (bar["Time"], bar["High"], bar["Low"], bar["Volume"]) == ("09:15:30", "20800", "20750", "400")
    assert [row["Symbol"] for row in listed] == ["HPG"]


@pytest.mark.parametrize("lines", [[], ["{}"], ['{"fixture":1,"topics":["ssi.ticks"],"trading_day":null}', '{"end":0}']])
def test_a_file_without_a_day_says_what_one_is(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(UnreadableDay, match="one Broadcast argument a line"):
        read_day(a_file(tmp_path, lines))


def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDay, match="cannot be read"):
        read_day(tmp_path / "none.jsonl")


def test_a_fixture_that_was_cut_is_not_played_for_a_whole_day(tmp_path: Path) -> None:
    path = a_wire(tmp_path, a_hub_message(an_argument()), name="day.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(CutFixture):
        read_day(path)


def test_the_captured_samples_are_played_to_the_letter() -> None:
    if not SAMPLES.exists():
        pytest.skip(f"the captured samples are not at {SAMPLES}")
    arguments = [json.loads(line)["broadcast_arg"] for line in SAMPLES.read_text().splitlines()]
    assert said(read_day(SAMPLES)) == arguments
