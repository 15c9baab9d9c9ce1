"""The connector's session with a server that misbehaves, over real sockets."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from connectors.ssi import calls, client, session
from connectors.ssi.core import backoff, hub_client
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.errors import BadCredentials
from connectors.ssi.core.market_clock import MarketTime
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.rest import SsiRest
from connectors.ssi.session import Session
from connectors.ssi.settings import SsiSettings
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs
from tests.hostile_hub import HostileHub
from tests.patience import reached

DAY = TradingDay(20261123)
SECRET = "a-secret-to-look-for"
STEPS = {
    "AccessToken": "the access token",
    "negotiate": "the reply to negotiate",
    "connect": "the upgrade to a WebSocket",
    "init": "the hub's first message",
    "start": "the reply to start",
    "reply": "the answer to SwitchChannels",
}
"""The steps of a connection, and how each is called while it is waited for."""


@pytest.fixture
def short_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that never end are given up soon."""
    monkeypatch.setattr(calls, "STEP_S", 0.3)
    monkeypatch.setattr(client, "START_S", 0.1)
    monkeypatch.setattr(hub_client, "HANDSHAKE_MS", 300)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses are short."""
    monkeypatch.setattr(client, "WATCH_S", 0.02)
    monkeypatch.setattr(backoff, "FIRST_S", 0.02)
    monkeypatch.setattr(session, "LOOK_S", 0.02)


class HandClock:
    """A market clock that a test sets by hand."""

    def __init__(self, ts_ms: UnixMs) -> None:
        self.ts_ms = ts_ms

    def read(self, wall_ms: UnixMs) -> MarketTime:
        return MarketTime(self.ts_ms, DAY, DAY)

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        pass


class Others:
    """What a feed that stands by hears of the others."""

    def __init__(self) -> None:
        self.up: bool | None = None
        self.listeners = 0

    def listen(self) -> "Others":
        self.listeners += 1
        return self

    def is_any_up(self) -> bool | None:
        return self.up

    def close(self) -> None:
        self.listeners -= 1


class Running:
    """A session that runs, and how its state was each time it changed."""

    def __init__(self, http: aiohttp.ClientSession, url: str, feed: str, **changes: Any) -> None:
        settings = SsiSettings.model_validate(
            {"consumer_id": "me", "consumer_secret": SECRET, "api_url": url, "stream_url": url, "kafka": {}, "feed": feed}
            | changes
        )
        self.url = url
        self.clock = HandClock(at(DAY, 8, 0))
        self.stream = RecordStream(feed, 3, self.clock, Outbox(10_000, 10_000_000), "ALL")
        self.changes: list[tuple[str, str]] = []
        self.rest = SsiRest(http, settings)
        self.others = Others()
        self.session = Session(
            http, self.rest, self.stream, self.clock, settings, SsiBackoff(lambda: 0.0, 0.05), self.others.listen, self._note
        )
        self.task = asyncio.create_task(self.session.run())

    def _note(self) -> None:
        self.changes.append((self.session.state, self.session.reason))

    def said(self, words: str) -> bool:
        """Whether a reason with these words was given so far."""
        return any(words in reason for _, reason in self.changes)

    async def until(self, condition: Any, what: str) -> None:
        def holds() -> bool:
            if self.task.done():
                self.task.result()
            return bool(condition())

        await reached(holds, what)

    async def up(self) -> None:
        await self.until(lambda: self.session.state == "up", "the connection")

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@asynccontextmanager
async def running(hub: HostileHub, url: str | None = None, feed: str = "a", **changes: Any) -> AsyncIterator[Running]:
    """A session with ``hub``, or with another server that is reached by way of it."""
    async with hub.serving() as its_own, aiohttp.ClientSession() as http:
        one = Running(http, url or its_own, feed, **changes)
        try:
            yield one
        finally:
            await one.stop()


def refuse(hub: HostileHub, step: str) -> None:
    """Let a hub never come to the end of a step."""
    if step == "init":
        hub.first_message = None
    elif step == "reply":
        hub.reply = None
    else:
        hub.odd[step] = hub.never
    if step == "start":
        # The hub works without start, so that the step would come only once.
        hub.reply = None


def relent(hub: HostileHub) -> None:
    whole = HostileHub()
    hub.odd.clear()
    hub.first_message, hub.reply = whole.first_message, whole.reply


def test_no_step_may_take_longer_than_15_seconds() -> None:
    assert (calls.STEP_S, client.START_S, hub_client.HANDSHAKE_MS) == (15.0, 4.0, 15_000)


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_never_ends_is_named_given_up_and_tried_again(step: str) -> None:
    hub = HostileHub()
    refuse(hub, step)
    async with running(hub) as one:
        await one.until(lambda: f"waiting for {STEPS[step]}" in one.session.reason, "the name of the step")
        asked = "connect" if step in ("init", "reply") else step
        await one.until(lambda: hub.asked[asked] >= 3, "the third attempt")
        assert {state for state, _ in one.changes} == {"down", "connecting"}
        relent(hub)
        await one.up()
        assert one.session.reason == ""
        assert hub.live == 1
    assert hub.most_live <= 1
    await reached(lambda: hub.live == 0, "the end of the last socket")


async def test_a_hub_that_never_answers_start_is_subscribed_to_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "START_S", 0.1)
    hub = HostileHub()
    hub.odd["start"] = hub.never
    async with running(hub) as one:
        await one.up()
        assert hub.asked["connect"] == len(hub.invoked) == 1
        assert "SwitchChannels" in hub.invoked[0]


@pytest.mark.parametrize("is_deaf", [False, True])
async def test_a_hub_that_falls_silent_is_left(is_deaf: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "SHORTEST_SILENCE_MS", 300)
    hub = HostileHub()
    hub.is_deaf = is_deaf
    hub.keep_alive_s = 0.3
    async with running(hub) as one:
        await one.until(lambda: one.said("not even a keep-alive"), "the silence to be noticed")
        await one.until(lambda: hub.asked["connect"] >= 2, "another connection")
    assert hub.most_live == 1


def set_the_wall_clock(monkeypatch: pytest.MonkeyPatch, hours: int) -> None:
    wall_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall_ns() + hours * 3600 * 10**9)
    monkeypatch.setattr(time, "time", lambda: wall_ns() / 10**9 + hours * 3600)


async def test_a_wall_clock_that_is_set_forward_ends_no_connection_and_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HostileHub()
    pings = asyncio.Queue[None]()

    async def keep_alive(socket: web.WebSocketResponse) -> None:
        while not socket.closed:
            await socket.send_str("{}")
            pings.put_nowait(None)
            await asyncio.sleep(0.02)

    hub.talk = keep_alive
    async with running(hub) as one:
        await one.up()
        set_the_wall_clock(monkeypatch, hours=10)
        for _ in range(10):
            await pings.get()
        assert await one.rest.token() == "token-1"
        assert (one.session.state, hub.asked["connect"]) == ("up", 1)


async def test_a_wall_clock_that_is_set_back_hides_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_client, "SHORTEST_SILENCE_MS", 300)
    hub = HostileHub()
    hub.keep_alive_s = 0.3
    async with running(hub) as one:
        await one.up()
        set_the_wall_clock(monkeypatch, hours=-1)
        await one.until(lambda: one.said("not even a keep-alive"), "the silence to be noticed")
        await one.until(lambda: hub.asked["connect"] >= 2, "another connection")


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize("step", [*STEPS, "up"])
async def test_a_stop_at_any_step_leaves_no_socket(step: str) -> None:
    hub = HostileHub()
    if step in STEPS:
        refuse(hub, step)
    async with running(hub) as one:
        wanted = f"waiting for {STEPS[step]}" if step in STEPS else ""
        await one.until(lambda: wanted in one.session.reason and (wanted or one.session.state == "up"), "the step")
        await one.stop()
        await reached(lambda: hub.live == 0, "the end of the socket")
        asked = hub.asked["connect"]
    assert hub.asked["connect"] == asked


@pytest.mark.parametrize("is_deaf", [False, True])
async def test_the_connection_is_made_anew_before_the_open_with_a_new_token(is_deaf: bool) -> None:
    hub = HostileHub()
    hub.is_deaf = is_deaf
    async with running(hub) as one:
        await one.up()
        one.clock.ts_ms = at(DAY, 8, 14)
        assert one.session.ended == {}
        one.clock.ts_ms = at(DAY, 8, 15)
        await one.until(lambda: one.session.ended["PlannedReconnect"] and one.session.state == "up", "the new connection")
        assert (hub.asked["connect"], hub.most_live, one.stream.connects) == (2, 1, 2)
        assert hub.authorizations == ["Bearer token-1", "Bearer token-2"]
        # Nothing was wrong, so nothing is said to be, and there is no pause.
        assert "down" not in {state for state, _ in one.changes}


async def test_without_a_new_token_the_connection_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "RENEW_AGAIN_S", 0.02)
    hub = HostileHub()
    async with running(hub) as one:
        await one.up()
        monkeypatch.setattr(calls, "STEP_S", 0.3)
        hub.odd["AccessToken"] = hub.never
        one.clock.ts_ms = at(DAY, 8, 20)
        await one.until(lambda: hub.asked["AccessToken"] >= 3, "the second attempt to get a token")
        # Its token may have run out long ago: once given up it could not be made again.
        assert (one.session.state, hub.asked["connect"]) == ("up", 1)
        monkeypatch.setattr(calls, "STEP_S", 15.0)
        hub.odd.clear()
        await one.until(lambda: one.session.ended["PlannedReconnect"] and one.session.state == "up", "the new connection")
        assert hub.authorizations == ["Bearer token-1", "Bearer token-2"]


async def test_late_in_the_morning_nothing_is_made_anew() -> None:
    hub = HostileHub()
    async with running(hub, reconnect_at="08:15") as one:
        await one.up()
        one.clock.ts_ms = at(DAY, 8, 31)
        await hub.sockets[0].close()
        await one.until(lambda: hub.asked["connect"] == 2 and one.session.state == "up", "the connection after a drop")
        assert one.session.ended["PlannedReconnect"] == 0


@pytest.mark.parametrize(("hour", "grows"), [(10, False), (22, True)])
async def test_at_night_pauses_may_grow_longer(hour: int, grows: bool, caplog: pytest.LogCaptureFixture) -> None:
    hub = HostileHub()

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=502) if hub.asked["negotiate"] <= 5 else await hub.as_ssi(request)

    hub.odd["negotiate"] = refuse
    async with running(hub) as one:
        one.clock.ts_ms = at(DAY, hour)
        await one.up()
    # By day the bound of this session's backoff holds, 0.05 s; at night that of SSI_OFF_HOURS_PAUSE_S.
    assert ("next attempt in 0.2 s" in caplog.text) == grows


async def test_a_rejected_token_in_the_body_of_a_negotiation_is_replaced() -> None:
    hub = HostileHub()

    async def reject_the_first(request: web.Request) -> web.StreamResponse:
        if request.headers["Authorization"] == "Bearer token-1":
            return web.json_response({"message": "Unauthorized", "status": 401})
        return await hub.as_ssi(request)

    hub.odd["negotiate"] = reject_the_first
    async with running(hub) as one:
        await one.up()
        assert hub.authorizations == ["Bearer token-1", "Bearer token-2"]
        assert one.said("SSI rejected the token")


QUOTA = "Connection has been blocked, quota 5 exceeded by 1"


async def close_with_a_quota(socket: web.WebSocketResponse) -> None:
    await socket.close(code=1008, message=QUOTA.encode())


async def call_error_with_a_quota(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"C": "d-1", "M": [{"H": "FcMarketDataV2Hub", "M": "Error", "A": [QUOTA]}]})


async def say_a_quota(socket: web.WebSocketResponse) -> None:
    await socket.send_json({"message": QUOTA})


async def test_what_came_before_a_connection_broke_is_read_although_a_ping_can_no_longer_be_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: aiohttp.ClientWebSocketResponse, __: bytes = b"") -> None:
        raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

    async def ping_and_say_it(socket: web.WebSocketResponse) -> None:
        await socket.ping(b"1")
        await socket.send_str('{"C":"d-1","M":[{"H":"FcMarketDataV2Hub","M":"Broadcast","A":["no record"]}]}')

    monkeypatch.setattr(aiohttp.ClientWebSocketResponse, "pong", broken)
    hub = HostileHub()
    hub.talk = ping_and_say_it
    async with running(hub) as one:
        await one.up()
        await one.until(lambda: one.stream.received == 1, "what came after the ping")
        assert one.session.is_open


@pytest.mark.parametrize("talk", [close_with_a_quota, call_error_with_a_quota, say_a_quota])
async def test_a_quota_on_the_stream_is_waited_out(talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    hub = HostileHub()
    hub.talk = talk
    async with running(hub) as one:
        await one.until(lambda: one.session.ended["QuotaExceeded"], "the quota")
        assert QUOTA in one.session.reason
        assert "Do not run other clients with the same SSI key (next attempt in 60.0 s)" in caplog.text
        await reached(lambda: hub.live == 0, "the end of the socket")
        assert hub.asked["connect"] == 1


@pytest.mark.parametrize("body", [f'{{"message":"{QUOTA}","status":"Error"}}', QUOTA])
@pytest.mark.parametrize("step", ["AccessToken", "negotiate", "start"])
async def test_a_quota_in_the_body_of_a_reply_is_waited_out(step: str, body: str, caplog: pytest.LogCaptureFixture) -> None:
    hub = HostileHub()

    async def complain(_: web.Request) -> web.StreamResponse:
        return web.Response(text=body)

    hub.odd[step] = complain
    async with running(hub) as one:
        await one.until(lambda: one.session.ended["QuotaExceeded"], "the quota")
        assert "(next attempt in 60.0 s)" in caplog.text
        assert hub.asked[step] == 1
        await reached(lambda: hub.live == 0, "the end of the socket")


async def test_after_a_quota_nothing_else_is_asked_for_a_while_either() -> None:
    hub = HostileHub()

    async def complain(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "API calls quota exceeded! maximum admitted 1 per 1 s", "status": "Error"})

    hub.odd["AccessToken"] = complain
    async with running(hub) as one:
        await one.until(lambda: one.session.ended["QuotaExceeded"], "the quota")
        assert one.rest.pause_s > 0
        assert hub.asked["AccessToken"] == 1


@pytest.mark.parametrize("keep_alive", ["NaN", "Infinity", 1e308, -1, 0, None, {}, [], "soon", True, "1e999"])
async def test_no_promise_of_keep_alives_breaks_the_connection(keep_alive: Any) -> None:
    hub = HostileHub()
    hub.keep_alive_s = keep_alive
    async with running(hub) as one:
        await one.up()


@pytest.mark.parametrize("token", ["two\nlines", "a b", "Tiếng Việt", "\r\n", "\x00"])
async def test_a_token_that_no_header_can_hold_is_waited_out(token: str) -> None:
    hub = HostileHub()

    async def give(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "Success", "status": 200, "data": {"accessToken": token}})

    hub.odd["AccessToken"] = give
    async with running(hub) as one:
        await one.until(lambda: one.said("accessToken"), "the complaint")
        relent(hub)
        await one.up()


@pytest.mark.parametrize("status", [400, 403, 500, 502, 302])
@pytest.mark.parametrize("body", ['{"message":"An error has occurred."}', '{"Message":"Forbidden"}', "<html>consumer</html>", ""])
async def test_only_ssis_own_word_about_the_credentials_ends_the_session(status: int, body: str) -> None:
    hub = HostileHub()

    async def refuse_it(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body)

    hub.odd["AccessToken"] = refuse_it
    async with running(hub) as one:
        await one.until(lambda: hub.asked["AccessToken"] >= 2, "another attempt")
        relent(hub)
        await one.up()


@pytest.mark.parametrize("status", [200, 400, 403])
async def test_credentials_that_ssi_calls_wrong_end_the_session(status: int) -> None:
    hub = HostileHub()

    async def refuse_it(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "The connection is invalid", "status": 400, "data": None}, status=status)

    hub.odd["AccessToken"] = refuse_it
    async with running(hub) as one:
        await reached(one.task.done, "the end")
        with pytest.raises(BadCredentials):
            one.task.result()


@pytest.mark.parametrize(
    "message",
    [
        '{"message":"Unauthorized"}',
        '{"Message":"Authorization has been denied for this request."}',
        '{"status":401}',
        "Unauthorized",
    ],
)
async def test_a_hub_that_no_longer_knows_the_token_says_so_in_any_words(message: str) -> None:
    hub = HostileHub()

    async def say_it_once(socket: web.WebSocketResponse) -> None:
        if hub.asked["connect"] == 1:
            await socket.send_str(message)

    hub.talk = say_it_once
    async with running(hub) as one:
        await one.until(lambda: hub.asked["connect"] == 2 and one.session.state == "up", "the second connection")
        assert hub.authorizations == ["Bearer token-1", "Bearer token-2"]
        assert one.stream.rejected == {"bad_message": 1}


async def test_of_two_feeds_with_one_key_one_stands_by_where_ssi_serves_but_one() -> None:
    hub = HostileHub()

    async def throw_the_other_out(socket: web.WebSocketResponse) -> None:
        for other in hub.sockets:
            if other is not socket and not other.closed:
                await other.close(code=1000)

    hub.talk = throw_the_other_out
    async with running(hub) as a, aiohttp.ClientSession() as http:
        await a.up()
        b = Running(http, a.url, "b")
        try:
            await b.until(lambda: b.session.reason.startswith("standing by"), "feed b to stand by")
            assert "feed b" in b.session.reason
            assert "SSI_CONSUMER_ID" in b.session.reason
            await a.up()
            connects = hub.asked["connect"]
            await a.until(lambda: a.session.state == "up" and hub.live == 1, "feed a to be the only one")
            assert hub.asked["connect"] <= connects + 1
            assert not a.said("standing by")
            b.others.up = True
            assert b.others.listeners == 1
            await a.stop()
            b.others.up = False
            await b.up()
            assert b.others.listeners == 0
        finally:
            await b.stop()


async def test_what_the_server_quotes_of_us_is_not_repeated(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hub = HostileHub()
    jwt = "eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjE3OTUzOTkyMDB9.c2lnbmF0dXJl"

    async def give(_: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "Success", "status": 200, "data": {"accessToken": jwt}})

    async def quote(request: web.Request) -> web.StreamResponse:
        told = await request.text()
        return web.json_response(
            {"message": f"cannot take {told} {request.headers.get('Authorization')}", "status": 500}, status=500
        )

    async def quote_and_close(socket: web.WebSocketResponse) -> None:
        await socket.send_json({"C": "d-1", "M": [{"H": "h", "M": "Error", "A": [f"odd: {jwt}"]}]})
        await socket.close(code=1000, message=f"bye {jwt}"[:120].encode())

    hub.odd["AccessToken"] = quote
    async with running(hub) as one:
        await one.until(lambda: one.said("cannot take"), "the first complaint")
        hub.odd = {"AccessToken": give, "negotiate": quote}
        await one.until(lambda: one.said("negotiate: HTTP 500: cannot take"), "the second complaint")
        hub.odd = {"AccessToken": give, "start": quote}
        hub.talk = quote_and_close
        await one.until(lambda: one.said("bye"), "the last complaint")
        told = [caplog.text, *(reason for _, reason in one.changes)]
    assert "SSI's hub reports an error" in caplog.text
    for secret in (SECRET, jwt, jwt.split(".")[1]):
        assert not any(secret in text for text in told)


async def test_the_proxy_of_the_environment_is_used_for_rest_and_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HostileHub()
    async with hub.serving() as proxy, aiohttp.ClientSession() as http:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setattr("connectors.ssi.settings.is_loopback", lambda host: True)
        one = Running(http, "http://ssi.invalid/", "a")
        try:
            await one.up()
        finally:
            await one.stop()
        assert hub.hosts == {"ssi.invalid"}
        assert hub.asked == {"AccessToken": 1, "negotiate": 1, "connect": 1, "start": 1}
