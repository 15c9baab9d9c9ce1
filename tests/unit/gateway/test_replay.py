"""The past played again: the frames that the live channel sent, out of the archive's real tables, at the pace asked for."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import clickhouse_connect
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from clickhouse_connect.driver.client import Client as Engine
from hypothesis import given
from hypothesis import strategies as st

from connectors.clickhouse import migrations
from connectors.clickhouse.core import rows
from gateway.app import Gateway
from gateway.core import replay
from gateway.core.access import Identity
from gateway.core.board import Board
from gateway.core.channels import CHANNELS
from gateway.core.errors import ArchiveAway
from gateway.core.events import Recents
from gateway.core.history import Statement
from gateway.core.limits import ClientLimits
from gateway.core.replay import LOGS, PastEvent, PastPlace, ReplayPace, ReplayPlan, take_due
from gateway.core.selection import Selection
from gateway.core.status import Connectors
from gateway.core.subscriber import Subscriber
from gateway.fanout import Client, Fanout
from gateway.replays import Replays
from gateway.settings import GatewaySettings
from pipelines.core.indices import Index
from schemas.position import Position
from schemas.stock_v1 import ErrorCode
from schemas.structs import AlertsFrame, BasisFrame, CandlesFrame, IndexEvent, IndexFrame
from schemas.topics import MARKET_ALERTS, MARKET_BASIS, MARKET_CANDLES, MARKET_INDICES, encode
from schemas.units import Price, Symbol, UnixMs
from tests.builders import DAY, a_basis_event, a_candle_event, an_alert, moment
from tests.patience import PATIENCE_S, reached
from tests.unit.gateway.conftest import Peer, Viewer, Writing
from tests.wire_client import Wire

NINE, TEN = moment("09:00:00"), moment("10:00:00")


def an_index(symbol: str, ts: str, value: int) -> Any:
    return IndexEvent(
        symbol=Symbol(symbol), day=DAY, ts_ms=moment(ts), value=Price(value), prior_value=Price(127_000), volume=1,
        traded_value=2, put_through_volume=3, put_through_value=4, advances=0, no_changes=0, declines=0, ceilings=0, floors=0,
        session="LO",
    )  # fmt: skip


class Published(NamedTuple):
    """Messages of a topic, and the symbols of their events in the order in which they are played."""

    topic: Any
    frames: list[Any]
    order: list[str]


PUBLISHED = {
    "candle": Published(
        MARKET_CANDLES,
        [CandlesFrame(events=[a_candle_event("VNM", "09:30:00"), a_candle_event("HPG", "09:16:00")]),
         CandlesFrame(events=[a_candle_event("VNM", "09:31:00", usual_volume=7, usual_days=20)])],
        ["HPG", "VNM", "VNM"],
    ),
    "alert": Published(
        MARKET_ALERTS,
        [AlertsFrame(events=[an_alert("a2", "09:40:00", symbol="VNM", data={"price": 64_200, "pct": 1.5, "of": "day"}),
                             an_alert("a3", "09:40:00", symbol="HPG", message_vi="chạm trần")]),
         AlertsFrame(events=[an_alert("a4", "09:41:00", symbol="VN30")])],
        ["VNM", "HPG", "VN30"],
    ),
    "index": Published(
        MARKET_INDICES,
        [IndexFrame(events=[an_index("VN30", "09:20:00", 127_300), an_index("VNINDEX", "09:20:00", 120_000)]),
         IndexFrame(events=[an_index("VN30", "09:20:01", 127_310)])],
        ["VN30", "VNINDEX", "VN30"],
    ),
    "basis": Published(
        MARKET_BASIS,
        [BasisFrame(events=[a_basis_event(ts="09:20:00"), a_basis_event(ts="09:20:01", stale=True)])],
        [a_basis_event().symbol] * 2,
    ),
}  # fmt: skip
EACH = pytest.mark.parametrize("channel", LOGS)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The archive's tables in memory, filled by the sink's own code."""
    engine = clickhouse_connect.get_client(interface="chdb", path=":memory:")
    migrations.migrate(engine, "default")
    types: dict[str, dict[str, str]] = {}
    for table, column, kind in engine.query(
        "SELECT table, name, type FROM system.columns WHERE database = 'default'"
    ).result_rows:
        types.setdefault(table, {})[column] = kind
    for published in PUBLISHED.values():
        decoded = [
            rows.decode(Position(published.topic.name, 0, offset), 0, encode(frame))
            for offset, frame in enumerate(published.frames)
        ]
        for block in rows.blocks(decoded, types)[0]:
            engine.raw_insert(block.table, block.names, rows.encoded(block, types).encoded, fmt="Native")
    yield engine
    engine.close()


def answer(engine: Engine, sql: str, parameters: dict[str, str]) -> Any:
    body = engine.raw_query(
        sql.removesuffix(" FORMAT JSONCompact"), parameters=parameters, fmt="JSONCompact",
        settings={"output_format_json_quote_64bit_integers": 0},
    )  # fmt: skip
    return json.loads(body)


def a_plan(board: Board, channel: str, *words: str, from_ms: int = NINE, to_ms: int = TEN, speed: float = 0.0) -> ReplayPlan:
    selection = Selection.of(words or ["*"])
    named = None if selection.everything else board.directory.members(selection)
    return ReplayPlan(1, channel, board.directory.audience(selection), named, UnixMs(from_ms), UnixMs(to_ms), speed)


def played(engine: Engine, plan: ReplayPlan) -> list[PastEvent]:
    found: list[PastEvent] = []
    after: PastPlace | None = None
    while True:
        asked = plan.statement(after)
        events, after = plan.events(answer(engine, asked.sql, dict(asked.parameters))["data"])
        found += events
        if after is None:
            return found


@EACH
@pytest.mark.parametrize("page", [1, 2, 1_000])
def test_every_event_comes_once_in_the_order_of_the_market_however_long_a_page_is(
    channel: str, page: int, engine: Engine, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE", page)
    found = played(engine, a_plan(board, channel))
    published = PUBLISHED[channel]
    assert [_symbol(channel, event) for event in found] == published.order
    assert [event.place for event in found] == sorted({event.place for event in found})


def _symbol(channel: str, event: PastEvent) -> str:
    decoded = json.loads(event.body)
    return str(decoded["symbol"] if channel in ("alert", "candle") else decoded[0])


@pytest.mark.parametrize("channel", ["alert", "candle"])
def test_an_event_is_what_was_published(channel: str, engine: Engine, board: Board) -> None:
    found = {event.body for event in played(engine, a_plan(board, channel))}
    assert found == {encode(event) for frame in PUBLISHED[channel].frames for event in frame.events}


def test_a_row_of_a_future_is_what_was_published(engine: Engine, board: Board) -> None:
    (frame,) = PUBLISHED["basis"].frames
    columns = CHANNELS["basis"].columns
    assert [json.loads(event.body) for event in played(engine, a_plan(board, "basis"))] == [
        [getattr(event, name) for name in columns] for event in frame.events
    ]


@given(st.builds(
    Index, day=st.just(DAY), ts_ms=st.just(NINE), value=st.integers(1, 10**6), prior_value=st.integers(0, 10**6),
    advances=st.integers(0, 1), floors=st.integers(0, 1),
))  # fmt: skip
def test_a_row_of_an_index_is_the_one_that_the_pipeline_made(new_board: Any, index: Index) -> None:
    event, row = index.event(Symbol("VN30")), index.row(Symbol("VN30"), 1)
    values = [getattr(event, name) for name in IndexEvent.__struct_fields__]  # type: ignore[attr-defined]
    (past,), _ = a_plan(new_board(), "index").events([[*values, NINE, 0, 1, 0]])
    assert past.body == encode(tuple(getattr(row, name) for name in CHANNELS["index"].columns))


@EACH
def test_only_what_was_chosen_comes(channel: str, engine: Engine, board: Board) -> None:
    symbol = PUBLISHED[channel].order[0]
    assert {_symbol(channel, event) for event in played(engine, a_plan(board, channel, symbol))} == {symbol}
    assert played(engine, a_plan(board, channel, "NOSUCH")) == []
    hostile = a_plan(board, channel, "x') OR 1=1 --", "\\", "'")
    assert "OR 1=1" not in hostile.statement(None).sql
    assert played(engine, hostile) == []


@EACH
def test_the_end_is_not_played_and_the_beginning_is(channel: str, engine: Engine, board: Board) -> None:
    times = [event.place.ts_ms for event in played(engine, a_plan(board, channel))]
    some = played(engine, a_plan(board, channel, from_ms=times[0], to_ms=times[-1]))
    assert [event.place.ts_ms for event in some] == [ts_ms for ts_ms in times if ts_ms < times[-1]]


# the pace


def past(*times_ms: int, size: int = 1) -> list[PastEvent]:
    return [PastEvent(PastPlace(ts_ms, 0, number, 0), b"x" * size) for number, ts_ms in enumerate(times_ms)]


def test_what_is_due_follows_the_speed_and_stands_still_while_nobody_reads(board: Board) -> None:
    events = past(NINE, NINE + 1_000, NINE + 60_000)
    pace = ReplayPace(a_plan(board, "alert", speed=10.0), now_ms=500)
    assert [pace.due(events, now_ms) for now_ms in (500, 599, 600, 6_499, 6_500)] == [1, 1, 2, 2, 3]
    assert pace.wait_ms(NINE + 60_000, 600) == 5_900
    pace.hold(1_000)
    assert [pace.due(events, now_ms) for now_ms in (1_599, 1_600, 7_499, 7_500)] == [1, 2, 2, 3]


def test_at_speed_0_everything_is_due(board: Board) -> None:
    pace = ReplayPace(a_plan(board, "alert", speed=0.0), now_ms=0)
    assert (pace.due(past(NINE, TEN), 0), pace.wait_ms(TEN, 0)) == (2, 0)


def test_no_more_is_written_at_a_time_than_a_message_has() -> None:
    assert take_due(past(*range(10)), 10) == 10
    assert take_due(past(*range(10), size=replay.MESSAGE_BYTES // 2), 10) == 2
    assert take_due(past(1, size=2 * replay.MESSAGE_BYTES), 1) == 1


# what may be asked for


def ask(**more: Any) -> dict[str, Any]:
    return {"op": "replay", "id": 1, "ch": "candle", "from": NINE, "to": TEN} | more


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (ask(ch="px"), ErrorCode.BAD_REPLAY),
        (ask(ch="tape"), ErrorCode.UNKNOWN_CHANNEL),
        (ask(to=NINE), ErrorCode.BAD_REPLAY),
        (ask(to=NINE + replay.MOST_MS + 1), ErrorCode.BAD_REPLAY),
        (ask(**{"from": -1}), ErrorCode.BAD_REPLAY),
        (ask(to=10**30, **{"from": 10**30 - 1}), ErrorCode.BAD_REPLAY),
        (ask(speed=-1), ErrorCode.BAD_MESSAGE),
        (ask(speed=1e9), ErrorCode.BAD_MESSAGE),
        (ask(sym=["@NOSUCH"]), ErrorCode.UNKNOWN_SYMBOL),
        (ask(sym=[f"S{number}" for number in range(2_001)]), ErrorCode.TOO_MANY_SYMBOLS),
        ({"op": "replay", "ch": "candle"}, ErrorCode.BAD_MESSAGE),
        ({"op": "stop"}, ErrorCode.NOT_SUBSCRIBED),
    ],
)
def test_what_cannot_be_played_is_refused(peer: Peer, command: dict[str, Any], code: ErrorCode) -> None:
    assert peer.send(**command)["code"] == code
    assert peer.subscriber.replay is None


def test_on_one_connection_a_channel_is_live_or_past(peer: Peer) -> None:
    peer.send(op="sub", ch="candle")
    assert peer.send(**ask())["code"] == ErrorCode.CHANNEL_IN_USE
    peer.send(**ask(ch="alert"))
    peer.subscriber.begin_replay()
    assert peer.read()[-1]["op"] == "ok"
    assert peer.send(op="sub", ch="alert")["code"] == ErrorCode.CHANNEL_IN_USE
    assert peer.send(**ask(ch="index"))["code"] == ErrorCode.CHANNEL_IN_USE
    assert peer.send(op="sub", ch="index")["op"] == "ok"
    assert peer.send(op="stop", id=9)["id"] == 9
    assert (peer.messages[-1]["op"], peer.messages[-1]["why"]) == ("replayed", "stopped")
    assert peer.send(op="sub", ch="alert")["op"] == "ok"


def test_a_replay_needs_a_token_that_is_good_for_the_channel_and_for_the_past(board: Board, events: Recents) -> None:
    for channels, code in (
        (["candle"], ErrorCode.NOT_ALLOWED),
        (["history"], ErrorCode.NOT_ALLOWED),
        (["candle", "history"], None),
    ):
        identity = Identity("me", 10**15, frozenset(channels))
        subscriber = Subscriber(board, events, ClientLimits(), 0, lambda _, whom=identity: whom, identity)  # type: ignore[misc]
        view = Viewer()
        subscriber.receive(json.dumps(ask()), 0)
        said = [view.take(message) for message in subscriber.drain(0)]
        assert said[-1].get("code") == code
        assert (subscriber.replay is None) is (code is not None)


# played


class Holding(Writing):
    """The writing side of a client that reads when it is told to."""

    def __init__(self) -> None:
        self.view = Viewer()
        self.writable = True

    def write(self, payloads: Any) -> int:
        assert self.writable
        return len([self.view.take(payload) for payload in payloads])


class Shelf:
    """An archive with alerts of VNM."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked = 0

    async def rows(self, asked: Statement) -> list[list[Any]]:
        self.asked += 1
        first = int(asked.parameters.get("offset", -1)) + 1
        return [
            ["a", "r", "k", "info", "VNM", "up", DAY, NINE, f"{offset}", "", "{}", NINE, 0, offset, 0]
            for offset in range(first, min(self.count, first + replay.PAGE))
        ]


async def test_a_client_that_does_not_read_is_waited_for_and_loses_nothing(board: Board, events: Recents) -> None:
    outlet, shelf = Holding(), Shelf(2_500)
    client = Client(Subscriber(board, events, ClientLimits(), 0), outlet, print, 0)
    replays = Replays(shelf, 1, lambda: 0)  # type: ignore[arg-type] # it answers as the archive does
    client.subscriber.receive(json.dumps(ask(ch="alert", speed=0)), 0)
    replays.follow(client)
    await reached(lambda: len(outlet.view.messages) > 10, "a beginning")
    outlet.writable = False
    asked = shelf.asked
    for _ in range(100):
        await asyncio.sleep(0)
    # No page is fetched for somebody who does not take the one that is there.
    assert shelf.asked <= asked + 1
    outlet.writable = True
    await reached(lambda: outlet.view.messages[-1]["op"] == "replayed", "the end")
    told = [message["data"]["message"] for message in outlet.view.messages if message["op"] == "event"]
    assert told == [f"{number}" for number in range(2_500)]
    assert all(
        message["replay"] is True and message["cursor"] is None for message in outlet.view.messages if message["op"] == "event"
    )


@asynccontextmanager
async def serving(board: Board, events: Recents, archive_url: str, **more: Any) -> AsyncIterator[Any]:
    """Makes connections to a gateway with this archive."""
    fanout = Fanout(board, events, Connectors(), ClientLimits(), lambda: 0, reason=str)
    settings = GatewaySettings(**{"kafka": {}, "topic_prefix": "", "archive_url": archive_url} | more)
    async with TestServer(Gateway(settings, fanout, str).application()) as server, AsyncExitStack() as stack:

        async def connect() -> Wire:
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Wire(await stack.enter_async_context(http.ws_connect(server.make_url("/v1/ws"))))

        yield connect


@pytest_asyncio.fixture
async def archive_url(engine: Engine) -> AsyncIterator[str]:
    async def run(request: web.Request) -> web.Response:
        parameters = {name.removeprefix("param_"): value for name, value in request.query.items() if name.startswith("param_")}
        return web.json_response(answer(engine, await request.text(), parameters))

    app = web.Application()
    app.router.add_post("/", run)
    async with TestServer(app) as server:
        yield str(server.make_url("/"))


async def until(wire: Wire, *ops: str) -> list[dict[str, Any]]:
    """The messages up to one of a kind."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["op"] not in ops:
        found.append(await wire.message())
    return found


async def test_a_replay_has_the_frames_of_the_live_channel(board: Board, events: Recents, archive_url: str) -> None:
    async with serving(board, events, archive_url) as connect:
        wire = await connect()
        await wire.socket.send_json(ask(ch="candle", speed=0))
        *_, accepted, first, second, third, last = await until(wire, "replayed")
        assert (accepted["op"], accepted["id"], accepted["ch"]) == ("ok", 1, "candle")
        assert [message["data"]["symbol"] for message in (first, second, third)] == PUBLISHED["candle"].order
        assert (last["ch"], last["why"]) == ("candle", "end")
        await wire.socket.send_json(ask(ch="index", speed=100_000, sym=["VN30"]))
        _, columns, *deltas, last = await until(wire, "replayed")
        assert (columns["op"], columns["rows"], columns["replay"]) == ("snap", [], True)
        values = [dict(zip(columns["cols"], row, strict=True))["value"] for delta in deltas for row in delta["rows"]]
        assert values == [127_300, 127_310]


async def test_one_that_is_stopped_ends_and_so_does_that_of_a_client_that_leaves(
    board: Board, events: Recents, archive_url: str
) -> None:
    async with serving(board, events, archive_url, max_replays=1) as connect:
        first, second = await connect(), await connect()
        # The first of it is due in an hour.
        await first.socket.send_json(ask(ch="alert", **{"from": NINE - 3_600_000}))
        await until(first, "ok")
        await second.socket.send_json(ask(ch="alert", speed=0))
        refused = (await until(second, "err"))[-1]
        assert (refused["code"], refused["retry_ms"] > 0) == (ErrorCode.TOO_MANY_REPLAYS, True)
        await first.socket.send_json({"op": "stop", "id": 2})
        assert (await until(first, "replayed"))[-1]["why"] == "stopped"
        await first.socket.send_json(ask(ch="alert", **{"from": NINE - 3_600_000}))
        await until(first, "ok")
        await first.socket.close()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await second.socket.send_json(ask(ch="alert", speed=0))
                if (await until(second, "err", "replayed"))[-1]["op"] == "replayed":
                    break
                await asyncio.sleep(0.2)


async def test_an_archive_that_is_away_is_said_and_what_is_live_goes_on(board: Board, events: Recents, put: Any) -> None:
    put("VNM", fragment=encode(["VNM", *[7] * (len(CHANNELS["px"].columns) - 1)]))
    async with serving(board, events, "http://127.0.0.1:1/") as connect:
        wire = await connect()
        await wire.socket.send_json(ask())
        assert (await until(wire, "err"))[-1]["code"] == ErrorCode.ARCHIVE_AWAY
        await wire.subscribe("px")
        assert wire.shown["px"].keys() == {"VNM"}


async def test_an_archive_that_fails_in_the_middle_ends_the_replay_with_why(board: Board, events: Recents) -> None:
    class Torn(Shelf):
        async def rows(self, asked: Statement) -> list[list[Any]]:
            if self.asked:
                raise ArchiveAway("the archive cannot answer this now", "killed")
            return await super().rows(asked)

    outlet = Holding()
    client = Client(Subscriber(board, events, ClientLimits(), 0), outlet, print, 0)
    client.subscriber.receive(json.dumps(ask(ch="alert", speed=0)), 0)
    Replays(Torn(2_500), 1, lambda: 0).follow(client)  # type: ignore[arg-type]
    await reached(lambda: outlet.view.messages[-1:] and outlet.view.messages[-1]["op"] == "replayed", "the end")
    last = outlet.view.messages[-1]
    assert (last["why"], last["msg"]) == ("failed", "the archive cannot answer this now")
    assert sum(message["op"] == "event" for message in outlet.view.messages) == replay.PAGE
