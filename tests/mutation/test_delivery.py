"""Faults planted in what pipelines deliver, one at a time: each is found, at its place, and nothing where all is right."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from connectors.fixtures.core.layout import FixtureMessage
from schemas.position import Partition
from schemas.shards import shard_keys
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_BASIS,
    MARKET_CANDLES,
    MARKET_FLOW,
    MARKET_FOREIGN,
    MARKET_INDICES,
    MARKET_QUOTES,
    MARKET_TRADES,
    PARTIAL_FLOW,
    PIPELINES_TERMS,
    SSI_DLQ,
    SSI_TICKS,
    STATE_FLOW,
    STATE_FOREIGN,
    STATE_PRICES,
    Topic,
    encode,
)
from stock_tracker.verify.delivery import DeliveryReport, compare_deployment
from tests.builders import a_frame, a_trade
from tests.mutation.delivered_day import SHARDS, Delivered, Log, coarser, delivered
from tests.mutation.simulated_day import BEGINS_MS, Records, records

Found = tuple[str, str, int, int]
"""Kind, topic, partition and offset of a difference."""


@pytest.fixture(scope="module")
def frames() -> Records:
    """The frames of a short day in two shards, with a record among them that nobody can use."""
    return [
        (position, a_frame(*frame.records, a_trade("BAD", BEGINS_MS, price=-1), seq=frame.seq) if number == 40 else frame)
        for number, (position, frame) in enumerate(coarser(records(SHARDS), 3))
    ]


@pytest.fixture(scope="module")
def whole(frames: Records) -> Delivered:
    """The day, delivered as it should be."""
    return delivered(frames)


@pytest.fixture
def day(whole: Delivered) -> Delivered:
    """The same, to be damaged."""
    return whole.copy()


def compared(day: Delivered) -> DeliveryReport:
    return compare_deployment(day, lambda line: None)


def places(report: DeliveryReport) -> list[Found]:
    """The differences."""
    assert report.difference_count == len(report.differences)
    return [(found.kind, *found.position.message) for found in report.differences if found.position is not None]


def details(report: DeliveryReport) -> str:
    return "\n".join(map(str, report.differences))


def middle(log: Log) -> int:
    """An offset in the middle of a log, which has some."""
    assert len(log) > 8
    return len(log) // 2


def lane(message: FixtureMessage) -> bool:
    """Which of the two lanes of prices a message is of: futures, or stocks."""
    return b'"symbol":"41I' in (message.value or b"")


def next_of_lane(log: Log, at: int, lost: FixtureMessage) -> int:
    """Where a lost message is missed: where the next one of its lane stands."""
    return next(offset for offset in range(at, len(log)) if lane(log[offset]) == lane(lost))


def changed(message: FixtureMessage, change: Callable[[Any], None]) -> FixtureMessage:
    """The message with a change of its content."""
    content = msgspec.json.decode(message.value or b"")
    change(content)
    return replace(message, value=encode(content))


def busiest(day: Delivered, topic: Topic[Any]) -> int:
    """The partition of a topic with the most messages."""
    return max(range(topic.partitions(SHARDS)), key=lambda number: len(day.log(topic, number)))


def test_a_day_that_was_delivered_as_it_should_be_has_no_difference(whole: Delivered) -> None:
    report = compared(whole)
    assert details(report) == ""
    assert (report.not_judged, report.beyond) == ([], 0)
    for topic in (MARKET_TRADES, MARKET_QUOTES, MARKET_CANDLES, MARKET_FOREIGN, MARKET_FLOW, MARKET_BASIS, MARKET_ALERTS):
        assert report.compared[topic.name] == sum(len(whole.log(topic, n)) for n in range(topic.partitions(SHARDS))) > 0
    for rows in (STATE_PRICES, STATE_FOREIGN, STATE_FLOW, PIPELINES_TERMS):
        keys = {(n, message.key) for n in range(rows.partitions(SHARDS)) for message in whole.log(rows, n)}
        assert report.compared[rows.name] == len(keys) > 0
    assert report.compared[PARTIAL_FLOW.name] == len(whole.log(PARTIAL_FLOW)) > 0
    assert report.compared[SSI_DLQ.name] == len(whole.log(SSI_DLQ)) == 1


@pytest.mark.parametrize("late", ["ssi.ticks", "ssi.indices", 0])
def test_however_kafka_mixed_pipelines_and_shards_there_is_no_difference(frames: Records, late: str | int) -> None:
    # A pipeline, or a shard, that did nothing until the others had come to the end of the day.
    told_late = sorted(frames, key=lambda told: late in told[0])
    report = compared(delivered(told_late))
    assert details(report) == ""
    assert report.compared[MARKET_FLOW.name] > 0


def test_a_lost_transaction_is_missed_on_each_of_its_topics(day: Delivered) -> None:
    number = next(
        number
        for number, written in day.transactions.items()
        if {MARKET_TRADES.name, MARKET_QUOTES.name} <= {place.topic for place, _ in written} and number > 100
    )
    lost = [(place, value) for place, value in day.transactions[number] if place.topic != MARKET_ALERTS.name]
    at = {place: [m.value for m in day.logs[place]].index(value) for place, value in lost}
    for place, value in lost:
        day.logs[place] = [message for message in day.logs[place] if message.value != value]
    report = compared(day)
    found = places(report)
    for place, offset in at.items():
        if place.topic.startswith("market."):
            [missed] = [missed for kind, *where, missed in found if (kind, *where) == ("missing_message", *place)]
            assert offset <= missed <= offset + 3
    assert {kind for kind, topic, *_ in found if topic.startswith("market.")} == {"missing_message"}


def test_a_lost_message(day: Delivered) -> None:
    number = busiest(day, MARKET_QUOTES)
    log = day.log(MARKET_QUOTES, number)
    at = next(offset for offset in range(middle(log), len(log)) if not lane(log[offset]))
    lost = log.pop(at)
    report = compared(day)
    assert places(report) == [("missing_message", MARKET_QUOTES.name, number, next_of_lane(log, at, lost))]
    event = MARKET_QUOTES.decode(lost.value or b"").events[0]
    assert report.differences[0].symbol == event.symbol
    assert f"key {shard_keys(SHARDS)[number]}" in details(report)
    assert f"made of ssi.ticks[{number}]@" in details(report)


@pytest.mark.parametrize("topic", [MARKET_QUOTES, PARTIAL_FLOW])
def test_a_doubled_message(day: Delivered, topic: Topic[Any]) -> None:
    number = busiest(day, topic)
    log = day.log(topic, number)
    at = middle(log)
    log.insert(at + 1, log[at])
    report = compared(day)
    assert ("doubled_message", topic.name, number, at + 1) in places(report)
    # Rows tell the offset of the partial that they come of, and that is another now.
    others = {(kind, where) for kind, where, *_ in places(report)} - {("doubled_message", topic.name)}
    assert others <= {("changed_value", STATE_FLOW.name), ("stale_value", STATE_FLOW.name)}
    assert topic is PARTIAL_FLOW or not others
    assert f"the same message is at offset {at} already" in details(report)


def test_a_transaction_that_was_written_twice_is_doubled_on_each_topic(day: Delivered) -> None:
    number = next(n for n, written in day.transactions.items() if n > 100 and len({place for place, _ in written}) > 4)
    doubled = [
        (place, value) for place, value in day.transactions[number] if place.topic in (MARKET_QUOTES.name, "market.trades")
    ]
    at = {}
    for place, value in doubled:
        log = day.logs[place]
        offset = [m.value for m in log].index(value)
        log.insert(offset + 2, log[offset])
        at[place] = offset + 2
    assert at
    assert {("doubled_message", *place, offset) for place, offset in at.items()} <= set(places(compared(day)))


def test_two_messages_that_changed_places(day: Delivered) -> None:
    log = day.log(MARKET_FOREIGN)
    at = middle(log)
    log[at], log[at + 1] = log[at + 1], log[at]
    [(kind, topic, number, offset)] = [found for found in places(compared(day)) if found[1] == MARKET_FOREIGN.name]
    assert (kind, topic, number) == ("misplaced_message", MARKET_FOREIGN.name, 0)
    assert offset in (at, at + 1)


def test_a_changed_field_is_named(day: Delivered) -> None:
    log = day.log(MARKET_CANDLES)
    at = middle(log)

    def more_volume(content: Any) -> None:
        content["events"][-1]["volume"] += 100

    event = MARKET_CANDLES.decode(log[at].value or b"").events[-1]
    idx = len(MARKET_CANDLES.decode(log[at].value or b"").events) - 1
    log[at] = changed(log[at], more_volume)
    report = compared(day)
    [difference] = [d for d in report.differences if d.kind == "changed_message"]
    assert difference.position is not None
    assert (*difference.position.message, difference.position.idx) == (MARKET_CANDLES.name, 0, at, idx)
    assert difference.symbol == event.symbol
    assert f".events[{idx}].volume: {event.volume} → {event.volume + 100}" in difference.detail
    assert {kind for kind, topic, *_ in places(report) if topic != MARKET_ALERTS.name} == {"changed_message"}


def test_other_bytes_another_header_and_another_key(day: Delivered) -> None:
    foreign, quotes = day.log(MARKET_FOREIGN, 1), day.log(MARKET_QUOTES)
    at, here = middle(foreign), middle(quotes)
    ours, other = shard_keys(SHARDS)
    foreign[at] = replace(foreign[at], value=(foreign[at].value or b"") + b" ")
    quotes[here] = replace(quotes[here], headers=(("trace", b"2"),))
    quotes[here + 3] = replace(quotes[here + 3], key=other.encode())
    report = compared(day)
    changes = [each for each in report.differences if each.kind == "changed_message"]
    assert [each.position and each.position.message for each in changes] == [
        (MARKET_FOREIGN.name, 1, at),
        (MARKET_QUOTES.name, 0, here),
        (MARKET_QUOTES.name, 0, here + 3),
    ]
    assert "the same content in other bytes" in changes[0].detail
    assert "headers: [('trace', b'1')] → [('trace', b'2')]" in changes[1].detail
    assert f'.key: "{ours}" → "{other}"' in changes[2].detail
    # Besides, the alerts should have refused the message under a wrong key.
    assert [kind for kind, *_ in places(report) if kind != "changed_message"] == ["missing_dead_letter"]


def test_a_message_on_another_partition(day: Delivered) -> None:
    log, other = day.log(MARKET_FOREIGN, 0), day.log(MARKET_FOREIGN, 1)
    at, there = middle(log), middle(other)
    other.insert(there, log.pop(at))
    found = [each for each in places(compared(day)) if each[1] == MARKET_FOREIGN.name]
    assert set(found) == {
        ("missing_message", MARKET_FOREIGN.name, 0, at),
        ("unexpected_message", MARKET_FOREIGN.name, 1, there),
        # The alerts cannot use it, and should have said so.
        ("missing_dead_letter", MARKET_FOREIGN.name, 1, there),
    }


def test_the_end_of_a_partition_is_missing(day: Delivered) -> None:
    log = day.log(MARKET_CANDLES)
    end = len(log) - 3
    del log[end:]
    found = [each for each in places(compared(day)) if each[1] == MARKET_CANDLES.name]
    assert found == [("missing_message", MARKET_CANDLES.name, 0, end)] * 3


def test_a_message_that_nothing_makes(day: Delivered) -> None:
    log = day.log(MARKET_QUOTES)
    at = middle(log)

    def another(content: Any) -> None:
        content["events"][0]["bid"] += 100

    log.insert(at, changed(log[at - 1], another))
    report = compared(day)
    assert places(report) == [("unexpected_message", MARKET_QUOTES.name, 0, at)]


def test_an_alert_that_came_twice_and_one_that_did_not_come(day: Delivered) -> None:
    number = busiest(day, MARKET_ALERTS)
    log = day.log(MARKET_ALERTS, number)
    log.append(log[0])
    lost = log.pop(1)
    report = compared(day)
    [again, missing] = sorted(report.differences, key=lambda difference: difference.kind)
    assert ("doubled_message", MARKET_ALERTS.name, number, len(log) - 1) in places(report)
    assert missing.position is not None
    assert missing.position.message[:2] == (MARKET_ALERTS.name, number)
    assert (again.kind, missing.kind) == ("doubled_message", "missing_message")
    assert missing.symbol == MARKET_ALERTS.decode(lost.value or b"").events[0].symbol


def test_a_partial_that_was_lost_between_the_stages(day: Delivered) -> None:
    log = day.log(PARTIAL_FLOW)
    at = middle(log)
    lost = PARTIAL_FLOW.decode(log.pop(at).value or b"")
    missed = next(n for n in range(at, len(log)) if PARTIAL_FLOW.decode(log[n].value or b"").shard == lost.shard)
    assert ("missing_message", PARTIAL_FLOW.name, 0, missed) in places(compared(day))


def last_of(log: Log) -> dict[bytes | None, int]:
    """The offset of the last row of each key."""
    return {message.key: offset for offset, message in enumerate(log)}


def test_a_row_that_is_older_than_the_last_one(day: Delivered) -> None:
    log = day.log(STATE_FOREIGN)
    keys = [message.key for message in log]
    key = next(key for key in keys if keys.count(key) > 3)
    older = next(message for message in log if message.key == key)
    log.append(older)
    report = compared(day)
    assert places(report) == [("stale_value", STATE_FOREIGN.name, 0, len(log) - 1)]
    assert report.differences[0].symbol == (key or b"").decode()
    assert ".src: " in details(report)


def test_a_row_that_is_missing(day: Delivered) -> None:
    log = day.log(STATE_PRICES)
    key = log[-1].key
    day.logs[Partition(STATE_PRICES.name, 0)] = [message for message in log if message.key != key]
    report = compared(day)
    assert [(kind, topic, number) for kind, topic, number, _ in places(report)] == [("missing_value", STATE_PRICES.name, 0)]
    assert report.differences[0].symbol == (key or b"").decode()


def test_a_changed_row(day: Delivered) -> None:
    log = day.log(STATE_FLOW)

    def higher(content: Any) -> None:
        content["net_value"] += 1

    log[-1] = changed(log[-1], higher)
    report = compared(day)
    assert places(report) == [("changed_value", STATE_FLOW.name, 0, len(log) - 1)]
    assert ".net_value: " in details(report)


def test_a_row_under_the_key_of_another_symbol(day: Delivered) -> None:
    log = day.log(STATE_FOREIGN)
    (one, at), (other, there) = list(last_of(log).items())[:2]
    log[at] = replace(log[at], key=other)
    log.append(log[at])
    report = compared(day)
    found = places(report)
    assert {(kind, topic) for kind, topic, *_ in found} <= {
        (kind, STATE_FOREIGN.name) for kind in ("changed_value", "stale_value", "missing_value")
    }
    assert {difference.symbol for difference in report.differences} == {(one or b"").decode(), (other or b"").decode()}
    assert there < len(log)


def test_a_row_of_a_key_that_nothing_makes(day: Delivered) -> None:
    log = day.log(STATE_FOREIGN)
    log.append(replace(log[0], key=b"ZZZ"))
    report = compared(day)
    assert places(report) == [("unexpected_value", STATE_FOREIGN.name, 0, len(log) - 1)]


def terms_at(day: Delivered, pipeline: str, topic: str) -> int:
    log = day.log(PIPELINES_TERMS)
    return next(n for n, m in enumerate(log) if (m.key or b"").decode().startswith(f"{pipeline}/{topic}/0/"))


def test_terms_of_another_day(day: Delivered) -> None:
    log = day.log(PIPELINES_TERMS)
    at = terms_at(day, "prices", "ssi.ticks")
    right = (log[at].key or b"").decode()
    adopted = PIPELINES_TERMS.decode(log[at].value or b"")
    wrong = right.replace(str(adopted.day), str(adopted.day + 1))

    def another_day(content: Any) -> None:
        content["day"] += 1

    log[at] = replace(changed(log[at], another_day), key=wrong.encode())
    report = compared(day)
    assert [(kind, topic) for kind, topic, *_ in places(report)] == [("missing_value", PIPELINES_TERMS.name)]
    assert right in details(report)


def test_terms_that_did_not_hold(day: Delivered) -> None:
    log = day.log(PIPELINES_TERMS)
    number = busiest(day, MARKET_ALERTS)
    at = next(n for n, m in enumerate(log) if (m.key or b"").decode().startswith(f"alerts/market.trades/{number}/"))

    def no_rules(content: Any) -> None:
        content["terms"]["rules"] = []

    log[at] = changed(log[at], no_rules)
    found = places(compared(day))
    assert found
    assert {(kind, topic, where) for kind, topic, where, _ in found} == {("unexpected_message", MARKET_ALERTS.name, number)}


def test_a_dead_letter_that_was_lost_and_one_that_came_twice(day: Delivered) -> None:
    log = day.log(SSI_DLQ)
    letter = SSI_DLQ.decode(log[0].value or b"")
    log.append(log[0])
    assert places(compared(day)) == [("unexpected_dead_letter", SSI_DLQ.name, 0, 1)]
    log.clear()
    assert places(compared(day)) == [("missing_dead_letter", letter.topic, letter.partition, letter.offset)]


def test_faults_do_not_hide_one_another(day: Delivered) -> None:
    quotes, foreign = day.log(MARKET_QUOTES), day.log(MARKET_FOREIGN)
    at = middle(quotes)
    quotes[at] = replace(quotes[at], headers=())
    lost = quotes.pop(at + 2)
    missed = next_of_lane(quotes, at + 2, lost)
    quotes.insert(missed + 4, quotes[missed + 3])
    del foreign[3]
    assert [found for found in places(compared(day)) if found[1] in (MARKET_QUOTES.name, MARKET_FOREIGN.name)] == [
        ("missing_message", MARKET_FOREIGN.name, 0, 3),
        ("changed_message", MARKET_QUOTES.name, 0, at),
        ("missing_message", MARKET_QUOTES.name, 0, missed),
        ("doubled_message", MARKET_QUOTES.name, 0, missed + 4),
    ]


def test_what_is_committed_while_it_is_compared_is_no_difference_but_counted(whole: Delivered) -> None:
    day = whole.copy()
    # At first the pipelines have committed four fifths, later everything.
    day.commits = [{place: len(log) * 4 // 5 for place, log in day.logs.items()}, {}]
    report = compared(day)
    assert details(report) == ""
    assert report.beyond > 0
    assert 0 < report.compared[MARKET_QUOTES.name] < sum(len(day.log(MARKET_QUOTES, n)) for n in range(SHARDS))


def test_what_nothing_explains_is_a_difference_when_the_pipelines_stand_still(whole: Delivered) -> None:
    day = whole.copy()
    day.commits = [{place: len(log) - 20 if place.topic == SSI_TICKS.name else len(log) for place, log in day.logs.items()}]
    report = compared(day)
    assert report.beyond == 0
    assert ("unexpected_message", MARKET_QUOTES.name) in {(kind, topic) for kind, topic, *_ in places(report)}


@pytest.mark.parametrize(
    ("place", "not_judged"),
    [
        (
            Partition("ssi.ticks", 1),
            {
                "ssi.ticks[1]": "Kafka has deleted ssi.ticks[1] up to offset 5",
                # The futures of the shard are there too, and the other shards' share of the breadth.
                "market.candles[1], market.daily[1], market.quotes[1], market.trades[1], partial.breadth[0]": (
                    "ssi.ticks[1] is written there too"
                ),
            },
        ),
        (Partition("market.flow", 0), {"market.flow[0]": "Kafka has deleted market.flow[0] up to offset 5"}),
        (
            Partition("partial.flow", 0),
            {
                "partial.flow[0]": "Kafka has deleted partial.flow[0] up to offset 5",
            },
        ),
        (Partition("ssi.dlq", 0), {"": "Kafka has deleted a part of ssi.dlq"}),
    ],
)
def test_what_kafka_has_deleted_is_not_judged_and_says_so(day: Delivered, place: Partition, not_judged: dict[str, str]) -> None:
    day.lows[place] = 5
    report = compared(day)
    assert details(report) == ""
    assert {
        ", ".join(map(str, left_out.places)): left_out.reason.partition(", and")[0] for left_out in report.not_judged
    } == not_judged
    # The rest is judged as ever.
    day.log(MARKET_FOREIGN).pop(3)
    assert ("missing_message", MARKET_FOREIGN.name, 0, 3) in places(compared(day))


def test_the_other_shards_and_the_indices_are_judged_though_the_beginning_of_a_shard_is_lost(day: Delivered) -> None:
    number = busiest(day, MARKET_INDICES)
    other = 1 - number
    day.lows[Partition(SSI_TICKS.name, number)] = 5
    trades, indices = day.log(MARKET_TRADES, other), day.log(MARKET_INDICES, number)
    at, of_index = middle(trades), middle(indices)
    lost = trades.pop(at)
    del indices[of_index]
    found = places(compared(day))
    assert ("missing_message", MARKET_TRADES.name, other, next_of_lane(trades, at, lost)) in found
    assert ("missing_message", MARKET_INDICES.name, number, of_index) in found


def test_what_was_never_folded_by_another_release_or_with_force_is_not_judged(day: Delivered) -> None:
    log = day.log(PIPELINES_TERMS)
    foreign, flow = terms_at(day, "foreign", "ssi.foreign"), terms_at(day, "foreign", "partial.flow")

    def another_release(content: Any) -> None:
        content["terms"]["release"] = "0.0.1"

    def force(content: Any) -> None:
        content["reason"] = "forced"

    log[foreign], log[flow] = changed(log[foreign], another_release), changed(log[flow], force)
    day.commits = [{Partition(SSI_TICKS.name, 0): -1001}]
    report = compared(day)
    assert details(report) == ""
    reasons = sorted(left_out.reason for left_out in report.not_judged)
    assert len(reasons) == 5
    assert reasons[0].startswith("an operator forced terms at partial.flow[0]@")
    assert reasons[1].startswith("release 0.0.1 folded it from ssi.foreign[0]@0 on")
    assert reasons[2] == "ssi.foreign[0] is written there too, and cannot be folded again"
    assert reasons[3] == "ssi.ticks[0] is written there too, and cannot be folded again"
    assert reasons[4] == "the pipeline prices has committed nothing of ssi.ticks[0]"
