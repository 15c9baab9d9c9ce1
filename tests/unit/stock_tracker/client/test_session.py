"""The client's side of ``stock.v1``, against the gateway's own messages."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stock_tracker.client.core.session import (
    BACKOFF_MAX_MS,
    CommandRefused,
    StreamBroken,
    StreamEnded,
    StreamSession,
)
from stock_tracker.client.core.told import DataAge, Happened, Missed, Rows, Told

HELLO = {"op": "hello", "heartbeat_ms": 5_000}


class Talk:
    """A session and the gateway that it speaks with."""

    def __init__(self) -> None:
        self.session = StreamSession()
        self.sent: list[dict[str, Any]] = []
        self.now_ms = 0

    def want(self, channel: str, *symbols: str, throttle_ms: int | None = None) -> None:
        self._send(self.session.subscribe(channel, symbols, throttle_ms))

    def open(self) -> list[Told]:
        self.sent.clear()
        self._n = 0
        self.session.opened(self.now_ms)
        return self.say(**HELLO)

    def say(self, **message: Any) -> list[Told]:
        self._n += 1
        told, texts = self.session.receive(json.dumps({"n": self._n, **message}), self.now_ms)
        self._send(texts)
        return told

    def answer(self, *, recovered: bool = False) -> list[Told]:
        return self.say(op="ok", id=self.sent[-1]["id"], ch=self.sent[-1]["ch"], recovered=recovered)

    def snap(self, channel: str, *rows: list[Any], last: bool = True, cursor: str = "c1") -> list[Told]:
        return self.say(op="snap", ch=channel, cols=["symbol", "last"], rows=rows, last=last, cursor=cursor if last else None)

    def _send(self, texts: list[str]) -> None:
        self.sent += map(json.loads, texts)


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.want("px", "VNM", throttle_ms=100)
    talk.open()
    return talk


def test_what_is_wanted_is_asked_for_once_the_gateway_has_spoken(talk: Talk) -> None:
    assert talk.sent == [{"op": "sub", "id": 1, "ch": "px", "sym": ["VNM"], "throttle_ms": 100}]


def test_rows_come_by_key_and_a_whole_answer_starts_anew(talk: Talk) -> None:
    talk.answer()
    assert talk.snap("px", ["VNM", 1], last=False) == [
        Rows("px", {"VNM": {"symbol": "VNM", "last": 1}}, is_snapshot=True, starts_anew=True)
    ]
    assert talk.snap("px", ["HPG", 2]) == [Rows("px", {"HPG": {"symbol": "HPG", "last": 2}}, is_snapshot=True)]
    assert talk.say(op="delta", ch="px", rows=[["VNM", 3]], con=True, cursor="c2") == [
        Rows("px", {"VNM": {"symbol": "VNM", "last": 3}}, is_snapshot=False, were_skipped=True)
    ]


def test_it_comes_back_with_its_cursor(talk: Talk) -> None:
    talk.answer()
    talk.snap("px", ["VNM", 1])
    talk.say(op="hb", cursor={"px": "c7"}, lag_ms={"px": 40}, stale=[], reason="", phase="continuous")
    assert talk.session.closed(1006, "", chance=1.0) > 0
    talk.open()
    assert talk.sent[-1]["cursor"] == "c7"
    assert talk.answer(recovered=True) == []
    assert talk.snap("px") == [Rows("px", {}, is_snapshot=True)]


def test_a_cursor_is_not_kept_of_what_has_not_come_whole(talk: Talk) -> None:
    talk.answer()
    talk.snap("px", ["VNM", 1])
    talk.want("px", "HPG")
    talk.say(op="delta", ch="px", rows=[["VNM", 3]], con=False, cursor="c9")
    talk.session.closed(None, "", chance=0.0)
    talk.open()
    assert talk.sent[-1]["sym"] == ["VNM", "HPG"]
    assert "cursor" not in talk.sent[-1]


def test_a_connection_that_breaks_while_it_brings_what_was_missed_leaves_the_cursor(talk: Talk) -> None:
    talk.answer()
    talk.snap("px", ["VNM", 1], cursor="c7")
    for _ in range(2):
        talk.session.closed(None, "", chance=0.0)
        talk.open()
        assert talk.sent[-1]["cursor"] == "c7"
    talk.answer(recovered=True)
    talk.snap("px", ["VNM", 2], last=False)
    talk.session.closed(None, "", chance=0.0)
    talk.open()
    assert talk.sent[-1]["cursor"] == "c7"


@pytest.mark.parametrize("text", ["no json", "[]", '{"op":"hb"}', '{"n":7,"op":"hb"}'])
def test_a_hole_or_junk_breaks_the_connection(talk: Talk, text: str) -> None:
    with pytest.raises(StreamBroken):
        talk.session.receive(text, 0)


def test_silence_breaks_the_connection(talk: Talk) -> None:
    assert talk.session.tick(12_500) == []
    with pytest.raises(StreamBroken):
        talk.session.tick(12_501)


def test_who_came_too_early_asks_again(talk: Talk) -> None:
    talk.say(op="err", id=1, code=1503, msg="still reading", retry_ms=1_000)
    assert talk.session.tick(999) == []
    (again,) = talk.session.tick(1_000)
    assert json.loads(again)["sym"] == ["VNM"]


def test_a_cursor_that_is_refused_is_dropped(talk: Talk) -> None:
    talk.answer()
    talk.snap("px", ["VNM", 1])
    talk.session.closed(4003, "", chance=0.0)
    talk.open()
    talk.say(op="err", id=1, code=1104, msg="bad cursor", retry_ms=None)
    assert "cursor" not in talk.sent[-1]


def test_what_is_refused_for_good_is_raised(talk: Talk) -> None:
    with pytest.raises(CommandRefused, match="1102"):
        talk.say(op="err", id=1, code=1102, msg="none of these", retry_ms=None)
    with pytest.raises(StreamEnded, match="4529"):
        talk.session.closed(4529, "too many commands", chance=0.5)


def test_events_come_each_once_and_what_the_gateway_has_no_more_is_said_to_be_missed() -> None:
    talk = Talk()
    talk.want("alert", "*")
    talk.open()
    assert talk.answer() == []
    assert talk.snap("alert", ["a1", 1]) == [Happened("alert", {"symbol": "a1", "last": 1}, is_past=True)]
    assert talk.say(op="event", ch="alert", cursor="c2", data={"alert_id": "a2"}) == [
        Happened("alert", {"alert_id": "a2"}, is_past=False)
    ]
    talk.session.closed(None, "", chance=0.0)
    talk.open()
    assert talk.answer(recovered=False) == [Missed("alert")]


def test_the_age_is_handed_on(talk: Talk) -> None:
    beat = {"op": "hb", "cursor": {}, "lag_ms": {"px": 7_000}, "stale": ["px"], "reason": "", "phase": "atc"}
    assert talk.say(**beat) == [DataAge({"px": 7_000}, ("px",), "", "atc")]


@given(st.integers(0, 30), st.floats(0, 1))
def test_waits_grow_to_a_bound(attempts: int, chance: float) -> None:
    session = StreamSession()
    waits = [session.closed(None, "", chance) for _ in range(attempts + 1)]
    assert all(0 <= wait <= BACKOFF_MAX_MS for wait in waits)


def test_a_gateway_that_goes_away_says_when_to_come(talk: Talk) -> None:
    talk.say(op="goaway", retry_ms=3_714, reason="shutdown")
    assert talk.session.closed(4001, "shutdown", chance=0.0) == 3_714
