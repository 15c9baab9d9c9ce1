"""What a client ends up with, however it reads: the board's latest rows, and every alert, once and in order."""

import json
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import fanout as fanouts
from gateway.core.conflate import LANE_BYTES, LANE_MESSAGES, EventLane
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Subscriber
from gateway.fanout import Client, Fanout
from schemas.stock_v1 import ErrorCode
from tests.unit.gateway.conftest import Writing

SYMBOLS = ["ACB", "FPT", "HPG", "SSI", "VNM"]
THROTTLE_MS = 500


def test_the_lane_is_bounded_by_messages_and_by_bytes() -> None:
    lane = EventLane()
    assert all(lane.push(b"x") for _ in range(LANE_MESSAGES))
    assert not lane.push(b"x")
    assert lane.take() == [b"x"] * LANE_MESSAGES
    assert lane.push(b"x" * LANE_BYTES)
    assert not lane.push(b"x")


class Reader(Writing):
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
    assert deltas == [4]
    assert [message["rows"][0][-1] for message in first.view.messages if message["op"] == "delta"] == [2, 3]


def values_of(reader: Reader, symbol: str) -> list[int]:
    rows = [row for message in reader.view.messages if message["op"] in ("snap", "delta") for row in message["rows"]]
    return [row[-1] for row in rows if row[0] == symbol]


def test_a_client_that_chooses_another_interval_keeps_what_it_was_owed(
    new_board: Any, new_recents: Any, viewer: Any, change: Any
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1), change("HPG", value=1)])
    reader = Reader(fanout, viewer())
    reader.send(op="sub", ch="px", sym=["VNM"], throttle_ms=100)
    fanout.apply([change("VNM", value=2)])
    reader.send(op="sub", ch="px", sym=["HPG"], throttle_ms=THROTTLE_MS)
    fanout.apply([change("HPG", value=3)])
    end_interval(fanout)
    assert values_of(reader, "VNM") == [1, 2]
    assert reader.view.cursors["px"].endswith(".0:3")


def test_a_client_that_chooses_another_interval_while_its_own_is_ended_misses_nothing(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanouts, "YIELD_EVERY", 1)
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1), change("HPG", value=1)])
    first, moving = Reader(fanout, viewer()), Reader(fanout, viewer())
    for reader in (first, moving):
        reader.send(op="sub", ch="px", sym=["VNM", "HPG"], throttle_ms=THROTTLE_MS)
    end_interval(fanout)
    fanout.apply([change("VNM", value=2)])
    flushing = fanout.flush(THROTTLE_MS)
    next(flushing)
    fanout.apply([change("VNM", value=3)])
    moving.send(op="sub", ch="px", sym=["HPG"], throttle_ms=100)
    for _ in flushing:
        pass
    for _ in fanout.flush(100):
        pass
    assert values_of(moving, "VNM")[-1] == 3
    assert values_of(moving, "VNM") == sorted(values_of(moving, "VNM"))


def test_a_symbol_that_joins_a_group_comes_to_who_watches_it_though_it_never_trades(
    new_board: Any, new_recents: Any, viewer: Any, change: Any
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1)])
    reader = Reader(fanout, viewer())
    reader.send(op="sub", ch="px", sym=["@VN30"])
    fanout.apply([change("VNM", channel="ref", value=7, day=0, groups=("VN30",))])
    end_interval(fanout)
    assert values_of(reader, "VNM") == [1]


def test_a_symbol_that_joined_a_group_while_a_client_was_away_comes_when_it_is_back(
    new_board: Any, new_recents: Any, viewer: Any, change: Any
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1), change("HPG", value=1, offset=2, exchange="HNX")])
    away = Reader(fanout, viewer())
    away.send(op="sub", ch="px", sym=["@VN30"])
    fanout.leave(away.client)
    fanout.apply([change("VNM", channel="ref", value=7, day=0, groups=("VN30",))])
    again = Reader(fanout, viewer())
    again.send(op="sub", ch="px", sym=["@VN30"], cursor=away.view.cursors["px"])
    assert values_of(again, "VNM") == [1]
    assert again.view.messages[2]["recovered"] is True


def a_gateway_behind(new_board: Any, new_recents: Any, change: Any, alerts: Any) -> tuple[Fanout, Fanout, list[Any], list[Any]]:
    """Two gateways, the second of which has still to read the last two rows and alerts."""
    fast, slow = (Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str) for _ in range(2))
    rows, told = [change("VNM", value=value) for value in (1, 2, 3)], [alerts(number, offset=number)[0] for number in (1, 2, 3)]
    for fanout, read in ((fast, 3), (slow, 1)):
        fanout.apply(rows[:read])
        fanout.announce("alert", told[:read])
    return fast, slow, rows[1:], told[1:]


def test_a_client_that_comes_to_a_gateway_that_is_behind_gets_no_alert_twice(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, alerts: Any
) -> None:
    fast, slow, _, later = a_gateway_behind(new_board, new_recents, change, alerts)
    first = Reader(fast, viewer())
    first.send(op="sub", ch="alert")
    again = Reader(slow, viewer())
    again.send(op="sub", ch="alert", cursor=first.view.cursors["alert"])
    slow.announce("alert", [*later, *alerts(4, offset=4)])
    assert first.view.alert_ids + again.view.alert_ids == ["a1", "a2", "a3", "a4"]


def test_a_client_that_comes_to_a_gateway_that_is_behind_is_not_taken_back(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, alerts: Any
) -> None:
    fast, slow, later, _ = a_gateway_behind(new_board, new_recents, change, alerts)
    first = Reader(fast, viewer())
    first.send(op="sub", ch="px")
    again = Reader(slow, viewer())
    again.send(op="sub", ch="px", cursor=first.view.cursors["px"])
    for row in (*later, change("VNM", value=4)):
        slow.apply([row])
        end_interval(slow)
    assert values_of(first, "VNM") == [3]
    assert values_of(again, "VNM") == [4]
    assert again.view.cursors["px"].endswith(".0:4")


@pytest.mark.parametrize("chosen", ["*", "@HOSE"])
def test_a_symbol_is_taken_out_of_everything_and_of_a_group_until_it_is_asked_for_again(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, chosen: str
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1), change("HPG", value=1)])
    reader = Reader(fanout, viewer())
    reader.send(op="sub", ch="px", sym=[chosen])
    reader.send(op="unsub", ch="px", sym=["VNM"])
    fanout.apply([change("VNM", value=2), change("HPG", value=2)])
    end_interval(fanout)
    assert (values_of(reader, "VNM"), values_of(reader, "HPG")) == ([1], [1, 2])
    reader.send(op="sub", ch="px", sym=[chosen])
    assert values_of(reader, "VNM") == [1, 2]


@pytest.mark.parametrize(("chosen", "out"), [("*", "@VN30"), ("@HOSE", "@VN30"), ("VNM", "HPG"), ("@HOSE", "#market")])
def test_what_cannot_be_taken_out_is_said(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, chosen: str, out: str
) -> None:
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1)])
    reader = Reader(fanout, viewer())
    reader.send(op="sub", ch="px", sym=[chosen])
    reader.send(op="unsub", ch="px", sym=[out])
    assert (reader.view.messages[-1]["op"], reader.view.messages[-1].get("code")) == ("err", ErrorCode.NOT_SUBSCRIBED)


def test_what_a_channel_was_is_not_written_into_what_it_is_now(
    new_board: Any, new_recents: Any, viewer: Any, change: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanouts, "YIELD_EVERY", 1)
    fanout = Fanout(new_board(), new_recents(), Connectors(), ClientLimits(), a_clock(), reason=str)
    fanout.apply([change("VNM", value=1)])
    first, changing = Reader(fanout, viewer()), Reader(fanout, viewer())
    for reader in (first, changing):
        reader.send(op="sub", ch="px")
    end_interval(fanout)
    fanout.apply([change("VNM", value=2)])
    flushing = fanout.flush(THROTTLE_MS)
    next(flushing)
    fanout.apply([change("VNM", value=3)])
    changing.send(op="unsub", ch="px")
    changing.send(op="sub", ch="px")
    for _ in flushing:
        pass
    assert values_of(changing, "VNM") == [1, 3]
