import json
from typing import Any

import pytest

from gateway.core import wire
from gateway.core.interval import IntervalChanges
from gateway.core.limits import ClientLimits
from gateway.core.subscriber import ANSWERS_WAITING, STRIKES
from schemas.stock_v1 import CloseCode, ErrorCode


def test_the_greeting_says_what_a_client_is_held_to(new_peer: Any) -> None:
    (hello,) = new_peer(ClientLimits(default_ms=250)).read()
    assert hello["op"] == "hello"
    assert hello["v"] == "stock.v1"
    assert hello["throttle"] == {"default": 250, "classes": [0, 100, 250, 500, 1000]}
    assert hello["limits"]["message_bytes"] == 8_192


def test_a_subscription_gets_a_snapshot_with_its_columns(peer: Any, put: Any) -> None:
    put("VNM", value=7)
    assert peer.send(op="sub", id=2, ch="px", sym=["VNM"]) == {
        "n": 2, "op": "ok", "id": 2, "ch": "px", "accepted": 1, "rejected": [], "recovered": False,
    }  # fmt: skip
    snap = peer.messages[-1]
    assert snap["cols"][0] == "symbol"
    assert (snap["rows"], snap["last"]) == ([["VNM", 7]], True)


def test_a_snapshot_of_nothing_is_one_empty_page(peer: Any) -> None:
    peer.send(op="sub", ch="index")
    assert (peer.messages[-1]["rows"], peer.messages[-1]["last"]) == ([], True)


def test_pages_stay_below_64_kib_and_only_the_last_says_so(peer: Any, put: Any) -> None:
    for number in range(300):
        put(f"S{number}", fragment=json.dumps([f"S{number}", "x" * 600]).encode())
    peer.send(op="sub", ch="px")
    pages = [message for message in peer.messages if message["op"] == "snap"]
    assert [page["last"] for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(len(json.dumps(page)) <= 64 * 1024 for page in pages)
    assert len(peer.shown["px"]) == 300


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", ErrorCode.BAD_MESSAGE),
        ("[]", ErrorCode.BAD_MESSAGE),
        ("[" * 5_000, ErrorCode.BAD_MESSAGE),
        ('{"op":"rewind","id":3}', ErrorCode.UNKNOWN_OP),
        ('{"op":["sub"]}', ErrorCode.UNKNOWN_OP),
        ('{"id":1}', ErrorCode.UNKNOWN_OP),
        ('{"op":"sub","ch":"px","sym":"VNM"}', ErrorCode.BAD_MESSAGE),
        ('{"op":"sub","ch":"px","sym":[]}', ErrorCode.BAD_MESSAGE),
        ('{"op":"sub"}', ErrorCode.BAD_MESSAGE),
        ('{"op":"sub","ch":"news"}', ErrorCode.UNKNOWN_CHANNEL),
        ('{"op":"unsub","ch":"news"}', ErrorCode.UNKNOWN_CHANNEL),
        ('{"op":"sub","ch":"px","sym":["ZZZ"]}', ErrorCode.UNKNOWN_SYMBOL),
        ('{"op":"sub","ch":"px","sym":["@NASDAQ"]}', ErrorCode.UNKNOWN_SYMBOL),
        ('{"op":"sub","ch":"index","sym":["@HOSE"]}', ErrorCode.UNKNOWN_SYMBOL),
        ('{"op":"sub","ch":"px","throttle_ms":7}', ErrorCode.BAD_THROTTLE),
        ('{"op":"sub","ch":"px","cursor":"yesterday"}', ErrorCode.BAD_CURSOR),
        ('{"op":"sub","ch":"px","cursor":"0123abcd.0:1,"}', ErrorCode.BAD_CURSOR),
    ],
)
def test_a_bad_command_is_answered_and_changes_nothing(peer: Any, text: str, code: ErrorCode) -> None:
    answer = peer.send_text(text)
    assert (answer["op"], answer["code"]) == ("err", code)
    assert peer.subscriber.subscriptions == {}
    assert peer.subscriber.close is None
    assert peer.send(op="ping", id=9) == {"n": 3, "op": "ok", "id": 9}


def test_unknown_symbols_are_named_and_the_others_taken(peer: Any, put: Any) -> None:
    put("VNM")
    answer = peer.send(op="sub", id=1, ch="px", sym=["VNM", "ZZZ"])
    assert (answer["accepted"], answer["rejected"]) == (1, [{"sym": "ZZZ", "code": ErrorCode.UNKNOWN_SYMBOL}])


def test_too_many_symbols_are_refused(new_peer: Any, put: Any) -> None:
    for symbol in ("VNM", "HPG", "SSI"):
        put(symbol)
    peer = new_peer(ClientLimits(symbols=2))
    assert peer.send(op="sub", ch="px", sym=["VNM", "HPG"])["op"] == "ok"
    assert peer.send(op="sub", ch="px", sym=["SSI"])["code"] == ErrorCode.TOO_MANY_SYMBOLS


def test_before_the_topics_are_read_a_client_is_told_to_ask_again(peer: Any, board: Any) -> None:
    board.complete = False
    answer = peer.send(op="sub", ch="px")
    assert (answer["code"], answer["retry_ms"]) == (ErrorCode.NOT_READY, 1_000)


def test_any_token_is_welcome_where_there_are_no_accounts(peer: Any) -> None:
    assert peer.send(op="auth", id=1, token="secret")["op"] == "ok"
    assert "secret" not in json.dumps(peer.messages)


def test_a_second_subscription_brings_only_what_is_new(peer: Any, put: Any) -> None:
    put("VNM")
    put("HPG", value=2)
    peer.send(op="sub", ch="px", sym=["VNM"])
    peer.send(op="sub", ch="px", sym=["VNM", "HPG"])
    assert peer.messages[-1]["rows"] == [["HPG", 2]]


def test_groups_follow_their_members(peer: Any, board: Any, put: Any) -> None:
    assert peer.send(op="sub", ch="px", sym=["@VN30"])["op"] == "ok"
    put("VNM", exchange="HOSE")
    put("VNM", channel="ref", groups=("VN30",), value=1, day=0)
    audience = peer.subscriber.subscriptions["px"].audience
    assert audience.has("VNM")
    put("VNM", channel="ref", groups=(), value=2, day=0)
    assert not audience.has("VNM")


def test_unsubscribing_drops_what_was_missed(peer: Any, board: Any, put: Any) -> None:
    for symbol in ("VNM", "HPG"):
        put(symbol)
    peer.send(op="sub", ch="px", sym=["VNM", "HPG"])
    since = board.tables["px"].revision
    for symbol in ("VNM", "HPG"):
        put(symbol, value=2)
    peer.subscriber.subscriptions["px"].end_interval(IntervalChanges(board, "px", since, 0), reads=False)
    peer.subscriber.receive('{"op":"unsub","ch":"px","sym":["HPG"]}', 10_000)
    peer.read()
    assert peer.messages[-1]["rows"] == [["VNM", 2]]
    peer.send(op="unsub", ch="px")
    assert peer.subscriber.subscriptions == {}


def test_commands_come_at_ten_a_second_after_a_burst_of_twenty(peer: Any) -> None:
    for _ in range(20):
        peer.subscriber.receive('{"op":"ping"}', 5_000)
    peer.subscriber.receive('{"op":"ping"}', 5_000)
    answers = peer.read()
    assert [message["op"] for message in answers] == ["ok"] * 20 + ["err"]
    assert (answers[-1]["code"], answers[-1]["retry_ms"]) == (ErrorCode.RATE, 101)
    peer.subscriber.receive('{"op":"ping"}', 5_000 + 101)
    assert peer.read()[-1]["op"] == "ok"


def test_a_client_that_goes_on_is_sent_away(peer: Any) -> None:
    for _ in range(20 + STRIKES):
        peer.subscriber.receive('{"op":"ping"}', 5_000)
    still_here = peer.subscriber.close
    assert still_here is None
    peer.subscriber.receive('{"op":"ping"}', 5_000)
    assert peer.subscriber.close.code == CloseCode.RATE_ABUSE


def test_answers_that_are_not_read_are_bounded(peer: Any) -> None:
    for second in range(ANSWERS_WAITING + 1):
        peer.subscriber.receive('{"op":"ping"}', 1_000 * second)
    assert peer.subscriber.close.code == CloseCode.SLOW


def test_a_heartbeat_carries_the_cursors_of_its_client(peer: Any, put: Any) -> None:
    put("VNM", value=5)
    peer.send(op="sub", ch="px")
    peer.send(op="sub", ch="status")
    head = b'"op":"hb","ts":1,"lag_ms":{},"skew_ms":{},"stale":[],"reason":"","phase":null,"day":null,"market_ms":null'
    peer.subscriber.heartbeat(head)
    (heartbeat,) = peer.read()
    assert heartbeat["cursor"] == {"px": "0123abcd.0:5"}


def test_a_heartbeat_gives_no_cursor_of_a_snapshot_that_is_on_its_way(peer: Any, put: Any) -> None:
    for number in range(1_000):
        put(f"S{number}", fragment=json.dumps([f"S{number}", "x" * 600]).encode())
    head = b'"op":"hb","ts":1,"lag_ms":{},"skew_ms":{},"stale":[],"reason":"","phase":null,"day":null,"market_ms":null'
    peer.subscriber.receive('{"op":"sub","ch":"px","sym":["*"]}', 10_000)
    first = peer.subscriber.drain(0)
    assert peer.subscriber.unfinished
    peer.subscriber.heartbeat(head)
    heartbeat = next(message for message in map(json.loads, peer.subscriber.drain(0)) if message["op"] == "hb")
    assert len(first) > 1
    assert heartbeat["cursor"] == {}


def test_a_client_that_comes_back_gets_only_what_it_missed(peer: Any, new_peer: Any, put: Any) -> None:
    for place, symbol in enumerate(("VNM", "HPG", "SSI"), 1):
        put(symbol, value=place)
    peer.send(op="sub", ch="px")
    put("HPG", value=9)
    again = new_peer()
    answer = again.send(op="sub", ch="px", cursor=peer.cursors["px"])
    assert answer["recovered"] is True
    assert again.messages[-1]["rows"] == [["HPG", 9]]


def test_a_cursor_of_another_stream_brings_everything(peer: Any, put: Any) -> None:
    put("VNM")
    answer = peer.send(op="sub", ch="px", cursor="ffffffff.0:900")
    assert answer["recovered"] is False
    assert peer.messages[-1]["rows"] == [["VNM", 1]]


def test_missed_alerts_come_before_the_alerts_that_happen(peer: Any, recent: Any, alerts: Any) -> None:
    for alert in alerts(1, 2, offset=0):
        recent.add(alert)
    peer.subscriber.receive('{"op":"sub","ch":"alert"}', 1_000)
    (third,) = alerts(3, offset=1)
    peer.subscriber.tell("alert", third, wire.event("alert", third, "0123abcd.0:1"))
    peer.read()
    assert peer.alert_ids == ["a1", "a2", "a3"]


def test_alerts_are_resumed_between_two_of_one_message(new_peer: Any, recent: Any, alerts: Any) -> None:
    first, second = alerts(1, 2, offset=4)
    recent.add(first)
    cursor = recent.cursor()
    recent.add(second)
    peer = new_peer()
    assert peer.send(op="sub", ch="alert", cursor=cursor)["recovered"] is True
    assert peer.alert_ids == ["a2"]


def test_a_full_alert_lane_ends_the_connection(peer: Any, alerts: Any) -> None:
    peer.send(op="sub", ch="alert")
    (alert,) = alerts(1, offset=1)
    for _ in range(2_000):
        peer.subscriber.tell("alert", alert, b'"op":"event"}')
    assert peer.subscriber.close.code == CloseCode.SLOW
