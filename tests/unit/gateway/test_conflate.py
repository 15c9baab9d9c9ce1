"""What a client ends up with, however it reads: the board's latest rows, and every alert, once and in order."""

import json
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import fanout as fanouts
from gateway.core.conflate import LANE_BYTES, LANE_MESSAGES, EventLane, Pending
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Subscriber
from gateway.fanout import Client, Fanout

SYMBOLS = ["ACB", "FPT", "HPG", "SSI", "VNM"]
THROTTLE_MS = 500


def test_pending_keys_are_kept_once_in_the_order_of_their_first_change() -> None:
    pending = Pending()
    pending.add(["B", "A"])
    pending.add(["A", "C", "B"])
    assert pending.take() == (["B", "A", "C"], False)
    assert pending.take() == ([], False)


def test_an_interval_that_could_not_be_written_is_told_once() -> None:
    pending = Pending()
    pending.skip()
    assert pending.take() == ([], False)
    pending.add(["A"])
    pending.skip()
    assert pending.take() == (["A"], True)
    pending.add(["A"])
    assert pending.take() == (["A"], False)


def test_the_lane_is_bounded_by_messages_and_by_bytes() -> None:
    lane = EventLane()
    assert all(lane.push(b"x") for _ in range(LANE_MESSAGES))
    assert not lane.push(b"x")
    assert lane.take() == [b"x"] * LANE_MESSAGES
    assert lane.push(b"x" * LANE_BYTES)
    assert not lane.push(b"x")


class Reader:
    """A client at the end of a socket that takes messages only while the reader reads."""

    def __init__(self, fanout: Fanout, viewer: Any) -> None:
        self.view = viewer
        self.writable = True
        self.fanout = fanout
        self.client = Client(Subscriber(fanout.board, fanout.recents, fanout.limits, now_ms=0), self, self._end, now_ms=0)
        self.commands = 0
        fanout.join(self.client)

    def write(self, payloads: Iterable[bytes]) -> int:
        assert self.writable
        return len([self.view.take(payload) for payload in payloads])

    def send(self, **command: Any) -> None:
        self.fanout.receive(self.client, json.dumps(command))

    def read_on(self) -> None:
        self.writable = True
        self.client.pump(0)

    def _end(self, close: Any) -> None:
        raise AssertionError(close)


def end_interval(fanout: Fanout) -> None:
    for _ in fanout.flush(THROTTLE_MS):
        pass


def a_clock() -> Callable[[], int]:
    """A clock that goes far enough at each look that no command comes too soon after another."""
    ticks = count(step=1_000)
    return lambda: next(ticks)


def shown_by(fanout: Fanout) -> dict[str, int]:
    return {key: json.loads(row.fragment)[-1] for key, row in fanout.board.tables["px"].rows.items()}


market = [
    st.tuples(st.just("row"), st.sampled_from(SYMBOLS)),
    st.tuples(st.just("older row"), st.sampled_from(SYMBOLS)),
    st.tuples(st.sampled_from(["alert", "stall", "read", "interval"]), st.none()),
]
throttles = st.sampled_from([THROTTLE_MS, 0])


def play(fanout: Fanout, reader: Reader, step: str, symbol: Any, number: int, change: Any, alerts: Any) -> None:
    match step:
        case "row":
            fanout.apply([change(symbol, value=number)])
        case "older row":
            fanout.apply([change(symbol, value=-1, src=0, offset=number)])
        case "alert":
            fanout.announce("alert", alerts(number, offset=number))
        case "stall":
            reader.writable = False
        case "read":
            reader.read_on()
        case "interval":
            end_interval(fanout)


@given(st.lists(st.one_of(*market, st.tuples(st.just("sub"), st.sampled_from([*SYMBOLS, "@HOSE", "*"]))), max_size=50), throttles)
def test_however_it_reads_a_client_ends_with_the_boards_rows_and_every_alert(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, alerts: Any, steps: list[tuple[str, Any]], throttle_ms: int
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change(symbol, value=1) for symbol in SYMBOLS])
    reader = Reader(fanout, viewer())
    reader.send(op="sub", ch="alert")
    wanted: set[str] = set()
    for number, (step, word) in enumerate(steps, 2):
        if step == "sub":
            wanted |= {word} if word in SYMBOLS else set(SYMBOLS)
            reader.send(op="sub", ch="px", sym=[word], throttle_ms=throttle_ms)
        else:
            play(fanout, reader, step, word, number, change, alerts)
    reader.read_on()
    end_interval(fanout)
    assert reader.view.shown.get("px", {}) == {key: value for key, value in shown_by(fanout).items() if key in wanted}
    assert reader.view.alert_ids == [f"a{number}" for number, (step, _) in enumerate(steps, 2) if step == "alert"]


@given(st.lists(st.one_of(*market, st.tuples(st.just("lose"), st.none())), max_size=50), throttles)
def test_however_often_it_is_lost_a_client_that_resumes_by_cursor_misses_nothing(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, alerts: Any, steps: list[tuple[str, Any]], throttle_ms: int
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change(symbol, value=1, offset=place) for place, symbol in enumerate(SYMBOLS)])
    rows: dict[str, int] = {}
    alert_ids: list[str] = []
    cursors: dict[str, str] = {}

    def come() -> Reader:
        reader = Reader(fanout, viewer())
        for ch, throttle in (("alert", None), ("px", throttle_ms)):
            reader.send(op="sub", ch=ch, throttle_ms=throttle, cursor=cursors.get(ch))
        return reader

    def keep(reader: Reader) -> None:
        rows.update(reader.view.shown.get("px", {}))
        alert_ids.extend(reader.view.alert_ids)
        cursors.update(reader.view.cursors)

    reader = come()
    for number, (step, symbol) in enumerate(steps, len(SYMBOLS)):
        if step == "lose":
            fanout.leave(reader.client)
            keep(reader)
            reader = come()
        else:
            play(fanout, reader, step, symbol, number, change, alerts)
    reader.read_on()
    end_interval(fanout)
    keep(reader)
    assert rows == shown_by(fanout)
    assert alert_ids == [f"a{number}" for number, (step, _) in enumerate(steps, len(SYMBOLS)) if step == "alert"]


def test_a_stalled_client_gets_the_latest_row_once_and_is_told_that_some_were_skipped(
    new_board: Any, new_recents: Any, viewer: Any, change: Any
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1)])
    stalled, healthy = Reader(fanout, viewer()), Reader(fanout, viewer())
    for reader in (stalled, healthy):
        reader.send(op="sub", ch="px")
    stalled.writable = False
    for value in (2, 3, 4):
        fanout.apply([change("VNM", value=value)])
        end_interval(fanout)
    stalled.read_on()
    deltas = [(message["rows"][0][-1], message["con"]) for message in stalled.view.messages if message["op"] == "delta"]
    assert deltas == [(4, True)]
    deltas = [(message["rows"][0][-1], message["con"]) for message in healthy.view.messages if message["op"] == "delta"]
    assert deltas == [(2, False), (3, False), (4, False)]


def test_a_batch_of_alerts_larger_than_a_lane_sends_nobody_away_who_reads(
    new_board: Any, new_recents: Any, viewer: Any, alerts: Any
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    reader = Reader(fanout, viewer())
    reader.send(op="sub", ch="alert")
    fanout.announce("alert", [alert for number in range(3 * LANE_MESSAGES) for alert in alerts(number, offset=number)])
    assert reader.view.alert_ids == [f"a{number}" for number in range(3 * LANE_MESSAGES)]


def test_a_client_that_catches_up_while_an_interval_is_written_is_not_taken_back(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanouts, "YIELD_EVERY", 1)
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1)])
    readers = first, slow = Reader(fanout, viewer()), Reader(fanout, viewer())
    for reader in readers:
        reader.send(op="sub", ch="px")
    end_interval(fanout)
    slow.writable = False
    fanout.apply([change("VNM", value=2)])
    end_interval(fanout)
    fanout.apply([change("VNM", value=3)])
    flushing = fanout.flush(THROTTLE_MS)
    next(flushing)
    # The messages of this interval are made, and this client has not got them yet, when it reads again.
    fanout.apply([change("VNM", value=4)])
    slow.read_on()
    for _ in flushing:
        pass
    deltas = [message["rows"][0][-1] for message in slow.view.messages if message["op"] == "delta"]
    assert deltas == [4, 4]
    assert [message["rows"][0][-1] for message in first.view.messages if message["op"] == "delta"] == [2, 3]
