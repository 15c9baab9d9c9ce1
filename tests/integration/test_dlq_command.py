"""``stock-tracker dlq``: listed and shown without harm, and replayed once, through the real pipelines' topics."""

import json

import msgspec
import pytest
from confluent_kafka import Producer

from schemas.structs import DeadLetter
from schemas.topics import SSI_DLQ, SSI_TICKS, encode
from stock_tracker.recordings.record import read_messages
from tests.builders import a_trade
from tests.command_line import StockTracker

pytestmark = pytest.mark.kafka

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eevil\r\n[red]markup[/red]"
"""It would clear the screen, name the window, turn the direction of writing, and begin a line of its own."""


def a_letter(**fields: object) -> DeadLetter:
    plain = {
        "source": "ssi", "reason": "bad_json", "detail": "no JSON", "feed": "a", "epoch": 5, "topic": None, "partition": None,
        "offset": None, "idx": 0, "payload": HOSTILE,
    }  # fmt: skip
    return msgspec.convert({"schema": 1, **plain, **fields}, DeadLetter)


def put(kafka: str, prefix: str, *letters: DeadLetter) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    for letter in letters:
        producer.produce(SSI_DLQ.named(prefix), encode(letter))
    assert producer.flush(60) == 0


def frames(kafka: str, prefix: str) -> list[object]:
    _, messages = read_messages({"bootstrap.servers": kafka}, prefix, [SSI_TICKS], lambda _: None)
    return [SSI_TICKS.decode(message.value or b"") for message in messages]


def test_hostile_text_reaches_no_terminal(kafka: str, topics: str, stock_tracker: StockTracker) -> None:
    put(kafka, topics, a_letter(detail=HOSTILE, reason=HOSTILE))
    where = {"KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics}
    for words in (("list",), ("show", "0"), ("replay", "--try")):
        shown = stock_tracker("dlq", *words, **where).out
        assert all(character.isprintable() or character == "\n" for character in shown)
    assert "\\x1b[2J" in stock_tracker("dlq", "show", "0", **where).out
    assert json.loads(stock_tracker("dlq", "show", "0", "--json", **where).out)["payload"] == HOSTILE


def test_a_letter_is_shown_with_its_own_place_and_with_that_of_the_record(
    kafka: str, topics: str, stock_tracker: StockTracker
) -> None:
    put(kafka, topics, a_letter(), a_letter(source="prices", topic="ssi.ticks", partition=1, offset=3, idx=2))
    where = {"KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics}
    letters = json.loads(stock_tracker("dlq", "list", "--json", **where).out)
    position = {"topic": "ssi.ticks", "partition": 1, "offset": 3, "idx": 2}
    assert [(letter["offset"], letter["position"]) for letter in letters] == [(0, None), (1, position)]
    assert [json.loads(stock_tracker("dlq", "show", at, "--json", **where).out) for at in "01"] == letters
    shown = dict(line.split(maxsplit=1) for line in stock_tracker("dlq", "show", "1", **where).out.splitlines())
    assert (shown["offset"], shown["position"]) == ("1", "ssi.ticks[1]@3")


def test_a_letter_that_is_not_there_is_said(kafka: str, topics: str, stock_tracker: StockTracker) -> None:
    missing = stock_tracker("dlq", "show", "7", KAFKA_BOOTSTRAP=kafka, TOPIC_PREFIX=topics)
    assert missing.code == 1
    assert "stock-tracker dlq list" in missing.said


def test_what_can_be_used_today_is_replayed_once_and_the_rest_is_said(
    kafka: str, topics: str, stock_tracker: StockTracker
) -> None:
    record = a_trade()
    put(
        kafka,
        topics,
        a_letter(source="prices", topic="ssi.ticks", partition=1, offset=3, idx=2, payload=encode(record).decode()),
        a_letter(),
        a_letter(source="alerts", topic="market.trades", partition=0, offset=9, payload="{}"),
    )
    where = {"KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics}
    tried = json.loads(stock_tracker("dlq", "replay", "--try", "--json", **where).out)
    assert [bool(letter["reason"]) for letter in tried] == [False, True, True]
    assert "recompute" in tried[2]["reason"]
    assert frames(kafka, topics) == []
    done = stock_tracker("dlq", "replay", **where)
    assert done.code == 1
    assert "1 of 3 were replayed" in done.out
    (frame,) = frames(kafka, topics)
    assert (frame.feed, frame.epoch, frame.seq, frame.records) == ("a", 5, 0, [record])  # type: ignore[attr-defined]
    again = stock_tracker("dlq", "replay", **where)
    assert (again.code, "0 of 0" in again.out) == (0, True)
    stock_tracker("dlq", "replay", "0", **where)
    assert len(frames(kafka, topics)) == 2
