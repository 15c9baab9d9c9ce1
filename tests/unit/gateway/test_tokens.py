"""Accounts: who may have what, by the token that a client shows, over a WebSocket and over REST."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from pydantic import ValidationError

from gateway import fanout as fanouts
from gateway import tokens
from gateway.app import Gateway
from gateway.core.access import BadToken, Identity, bearer
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.errors import InsecureBind, Refused
from gateway.core.events import Recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.core.subscriber import Subscriber
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from gateway.tokens import TokenCheck
from schemas.stock_v1 import CloseCode, ErrorCode
from schemas.topics import encode
from stock_tracker.client import CommandRefused, MarketStream, Rows, StreamEnded
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.conftest import Viewer

SECRET = "not-so-secret-but-long-enough-for-a-test"
NOW_MS = 1_800_000_000_000
NOW_S = NOW_MS // 1_000
FOR_EVER = 4_000_000_000


def a_token(key: Any = None, algorithm: str = "HS256", **claims: Any) -> str:
    """Signed with the secret, and good for everything, if nothing else is said."""
    signed_with = key or OctKey.import_key(SECRET)
    header = {"alg": algorithm} | ({"kid": key.kid} if key is not None and key.kid else {})
    return jwt.encode(header, {"sub": "an analyst", "exp": FOR_EVER} | claims, signed_with)


def settings(**more: Any) -> GatewaySettings:
    return GatewaySettings(**{"kafka": {}, "topic_prefix": "", "jwt_secret": SECRET} | more)


def check(**more: Any) -> TokenCheck:
    return TokenCheck(settings(**more), lambda: NOW_MS)


# what a token must be


def test_a_good_token_says_who_until_when_and_what_for() -> None:
    identity = check().identify(a_token(channels=["px", "alert"]))
    assert identity == Identity("an analyst", FOR_EVER * 1_000, frozenset({"px", "alert"}))
    assert (identity.may_have("px"), identity.may_have("flow")) == (True, False)
    assert check().identify(a_token()).may_have("history")


WRONG: Mapping[str, str] = {
    "nothing": "",
    "no token": "a.b.c",
    "not text of ours": "\u00e9.\ud800.x",
    "too long": "x" * 10_000,
    "another secret": a_token(OctKey.import_key("another-secret-that-is-long-enough-too")),
    "changed": a_token()[:-3] + "AAA",
    "no signature": "eyJhbGciOiJub25lIn0.eyJleHAiOjQwMDAwMDAwMDB9.",
    "over": a_token(exp=NOW_S - 60),
    "without an end": jwt.encode({"alg": "HS256"}, {"sub": "x"}, OctKey.import_key(SECRET)),
    "not yet": a_token(nbf=NOW_S + 3_600),
    "an end that is no number": a_token(exp="tomorrow"),
    "channels that are no list": a_token(channels="px"),
}


@pytest.mark.parametrize("token", WRONG.values(), ids=WRONG.keys())
def test_a_token_that_is_wrong_names_nobody(token: str) -> None:
    with pytest.raises(BadToken):
        check().identify(token)


def test_a_token_for_somebody_else_or_from_somebody_else_names_nobody() -> None:
    ours = check(jwt_audience="board", jwt_issuer="https://id.example")
    assert ours.identify(a_token(aud="board", iss="https://id.example")).name == "an analyst"
    for claims in (
        {},
        {"aud": "board"},
        {"aud": "mail", "iss": "https://id.example"},
        {"aud": "board", "iss": "https://evil.example"},
    ):
        with pytest.raises(BadToken):
            ours.identify(a_token(**claims))


def test_a_header_brings_a_token_only_as_a_bearer() -> None:
    assert [bearer(header) for header in ("Bearer x", "bearer  x ", "Basic x", "x", None)] == ["x", "x", None, None, None]


async def test_the_keys_of_an_issuer_are_fetched_and_those_that_are_gone_sign_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "REFRESH_S", 0.01)
    first, second = (ECKey.generate_key("P-256", {"kid": name}) for name in ("one", "two"))
    published = [first]

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [key.as_dict(private=False) for key in published]})

    app = web.Application()
    app.router.add_get("/jwks.json", keys)
    async with TestServer(app) as server:
        issuer = check(jwt_secret=None, jwks_url=str(server.make_url("/jwks.json")))
        with pytest.raises(Refused) as refused:
            issuer.identify(a_token(first, "ES256"))
        assert refused.value.code is ErrorCode.NOT_READY
        fetching = asyncio.create_task(issuer.fetch_forever())

        def names(token: str) -> bool:
            try:
                return issuer.identify(token).name == "an analyst"
            except (BadToken, Refused):
                return False

        await reached(lambda: names(a_token(first, "ES256")), "a key that was fetched")
        assert not names(a_token())
        published[:] = [second]
        await reached(lambda: names(a_token(second, "ES256")), "the next key")
        assert not names(a_token(first, "ES256"))
        fetching.cancel()


# what a client may do with it


class Account:
    """A client of a gateway with accounts."""

    def __init__(self, board: Board, events: Recents) -> None:
        self.subscriber = Subscriber(board, events, ClientLimits(), 0, check().identify)
        self.view = Viewer()
        self.read()

    def read(self) -> list[Any]:
        return [self.view.take(message) for message in self.subscriber.drain(0)]

    def send(self, text: str) -> list[Any]:
        self.subscriber.receive(text, 0)
        return self.read()

    def show(self, **claims: Any) -> list[Any]:
        return self.send(json.dumps({"op": "auth", "token": a_token(**claims)}))


@pytest.fixture
def account(board: Board, events: Recents) -> Account:
    return Account(board, events)


def test_nothing_is_given_before_a_token_was_shown(account: Account) -> None:
    (refused,) = account.send('{"op":"sub","ch":"px"}')
    assert (refused["code"], account.subscriber.asked) == (ErrorCode.AUTH_NEEDED, False)
    assert account.show()[0]["op"] == "ok"
    assert account.send('{"op":"sub","ch":"px"}')[0]["op"] == "ok"


def test_a_channel_that_the_token_is_not_good_for_is_refused(account: Account) -> None:
    account.show(channels=["px"])
    assert account.send('{"op":"sub","ch":"alert"}')[0]["code"] == ErrorCode.NOT_ALLOWED
    assert account.send('{"op":"sub","ch":"px"}')[0]["op"] == "ok"


def test_a_wrong_token_and_one_that_is_good_for_less_end_the_connection(board: Board, events: Recents) -> None:
    stranger = Account(board, events)
    stranger.send('{"op":"auth","token":"x"}')
    narrower = Account(board, events)
    narrower.show()
    narrower.send('{"op":"sub","ch":"px"}')
    narrower.show(channels=["alert"])
    for client in (stranger, narrower):
        assert client.subscriber.close is not None
        assert client.subscriber.close.code is CloseCode.BAD_TOKEN


def test_a_token_lasts_until_its_end_and_a_newer_one_further(account: Account) -> None:
    account.show(exp=NOW_S + 10)
    account.show(exp=NOW_S + 20)
    account.subscriber.expire(NOW_MS + 19_999)
    assert account.subscriber.close is None
    account.subscriber.expire(NOW_MS + 20_000)
    assert account.subscriber.close is not None
    assert account.subscriber.close.code is CloseCode.TOKEN_EXPIRED
    assert 4_000 <= CloseCode.TOKEN_EXPIRED < 4_500 <= CloseCode.BAD_TOKEN


# over sockets


async def test_a_stream_with_a_token_gets_rows_and_one_without_or_with_a_wrong_one_is_told(
    board: Board, events: Recents, put: Any
) -> None:
    put("VNM", fragment=encode(["VNM", *[7] * (len(CHANNELS["px"].columns) - 1)]))
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: NOW_MS, reason=str)

    async def first_told(token: str | None) -> object:
        async def give() -> str:
            return token or ""

        async with MarketStream(str(server.make_url("/v1/ws")), token=None if token is None else give) as stream:
            await stream.subscribe("px", "VNM")
            async for told in stream:
                if isinstance(told, Rows):
                    return told.rows["VNM"]
        return None

    async with TestServer(Gateway(settings(), fanout, str).application()) as server, asyncio.timeout(PATIENCE_S):
        assert await first_told(a_token())
        with pytest.raises(CommandRefused):
            await first_told(None)
        with pytest.raises(StreamEnded):
            await first_told("wrong")


async def test_rest_wants_a_token_that_is_good_for_what_is_asked(board: Board, events: Recents, put: Any) -> None:
    put("VNM", value=7)
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: NOW_MS, reason=str)
    of_prices, of_alerts = ({"Authorization": f"Bearer {a_token(channels=[channel])}"} for channel in ("px", "alert"))
    async with TestServer(Gateway(settings(), fanout, str).application()) as server, aiohttp.ClientSession() as http:

        async def status(path: str, headers: dict[str, str], method: str = "GET") -> int:
            async with http.request(method, server.make_url(path), headers=headers) as answer:
                assert answer.status != 401 or answer.headers["WWW-Authenticate"] == "Bearer"
                return answer.status

        assert await status("/api/v1/snapshot/px", of_prices) == 200
        assert await status("/api/v1/snapshot/px", of_alerts) == 403
        assert await status("/api/v1/snapshot/px", {}) == 401
        assert await status("/api/v1/snapshot/px", {"Authorization": "Bearer x"}) == 401
        assert await status("/api/v1/symbols", of_prices) == 403
        assert await status("/api/v1/alerts?day=20261120", of_alerts) == 403
        # A browser asks this before it may send a token; health is nobody's secret.
        assert await status("/api/v1/snapshot/px", {}, "OPTIONS") == 204
        assert await status("/healthz", {}) == 200


async def test_an_event_stream_wants_a_token_too_and_ends_with_it(
    board: Board, events: Recents, put: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanouts, "_WATCH_S", 0.0)
    put("VNM", fragment=encode(["VNM", *[7] * (len(CHANNELS["px"].columns) - 1)]))
    now_ms = NOW_MS
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: now_ms, reason=str)
    headers = {name: {"Authorization": f"Bearer {a_token(channels=[name])}"} for name in ("px", "alert")}
    async with (
        TestServer(Gateway(settings(), fanout, str).application()) as server,
        aiohttp.ClientSession() as http,
        asyncio.timeout(PATIENCE_S),
    ):
        url = server.make_url("/v1/stream?px=VNM")
        for given, status in (({}, 401), ({"Authorization": "Bearer x"}, 401), (headers["alert"], 403)):
            async with http.get(url, headers=given) as answer:
                assert answer.status == status
        watching = asyncio.create_task(fanout.watch_forever())
        async with http.get(url, headers=headers["px"]) as answer:
            while b'"op":"snap"' not in await answer.content.readline():
                pass
            now_ms = (FOR_EVER + 1) * 1_000
            rest = await answer.content.read()
        watching.cancel()
    assert b'"op":"close","code":4011' in rest


# settings


def test_a_gateway_with_accounts_may_be_reached_from_outside() -> None:
    settings(host="0.0.0.0").require_safe_bind()
    with pytest.raises(InsecureBind):
        settings(host="0.0.0.0", jwt_secret=None).require_safe_bind()


@pytest.mark.parametrize(
    "wrong",
    [
        {"jwt_secret": "short"},
        {"jwks_url": "https://id.example/jwks.json"},
        {"jwt_secret": None, "jwt_audience": "board"},
        {"jwt_secret": None, "jwks_url": "id.example"},
    ],
    ids=["a short secret", "two ways", "an audience and no accounts", "no URL"],
)
def test_settings_that_make_no_accounts_are_refused_without_the_secret(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as error:
        settings(**wrong)
    assert SECRET not in str(error.value.errors(include_input=False))
