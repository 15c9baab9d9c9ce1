"""Numbers of the hostile day of the library: each answer names the very records that the truth names.

The truth is what the exchanges said, and what the story of the day did to it; ``tests/make_days.py`` writes it beside the day.
Where a record stands in the file is found by looking for it there.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.files import open_fixture, write_fixture
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import ForeignRecord, TradeRecord
from schemas.topics import EVENT_TOPICS, RECORD_TOPICS, SSI_FOREIGN, SSI_INDICES, SSI_TICKS, STATE_PRICES, encode
from schemas.units import Symbol, UnixMs
from stock_tracker.explain.core.evidence import Evidence
from stock_tracker.explain.core.places import EventPlaces
from stock_tracker.explain.core.step import TraceStep
from stock_tracker.explain.run import Explainer
from stock_tracker.explain.sources import Recording
from stock_tracker.golden.run import golden_of
from stock_tracker.verify.core.differences import Difference, EventPosition
from tests.make_days import DAY, DAYS, RecordTruth, read_truth

HOSTILE = DAYS / "hostile.jsonl.zst"
TRUTH = [told for told in read_truth(DAYS / "hostile.truth.jsonl.zst") if told.ts_ms >= at(DAY, 0) and told.figures != (0, 0)]
"""Records of the day that say something."""
FUTURE = "41I1GC000"
STOCKS = sorted({told.symbol for told in TRUTH if told.kind == "foreign"})
SYMBOLS = sorted({told.symbol for told in TRUTH if told.kind == "trade"})
Key = tuple[object, ...]


def records(file: Path) -> Iterator[tuple[EventPosition, Any]]:
    topics = {topic.name: topic for topic in RECORD_TOPICS}
    with open_fixture(file) as (_, messages):
        for message in messages:
            for idx, found in enumerate(topics[message.topic].decode(message.value or b"").records):
                yield EventPosition(Position(message.topic, message.partition, message.offset), idx), found


@cache
def places() -> dict[Key, list[EventPosition]]:
    """Where each record stands in the hostile day."""
    found: defaultdict[Key, list[EventPosition]] = defaultdict(list)
    for place, one in records(HOSTILE):
        if isinstance(one, TradeRecord):
            found[one.symbol, one.ts_ms, (one.total_volume, one.volume)].append(place)
        elif isinstance(one, ForeignRecord):
            found[one.symbol, one.ts_ms, (one.bought, one.sold)].append(place)
    return found


def place_of(told: RecordTruth) -> EventPosition:
    """Where a record stands, the first time that it was sent."""
    return places()[told.symbol, told.ts_ms, told.figures][0]


def matches(symbol: str, *fates: str) -> list[RecordTruth]:
    """The matches of a symbol that met such a fate, in the order of their totals."""
    found = [told for told in TRUTH if (told.symbol, told.kind) == (symbol, "trade") and told.fate in fates and told.figures[1]]
    return sorted(found, key=lambda told: told.figures)


def start(told: RecordTruth) -> int:
    """The counter before a match."""
    return told.figures[0] - told.figures[1]


def explainer_of(file: Path) -> Explainer:
    return Explainer(Recording(file), Parameters(PipelineSettings(kafka={})), lambda line: None)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    return explainer_of(HOSTILE)


def ask(explainer: Explainer, symbol: str, what: str, at_ms: int | None = None, alert_id: str | None = None) -> Evidence:
    moment = None if at_ms is None else lambda day: UnixMs(at_ms)
    return explainer.explain(Symbol(symbol), what, day=DAY, at=moment, alert_id=alert_id).answer


def section(answered: Evidence, title: str) -> list[TraceStep]:
    return [step for part in answered.sections if part.title.startswith(title) for step in part.steps]


def test_every_record_that_was_sent_stands_where_the_truth_says() -> None:
    lacking = {"withheld", "unconnected"}
    cached = 60_000
    for told in TRUTH:
        found = places().get((told.symbol, told.ts_ms, told.figures), [])
        # What was said before the connection is in SSI's cache, and comes with the first second.
        assert bool(found) == (told.fate not in lacking) or told.ts_ms < at(DAY, 9, 14) + cached


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_last_price_and_total_are_of_the_highest_record_that_came(explainer: Explainer, symbol: str) -> None:
    came = matches(symbol, "sent", "repeated", "late")
    last = ask(explainer, symbol, "last")
    total = ask(explainer, symbol, "total")
    assert last.places == [place_of(came[-1])]
    assert total.value["total"] == came[-1].figures[0] == total.row.total_volume
    assert last.row.last == last.value["last"]
    assert set(total.places) <= {place_of(told) for told in came}


@pytest.mark.parametrize("told", [told for told in TRUTH if told.fate == "altered"], ids=str)
def test_an_altered_total_was_a_glitch(explainer: Explainer, told: RecordTruth) -> None:
    answered = ask(explainer, told.symbol, "total")
    (glitch,) = [step for step in section(answered, "Dropped") if step.place == place_of(told)]
    assert {"suspect", "glitch"} <= glitch.rules
    (decider,) = [decision.other for decision in glitch.decisions if decision.rule == "glitch"]
    newer = [other for other in matches(told.symbol, "sent", "repeated", "late") if other.ts_ms > told.ts_ms]
    assert decider in [place_of(other) for other in newer]
    assert glitch.place not in answered.places


def test_a_late_print_came_after_the_number_of_its_time(explainer: Explainer) -> None:
    lates = 0
    for symbol in SYMBOLS:
        for told in matches(symbol, "late"):
            later = [
                other
                for other in matches(symbol, "sent")
                if other.figures[0] > told.figures[0] and place_of(other) < place_of(told)
            ]
            if not later:
                # Nothing overtook it, so it was in its turn.
                continue
            came_later = section(ask(explainer, symbol, "last", told.ts_ms), "Came later")
            (step,) = [step for step in came_later if step.place == place_of(told)]
            assert step.rules >= {"late", "fill"}
            assert [line.event.kind for line in step.lines] == ["print", "fill"]
            lates += 1
    assert lates


def test_what_was_withheld_is_a_gap_that_the_next_record_showed(explainer: Explainer) -> None:
    shown = 0
    for symbol in SYMBOLS:
        for told in matches(symbol, "withheld"):
            total = told.figures[0]
            came = [place_of(other) for other in matches(symbol, "sent", "repeated", "late") if start(other) >= total]
            if not came or told.ts_ms < at(DAY, 9, 15):
                # Nothing came after it, or it belongs to the opening auction, which has many matches in one second.
                continue
            answered = ask(explainer, symbol, "gap", told.ts_ms)
            gaps = [gap for gap in answered.value["gaps"] if gap["start"] <= start(told) and total <= gap["end"]]
            assert len(gaps) == 1, told
            assert min(came) in answered.places
            shown += 1
    assert shown >= 5


def test_a_lost_gap_names_the_connection_that_was_lost(explainer: Explainer) -> None:
    lost = matches(FUTURE, "unconnected")
    answered = ask(explainer, FUTURE, "gap", lost[0].ts_ms)
    (gap,) = answered.value["gaps"]
    next_one = next(told for told in matches(FUTURE, "sent", "repeated") if told.figures[0] > lost[-1].figures[0])
    assert gap["cause"] == "lost"
    assert gap["volume"] >= sum(told.figures[1] for told in lost)
    assert answered.places[0] == place_of(next_one)
    notes = [note for part in answered.sections for note in part.notes]
    assert any("connected anew" in note for note in notes)


def test_a_candle_is_made_of_the_matches_of_its_minute(explainer: Explainer) -> None:
    minutes = sorted({told.ts_ms // 60_000 for told in matches(FUTURE, "sent") if told.ts_ms >= at(DAY, 9, 16)})
    for minute in minutes:
        came = [told for told in matches(FUTURE, "sent", "repeated", "late") if told.ts_ms // 60_000 == minute]
        answered = ask(explainer, FUTURE, "candle", minute * 60_000)
        assert set(answered.places) == {place_of(told) for told in came}
        told_by = section(answered, "It was told by")
        events = [line.event for step in told_by for line in step.lines if line.topic == "market.candles"]
        if events and minute != minutes[-1]:
            assert events[-1].volume == answered.value["volume"] == sum(told.figures[1] for told in came)
            assert events[-1].close == answered.value["close"]


@pytest.mark.parametrize("symbol", STOCKS)
def test_foreign_totals_are_made_of_the_records_that_moved_them(explainer: Explainer, symbol: str) -> None:
    came = [
        told for told in TRUTH if (told.symbol, told.kind) == (symbol, "foreign") and told.fate not in ("withheld", "unconnected")
    ]
    if not came:
        pytest.skip("foreigners did not trade it")
    answered = ask(explainer, symbol, "foreign")
    assert (answered.value["bought"], answered.value["sold"]) == came[-1].figures == (answered.row.bought, answered.row.sold)
    assert set(answered.places) <= {place_of(told) for told in came}
    assert place_of(came[0]) in answered.places


def test_an_alert_of_a_lost_connection(explainer: Explainer) -> None:
    lost = matches(FUTURE, "unconnected")
    next_one = next(told for told in matches(FUTURE, "sent", "repeated") if told.figures[0] > lost[-1].figures[0])
    with open_fixture(golden_of(HOSTILE, "all")) as (_, golden):
        alerts = [a for m in golden if m.topic == "market.alerts" for a in msgspec.json.decode(m.value or b"")["events"]]
    (alert,) = [alert for alert in alerts if alert["symbol"] == FUTURE]
    answered = ask(explainer, FUTURE, "alert", alert_id=alert["alert_id"])
    assert msgspec.to_builtins(answered.alert) == alert
    assert answered.places == [place_of(next_one)]
    assert answered.sections[0].title.startswith("Rule feed-gap, kind feed_gap")


def test_the_events_of_all_traces_are_those_of_the_golden(explainer: Explainer) -> None:
    with open_fixture(golden_of(HOSTILE, "all")) as (_, read):
        golden = list(read)
    topics = {topic.name for topic in EVENT_TOPICS}
    traces = [explainer.trace(Symbol(symbol), topic) for symbol in STOCKS for topic in (SSI_TICKS, SSI_FOREIGN)]
    traces += [explainer.trace(Symbol(symbol), SSI_INDICES) for symbol in (FUTURE, "41I1H1000", "VN30")]
    for trace in traces:
        found = EventPlaces(trace)
        for message in golden:
            if message.topic in topics & set(found.topics):
                found.take(Position(message.topic, message.partition, message.offset), message.value or b"")
            if trace.topic is not SSI_FOREIGN and message.topic == STATE_PRICES.name and message.key == trace.symbol.encode():
                rows = [step.rows[message.topic] for step in trace.steps if message.topic in step.rows]
                assert rows[-1] == STATE_PRICES.decode(message.value or b"")
        assert (found.missing, found.strange) == ([], []), trace.symbol


Change = Callable[[TradeRecord], TradeRecord]


def changed(tmp_path: Path, since_ms: int, change: Change) -> tuple[Path, list[EventPosition]]:
    """The quiet day with the trades of a future changed from a time on; and where those stand."""
    at_them: list[EventPosition] = []

    def edited(message: FixtureMessage) -> FixtureMessage:
        if message.topic != SSI_INDICES.name:
            return message
        frame: Any = SSI_INDICES.decode(message.value or b"")
        for idx, one in enumerate(frame.records):
            if isinstance(one, TradeRecord) and one.symbol == FUTURE and one.ts_ms >= since_ms and one.volume:
                frame.records[idx] = change(one)
                at_them.append(EventPosition(Position(message.topic, message.partition, message.offset), idx))
        return FixtureMessage(message.topic, message.partition, message.offset, message.ts_ms, message.key, encode(frame))

    day = tmp_path / "changed.jsonl.zst"
    with open_fixture(DAYS / "quiet.jsonl.zst") as (header, messages):
        write_fixture(day, header, [edited(message) for message in messages])
    return day, at_them


@pytest.mark.parametrize("what", ["reset", "correction"])
def test_a_counter_that_fell_for_good(tmp_path: Path, what: str) -> None:
    since_ms = at(DAY, 10, 3)
    before = max((r for _, r in records(DAYS / "quiet.jsonl.zst") if is_before(r, since_ms)), key=lambda r: int(r.total_volume))
    less = before.total_volume if what == "reset" else before.total_volume // 20

    def lower(one: TradeRecord) -> TradeRecord:
        fewer: Any = msgspec.structs.replace(one, total_volume=one.total_volume - less)  # type: ignore[type-var]
        return fewer  # type: ignore[no-any-return]

    day, places_of_changed = changed(tmp_path, since_ms, lower)
    answered = ask(explainer_of(day), FUTURE, "total")
    (fell,) = [step for step in answered.made_by if what in step.rules]
    assert fell.place == places_of_changed[0]
    assert fell in section(answered, "What is no plain print")
    (decider,) = [decision.other for decision in fell.decisions if decision.rule == "decided"]
    assert decider in places_of_changed[1:]
    assert answered.value["total"] == answered.row.total_volume
    assert len(answered.value["generations"]) == (2 if what == "reset" else 1)


def is_before(one: Any, ts_ms: int) -> bool:
    return isinstance(one, TradeRecord) and one.symbol == FUTURE and one.ts_ms < ts_ms


@pytest.mark.parametrize(("symbol", "kind"), [("ACB", "reset"), ("CEO", "correction")])
def test_a_foreign_counter_that_fell(symbol: str, kind: str) -> None:
    file = DAYS / "foreign-resets.jsonl.zst"
    told = [(place, one) for place, one in records(file) if isinstance(one, ForeignRecord) and one.symbol == symbol]
    fell = next(place for (_, one), (place, after) in pairwise(told) if after.bought < one.bought)
    answered = ask(explainer_of(file), symbol, "foreign")
    assert fell in [step.place for step in answered.made_by if kind in step.rules]


def test_a_difference_of_verification_is_explained_by_its_record_or_its_event(explainer: Explainer) -> None:
    told = next(told for told in TRUTH if told.fate == "altered")
    difference = Difference("missing_print", told.symbol, "it is not there", place_of(told))
    lines = explainer.explain_difference(difference)
    assert str(place_of(told)) in lines[0]
    assert any("glitch" in line for line in lines)
    assert explainer.explain_difference(Difference("missing_print", told.symbol, "nowhere", None)) == []
    nowhere = EventPosition(Position("ssi.ticks", 0, 1_000_000), 0)
    assert explainer.explain_difference(Difference("missing_print", told.symbol, "nowhere", nowhere)) == []
