"""Who may come in, and stay: over real sockets, without Kafka."""

import asyncio
import gc
import itertools
import logging
import threading
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer
from hypothesis import given
from hypothesis import strategies as st

from gateway import door as doors
from gateway.app import Gateway
from gateway.core import doorkeeper
from gateway.core.board import Board
from gateway.core.doorkeeper import ASK_WITHIN_MS, IDLE_MS, Doorkeeper
from gateway.core.events import Recents
from gateway.core.frame_check import FrameCheck
from gateway.core.limits import ClientLimits
from gateway.core.selection import Audience
from gateway.core.status import Connectors
from gateway.door import RESERVED, places
from gateway.fanout import Fanout
from gateway.follower import Follower, Post
from gateway.service import Readiness
from gateway.settings import GatewaySettings
from schemas.stock_v1 import CloseCode
from schemas.units import MonotonicMs
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.served import PAGE, PLACES, UPGRADE, Served, ended, masked


def ms(value: int) -> MonotonicMs:
    return MonotonicMs(value)


# who may stay


def test_who_asks_for_nothing_leaves_after_a_while_and_who_is_answered_does_not() -> None:
    keeper = Doorkeeper(9, 9)
    for who in ("silent", "asking", "answered", "half"):
        assert keeper.admit(who, "::1", ms(0), is_exempt=True) == (True, None)
    for who in ("asking", "answered", "half"):
        keeper.begin(who)
    for who in ("answered", "half"):
        keeper.end(who, ms(1_000))
    keeper.hear("half", ms(20_000))
    assert list(keeper.overdue(ms(ASK_WITHIN_MS))) == []
    assert list(keeper.overdue(ms(ASK_WITHIN_MS + 1))) == ["silent"]
    assert list(keeper.overdue(ms(20_001 + ASK_WITHIN_MS))) == ["silent", "half"]
    assert list(keeper.overdue(ms(1_001 + IDLE_MS))) == ["silent", "answered", "half"]


def test_the_oldest_that_asked_for_nothing_gives_up_its_place_and_nobody_who_asked() -> None:
    keeper = Doorkeeper(3, 9)
    for who in "abc":
        keeper.admit(who, "::1", ms(0), is_exempt=True)
    keeper.begin("a")
    assert keeper.admit("d", "::1", ms(1), is_exempt=True) == (True, "b")
    for who in "cd":
        keeper.begin(who)
    assert keeper.admit("e", "::1", ms(2), is_exempt=True) == (False, None)
    keeper.leave("a")
    assert keeper.admit("e", "::1", ms(3), is_exempt=True) == (True, None)


def test_one_address_has_a_part_of_the_places_unless_it_speaks_for_many() -> None:
    keeper = Doorkeeper(9, 2)
    taken = [keeper.admit(place, "203.0.113.7", ms(0), is_exempt=False)[0] for place in range(3)]
    assert taken == [True, True, False]
    assert keeper.admit("other", "203.0.113.8", ms(0), is_exempt=False)[0]
    assert keeper.admit("proxy", "203.0.113.7", ms(0), is_exempt=True)[0]
    for place in ("proxy", 0):
        keeper.leave(place)
    assert keeper.admit("again", "203.0.113.7", ms(0), is_exempt=False)[0]


def test_there_are_no_more_places_than_descriptors_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert places(5_000, 1_000_000) == 5_000 + RESERVED
    assert caplog.messages == []
    assert places(5_000, 1_024) == 1_024 - RESERVED
    assert "ulimit -n" in caplog.text


async def test_connections_that_say_nothing_or_half_a_request_are_dropped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent, half = await served.plain(), await served.plain(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
    wire = await served.connect()
    await reached(lambda: len(served.keeper) == 3, "three connections")
    monkeypatch.setattr(doorkeeper, "ASK_WITHIN_MS", -1)
    monkeypatch.setattr(doors, "SWEEP_S", 0.0)
    sweeping = asyncio.create_task(served.door.sweep_forever())
    try:
        async with asyncio.timeout(PATIENCE_S):
            for reader in (silent, half):
                assert await ended(reader)
    finally:
        sweeping.cancel()
    assert (await wire.send(op="ping"))["op"] == "ok"


async def test_a_house_full_of_silent_connections_still_answers(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(5 * PLACES):
        await served.plain()
    assert (await served.get("/healthz"))[0] == 200
    assert len(served.keeper) <= PLACES
    assert caplog.messages == []


async def test_a_client_gets_no_more_connections_than_its_address_may_have_and_is_told_to_come_back(served: Served) -> None:
    headers = {"X-Forwarded-For": "10.1.1.1, 203.0.113.7"}
    wires = [await served.connect(headers=headers) for _ in range(2)]
    assert await (await served.connect(headers=headers)).closing() == CloseCode.CONNECTION_LIMIT
    assert 4_000 <= CloseCode.CONNECTION_LIMIT < 4_500
    await wires[0].socket.close()
    await reached(lambda: len(served.fanout.clients) == 1, "a free place")
    assert (await (await served.connect(headers=headers)).message())["op"] == "hello"


# what comes in


@given(st.lists(st.binary(max_size=300), max_size=5), st.data())
def test_masked_frames_are_followed_however_they_are_cut(payloads: list[bytes], data: st.DataObject) -> None:
    stream, check = b"".join(map(masked, payloads)), FrameCheck()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assert all(check.take(stream[begin:end]) for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True))
    assert not check.take(b"\x81\x02{}")


def test_a_frame_that_claims_to_be_endless_is_not_waited_for() -> None:
    check = FrameCheck()
    assert check.take(b"\x81\xff" + (1 << 62).to_bytes(8) + b"\0\0\0\0" + b"x" * 1_000)
    assert check.take(b"x" * 1_000)


async def test_a_frame_that_is_not_masked_ends_the_connection(served: Served) -> None:
    for frame, is_taken in ((masked(b'{"op":"ping"}'), True), (b'\x81\x0d{"op":"ping"}', False)):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(UPGRADE)
        async with asyncio.timeout(PATIENCE_S):
            assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
            writer.write(frame)
            came = b""
            while (b'"op":"ok"' if is_taken else b"\x88") not in came:
                came += await reader.readexactly(1)
            if not is_taken:
                close = await reader.read()
                assert (close[1:3], b'"op":"ok"' in came) == ((1002).to_bytes(2), False)
        writer.close()


NAMES = (("evil.example", 421), ("board.example", 200), ("203.0.113.9:8080", 200), ("localhost", 200))


async def test_a_foreign_name_is_refused_wherever_the_gateway_listens(served: Served) -> None:
    for host, status in NAMES:
        assert (await served.get("/healthz", headers={"Host": host}))[0] == status, host


async def test_a_gateway_that_others_may_reach_refuses_foreign_names_no_less(board: Board, events: Recents) -> None:
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
    settings = GatewaySettings(kafka={}, topic_prefix="", host="0.0.0.0", insecure=True, origins=[PAGE])
    async with TestServer(Gateway(settings, fanout, str).application()) as server, aiohttp.ClientSession() as http:
        for host, status in NAMES:
            async with http.get(server.make_url("/healthz"), headers={"Host": host}) as answer:
                assert answer.status == status, host


async def test_a_page_of_a_listed_origin_may_read_what_rest_says_and_no_other(served: Served) -> None:
    for method in ("GET", "OPTIONS"):
        _, _, headers = await served.get("/api/v1/snapshot/px", method, headers={"Origin": PAGE})
        assert (headers["Access-Control-Allow-Origin"], headers["Vary"]) == (PAGE, "Origin")
        _, _, headers = await served.get("/api/v1/snapshot/px", method, headers={"Origin": "https://evil.example"})
        assert ("Access-Control-Allow-Origin" in headers, headers["Vary"]) == (False, "Origin")


async def test_who_asks_for_symbols_that_nobody_knows_is_told_and_leaves_nothing_behind(served: Served) -> None:
    asked = [[f"Z{number}{place}" for place in range(100)] for number in range(20)]
    for number, words in enumerate(asked):
        status, text, _ = await served.get(f"/api/v1/snapshot/px?sym={','.join(words)}")
        assert (status, f"Z{number}0" in text, len(text) < 1_000) == (404, True, True)
    gc.collect()
    kept = [thing.selection for thing in gc.get_objects() if isinstance(thing, Audience)]
    assert [selection for selection in kept if not selection.keys.isdisjoint(itertools.chain(*asked))] == []


async def test_metrics_are_for_this_machine_and_not_through_a_proxy(served: Served) -> None:
    assert (await served.get("/metrics"))[0] == 200
    status, text, _ = await served.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"})
    assert (status, "GATEWAY_METRICS_FROM" in text) == (403, True)


# who reads Kafka


class Owner:
    def __init__(self) -> None:
        self.ended_by: list[Exception] = []

    def note(self, name: str, reason: str) -> None:
        pass

    def ended(self, error: Exception) -> None:
        self.ended_by.append(error)


class Doomed(Follower):
    """A reader whose thread ends in a way that nobody foresaw."""

    name, topics, isolation = "doomed", (), "read_committed"
    death: BaseException = SystemExit()

    def _attempt(self) -> None:
        raise self.death

    def begin(self, stream: str, starts: Any) -> None: ...

    def take(self, topic: Any, position: Any, appended_ms: int, message: Any) -> None: ...

    def hand_over(self) -> None: ...

    def caught_up(self) -> None: ...


def doomed(owner: Any) -> Doomed:
    loop = asyncio.get_running_loop()
    return Doomed(GatewaySettings(kafka={}, topic_prefix=""), Post(loop, owner.ended), owner)


async def test_a_reader_that_raises_what_nobody_foresaw_ends_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner()
    reader = doomed(owner)
    monkeypatch.setattr(reader, "death", ZeroDivisionError())
    reader.start()
    await reached(lambda: bool(owner.ended_by), "an owner that has heard of it")
    assert isinstance(owner.ended_by[0], ZeroDivisionError)


async def test_a_reader_whose_thread_is_gone_without_a_word_is_missed() -> None:
    readiness = Readiness("doomed", when_ready=lambda: None)
    reader = doomed(readiness)
    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        reader.start()
        watching = asyncio.create_task(readiness.watch_forever([reader]))
        async with asyncio.timeout(PATIENCE_S):
            await readiness.failed.wait()
        watching.cancel()
    finally:
        threading.excepthook = hook
    assert "doomed" in str(readiness.failure)


async def test_what_cannot_be_put_onto_the_board_ends_the_gateway() -> None:
    owner = Owner()
    post = Post(asyncio.get_running_loop(), owner.ended)

    def fails() -> None:
        raise KeyError("px")

    await asyncio.to_thread(post, fails)
    await reached(lambda: bool(owner.ended_by), "an owner that has heard of it")
