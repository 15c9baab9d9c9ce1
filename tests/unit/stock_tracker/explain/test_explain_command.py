"""``stock-tracker explain``, through the command: what it prints, what it answers as JSON, and what it says when it cannot."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from connectors.fixtures.core.layout import FixtureMessage, Header
from connectors.fixtures.files import open_fixture, write_fixture
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from pipelines.catalogue import named
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.structs import Terms, TermsAdopted
from schemas.topics import MARKET_TRADES, PIPELINES_TERMS, SSI_TICKS, SSI_WIRE, encode
from schemas.units import Symbol, TradingDay, UnixMs, UnixUs
from stock_tracker.cli import build
from stock_tracker.errors import NothingToExplain
from stock_tracker.explain.run import Explainer
from stock_tracker.explain.sources import Recording
from stock_tracker.golden.brokerless import outputs_of
from tests.builders import DAY, moment
from tests.make_days import DAYS

HOSTILE = DAYS / "hostile.jsonl.zst"


def explain(*words: object) -> Result:
    return CliRunner().invoke(build(), ["explain", *map(str, words)])


def test_it_prints_the_record_the_rule_and_the_event() -> None:
    told = explain("cEo", "--what", "total", "--recording", HOSTILE)
    assert told.exit_code == 0
    assert "The volume of CEO at the end is 33,100" in told.stdout
    assert "ssi.ticks[0]@41#2  feed a: 1,100 at 23,800, total 2,966" in told.stdout
    assert "a newer record shows that its counter was wrong, so it is dropped (ssi.ticks[0]@103#1)" in told.stdout
    assert "market.trades gap (20,600, 21,100] 500" in told.stdout
    assert "those of the settings of this command" in told.stdout or "by the settings of this command" in told.stdout


def test_json_has_the_same_facts_with_every_record() -> None:
    told = explain("CEO", "--what", "total", "--recording", HOSTILE, "--json")
    found = json.loads(told.stdout)
    assert found["value"]["total"] == found["row"]["total_volume"] == 33_100
    dropped = next(section for section in found["sections"] if section["title"].startswith("Dropped"))
    (glitch,) = dropped["records"]
    assert (glitch["topic"], glitch["partition"], glitch["offset"], glitch["idx"]) == ("ssi.ticks", 0, 41, 2)
    assert glitch["record"]["total_volume"] == 2_966
    assert [each["rule"] for each in glitch["rules"]] == ["suspect", "glitch"]
    assert glitch["before"]["top"] == glitch["after"]["top"] == 8_900
    assert found["terms"][0]["terms"]["reset_percent"] == 50


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return Explainer(Recording(HOSTILE), Parameters(PipelineSettings(kafka={})), lambda line: None)


def test_an_index_has_a_value_and_no_price(explainer: Explainer) -> None:
    answered = explainer.explain(Symbol("VN30"), "last", day=None, at=None, alert_id=None)
    assert answered.answer.sentence == "The value of VN30 at the end is 2,068.80, of 09:24:55"


CANNOT = [
    ("ZZZ last", "there is no record of ZZZ on ssi.ticks", "Is it written as the exchange does?"),
    ("ACB last on 20261123", "there is no record of ACB on 20261123", "--day 20261120"),
    ("ACB last at 09:01", "ACB has no match at 09:01:00", "a later time"),
    ("ACB total at 09:01", "nothing of ACB was traded at 09:01:00", "a later time"),
    ("ACB gap at 09:24", "ACB has no gap at 09:24:00", "09:19:08 to 09:20:51"),
    ("BAB gap", "BAB has no gap on 20261120", "--what total"),
    ("ACB candle", "a candle is of a minute", "--at 10:15"),
    ("ACB candle at 10:15", "ACB has no match in the minute of 10:15", "09:24"),
    ("VN30 foreign", "VN30 has no foreign records", "--what last"),
    ("ACB foreign at 09:01", "foreigners have not traded ACB at 09:01:00", "a later time"),
    ("ACB alert", "which alert is meant was not said", "82981842a2352378 (feed-gap, 09:20:51)"),
    ("ACB alert id abc", "ACB has no alert abc on 20261120", "82981842a2352378"),
]


@pytest.mark.parametrize(("asked", "reason", "remedy"), CANNOT, ids=lambda each: str(each)[:40])
def test_what_it_cannot_answer_it_says_with_a_remedy(explainer: Explainer, asked: str, reason: str, remedy: str) -> None:
    symbol, what, *more = asked.split()
    said = dict(zip(more[::2], more[1::2], strict=True))
    day = TradingDay(int(said["on"])) if "on" in said else None
    with pytest.raises(NothingToExplain) as cannot:
        explainer.explain(
            Symbol(symbol),
            what,
            day=day,
            at=(lambda on: moment(said["at"], on)) if "at" in said else None,
            alert_id=said.get("id"),
        )
    assert reason in str(cannot.value)
    assert remedy in cannot.value.remedy


def test_a_time_or_a_day_that_is_none_is_refused_at_once() -> None:
    for words in (("--at", "9h"), ("--day", "3")):
        told = explain("ACB", *words, "--recording", HOSTILE)
        assert told.exit_code == 2
        assert words[1] in told.stderr


def test_a_recording_without_the_topic_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    write_fixture(empty, Header(topics=["ssi.wire"], trading_day=None, partitions={SSI_TICKS.name: 1}), [])
    told = explain("ACB", "--recording", empty)
    assert isinstance(told.exception, NothingToExplain)
    assert "there is nothing on ssi.ticks of the recording empty.jsonl" in str(told.exception)


def test_terms_are_those_that_were_recorded(tmp_path: Path) -> None:
    # A total that falls by two thirds is a reset by default; here all falls are corrections.
    terms = Terms(release="0.0.0", correction_percent=100, reset_percent=0, sectors=None, rules=None)
    adopted = TermsAdopted(
        pipeline="prices", topic="ssi.ticks", partition=0, offset=0, day=TradingDay(DAY), reason="first", terms=terms
    )
    day = tmp_path / "day.jsonl.zst"
    with open_fixture(HOSTILE) as (header, messages):
        told_terms = FixtureMessage(PIPELINES_TERMS.name, 0, 0, UnixMs(0), b"any", encode(adopted))
        topics = [*header.topics, PIPELINES_TERMS.name]
        write_fixture(day, Header(topics=topics, trading_day=None, partitions=header.partitions), [told_terms, *messages])
    told = explain("CEO", "--what", "total", "--recording", day)
    assert "a fall of up to 100 % is a correction, and one to below 0 % a reset, by pipelines.terms" in told.stdout


def argument(second: int, total: int) -> str:
    """A match of 150 shares, as SSI's hub sends it."""
    content = {
        "RType": "X-TRADE", "TradingDate": "20/11/2026", "Time": f"10:00:0{second}", "Symbol": "VNM", "Ceiling": 64200.0,
        "Floor": 55800.0, "RefPrice": 60000.0, "LastPrice": 60000.0, "LastVol": 150.0, "TotalVal": total * 60000.0,
        "TotalVol": float(total), "Exchange": "HOSE", "TradingSession": "LO", "TradingStatus": "N", "EstMatchedPrice": 0.0,
        "Highest": 60000, "Lowest": 60000, "Side": "BU",
    }  # fmt: skip
    return json.dumps({"DataType": "X-TRADE", "Content": json.dumps(content)})


def a_day_with_its_wire(file: Path) -> str:
    """A recorded minute of one stock, and the hub messages that it came from; the last of them."""
    outbox = Outbox(1_000, 1_000_000)
    stream = RecordStream("a", 1, WallClock(), outbox, "ALL")
    now_us = UnixUs(moment("10:00:00") * 1_000)
    stream.begin(now_us)
    stream.tick(now_us, "up")
    texts = []
    for second, total in enumerate((150, 300, 450), 1):
        now_us = UnixUs(moment(f"10:00:0{second}") * 1_000)
        said = argument(second, total)
        texts.append(json.dumps({"C": f"d-{second}", "M": [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [said]}]}))
        stream.keep(texts[-1], now_us)
        stream.publish([said], now_us)
        stream.tick(UnixUs(now_us + 6_000), "up")
    stream.flush()
    messages: list[FixtureMessage] = []
    while (message := outbox.take()) is not None:
        headers = tuple((name, text.encode()) for name, text in message.headers)
        place = sum(other.topic == message.topic for other in messages)
        messages.append(FixtureMessage(message.topic, 0, place, UnixMs(now_us // 1_000), None, message.value, headers))
    topics = [SSI_TICKS.name, SSI_WIRE.name]
    kept = [message for message in messages if message.topic in topics]
    write_fixture(file, Header(topics=topics, trading_day=DAY, partitions={SSI_TICKS.name: 1}), kept)
    return texts[-1]


def test_it_goes_down_to_the_hub_message(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    said = a_day_with_its_wire(day)
    (setter,) = json.loads(explain("VNM", "--recording", day, "--json").stdout)["sections"][0]["records"]
    assert setter["record"]["total_volume"] == 450
    assert setter["wire"] == {"topic": "ssi.wire", "partition": 0, "offset": 2, "text": said}
    told = explain("VNM", "--at", "10:00:02", "--recording", day).stdout
    assert "The last price of VNM at 10:00:02 is 60,000, of 10:00:02" in told
    assert "ssi.wire[0]@1 " in told


def test_an_alert_shows_its_rule_and_what_lay_in_its_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = {"window_s": 60, "min_prints": 2, "ratio": 1.5, "min_value_vnd": 1, "cooldown_s": 600}
    lines = ["[[rule]]", 'name = "any-spike"', 'kind = "volume_spike"', 'severity = "info"']
    rules = tmp_path / "rules.toml"
    rules.write_text("\n".join([*lines, *(f"{key} = {value}" for key, value in rule.items())]))
    monkeypatch.setenv("PIPELINE_ALERT_RULES", str(rules))
    # Which there are it says when it is asked for none.
    asked = explain("41I1GC000", "--what", "alert", "--recording", HOSTILE)
    assert isinstance(asked.exception, NothingToExplain)
    alert_id = asked.exception.remedy.split(": ")[1].split(" ")[0]
    told = json.loads(explain("41I1GC000", alert_id, "--what", "alert", "--recording", HOSTILE, "--json").stdout)
    assert told["alert"]["alert_id"] == alert_id
    shown, cause, window = told["sections"]
    assert shown["title"].startswith("Rule any-spike, kind volume_spike")
    assert all(f"{key} {value}" in shown["title"] for key, value in rule.items() if key != "ratio")
    (record,) = cause["records"]
    assert record["record"]["volume"] == told["alert"]["data"]["volume"]
    assert window["records"]
    since_ms = told["alert"]["ts_ms"] - 60_000
    assert all(since_ms < each["record"]["ts_ms"] <= told["alert"]["ts_ms"] for each in window["records"])


def test_events_are_found_where_the_pipelines_wrote_them(tmp_path: Path) -> None:
    whole = tmp_path / "whole.jsonl"
    with open_fixture(HOSTILE) as (header, read):
        messages = [message for message in read if (message.topic, message.partition) == (SSI_TICKS.name, 0)]
    made = list(outputs_of(messages, [named("prices"), named("alerts")], 3))
    topics = sorted({message.topic for message in (*messages, *made)})
    write_fixture(whole, Header(topics=topics, trading_day=DAY, partitions=header.partitions), [*messages, *made])
    alert_id = "3793fe1c329a82e2"
    for words in (("CEO", "--what", "total"), ("CEO", alert_id, "--what", "alert")):
        found = json.loads(explain(*words, "--recording", whole, "--json").stdout)
        assert {each["origin"] for each in found["terms"]} == {PIPELINES_TERMS.name}
        events = [event for section in found["sections"] for each in section["records"] for event in each["events"]]
        assert events
        for event in events:
            place = event["place"]
            (there,) = [
                m for m in made if (m.topic, m.partition, m.offset) == (place["topic"], place["partition"], place["offset"])
            ]
            assert json.loads(there.value or b"")["events"][place["idx"]] == event["event"]


def test_an_event_that_is_not_on_its_topic_is_called_so(tmp_path: Path) -> None:
    lacking = tmp_path / "lacking.jsonl"
    with open_fixture(HOSTILE) as (header, messages):
        topics = [*header.topics, MARKET_TRADES.name]
        write_fixture(lacking, Header(topics=topics, trading_day=DAY, partitions=header.partitions), messages)
    assert "→ market.trades, where it is not yet: print" in explain("CEO", "--recording", lacking).stdout
