"""Faults on a real socket: each is seen by a client as it would be, and each is in the truth, record by record."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import time
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from connectors.ssi import client as ssi_client
from connectors.ssi.client import now_us
from connectors.ssi.core import backoff
from connectors.ssi.core.backoff import SsiBackoff
from connectors.ssi.core.market_clock import MarketTime
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.rest import SsiRest
from connectors.ssi.session import Session
from connectors.ssi.settings import SsiSettings
from connectors.ssi.simulator.captures import read_day
from connectors.ssi.simulator.core.garble import UNKNOWN_TYPE
from connectors.ssi.simulator.core.truth import SimulatorStatus
from connectors.ssi.simulator.played_day import PlayedDay
from schemas.calendar import at
from schemas.topics import SSI_DLQ
from schemas.units import TradingDay, UnixMs
from stock_tracker.errors import NoTruth
from stock_tracker.verify.core.published import Published
from stock_tracker.verify.core.records import compare_records
from stock_tracker.verify.sent import sent_by
from tests.days_made_once import make_days_once
from tests.patience import reached
from tests.simulator_client import ALL, DAY, Client, running


@pytest.fixture(autouse=True)
def _days_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market day is immutable: the simulators of all tests share theirs."""
    make_days_once(monkeypatch)


@pytest.fixture
def schedule(tmp_path: Path) -> Callable[..., str]:
    """Writes a schedule with these entries to a file, and gives its name."""

    def write(*entries: str) -> str:
        path = tmp_path / "faults.toml"
        path.write_text("\n".join(f"[[fault]]\n{entry}" for entry in entries))
        return str(path)

    return write


async def next_end(ws: aiohttp.ClientWebSocketResponse, client: Client) -> aiohttp.WSMessage:
    """Take what comes until the connection ends, and return how it does."""
    while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
        client.take(message.data)
    return message


async def ask(client: Client, method: str, path: str, **kwargs: Any) -> tuple[int, str]:
    async with client.http.request(method, f"{client.base}{path}", **kwargs) as response:
        return response.status, await response.text()


# -- connections


async def test_a_scheduled_drop_comes_after_all_that_was_due_and_before_the_rest(schedule: Callable[..., str]) -> None:
    faults = schedule('fault = "drop"\nat = "09:15:02"')
    for _ in range(2):
        async with running(faults=faults) as a_client:
            client = a_client()
            async with client.connected() as ws:
                await client.subscribe(ws)
                await next_end(ws, client)
                assert ws.close_code == 1006
            truth = await client.truth()
            sent = await client.sent(1)
        # Everything before that moment arrived, in order, and nothing after it.
        assert [
            json.dumps({"DataType": kind, "Content": content}, separators=(",", ":")) for kind, content in client.received
        ] == [line.argument for line in sent]
        delivered = [line for line in truth.prints if line.connections]
        assert max(line.due_ms for line in delivered) < at(DAY, 9, 15, 2)
        assert all(line.connections for line in truth.prints if at(DAY, 9, 14, 50) < line.due_ms < at(DAY, 9, 15, 2))
        assert truth.withheld
        (fault,) = truth.faults
        assert (fault.fault, fault.entry, fault.ms, fault.connections) == ("drop", 1, at(DAY, 9, 15, 2), (1,))


async def test_a_close_has_its_code_and_reason() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.until(lambda status: status["records"] > 0)
            await client.fault(fault="close", code=1011, reason="Connection has been blocked, quota 60 exceeded by 1")
            end = await next_end(ws, client)
        assert (end.data, end.extra) == (1011, "Connection has been blocked, quota 60 exceeded by 1")
        (connection,) = (await client.status())["connections"]
        assert connection["ended"] == "server_closed"
        assert connection["records"] == len(client.received)


async def test_a_server_that_shuts_down_says_so_first() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.fault(fault="shutdown")
            assert json.loads(await ws.receive_str())["S"] == 1
            assert json.loads(await ws.receive_str())["T"] == 1


async def test_a_half_open_connection_neither_speaks_nor_hears_and_what_it_misses_is_in_the_truth() -> None:
    async with running(speed=100, end=time(9, 45)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.until(lambda status: status["records"] > 500)
            await client.fault(fault="silence")
            await client.subscribe(ws, "MI:ALL")
            status = await client.until(lambda status: status["connections"][0]["skipped"] > 100)
            assert status["connections"][0]["channels"] == ALL
            await client.order("hold")

            async def all_that_was_due_is_missed() -> bool:
                status, before = await client.status(), len((await client.truth()).affected)
                return bool(status["connections"][0]["skipped"] == before == len((await client.truth()).affected))

            await reached(all_that_was_due_is_missed, "a market that stands")
            truth = await client.truth()
        (fault,) = truth.faults
        assert fault.records == {"withheld": len(truth.affected)}
        missed = Counter((line.symbol, line.due_ms) for line in truth.affected if line.channel == "R")
        assert missed == Counter((line.symbol, line.due_ms) for line in truth.foreign if line.due_ms > fault.ms)


async def test_a_slow_server_holds_back_and_loses_nothing() -> None:
    async with running(speed=20, end=time(9, 16), keep_alive_s=0.3) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.until(lambda status: status["records"] > 0)
            await client.fault(fault="slow", seconds=0.8)
            await client.read_until(ws, client.finished)
        assert {} in client.messages
        (connection,) = (await client.status())["connections"]
        assert (connection["skipped"], connection["records"]) == (0, len(client.received))


async def test_the_hub_reports_an_error_and_sends_what_is_no_message() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        async with client.connected() as ws:
            assert json.loads(await ws.receive_str())["S"] == 1
            await client.fault(fault="hub_error", text="Connection has been blocked, quota x exceeded by y")
            (told,) = json.loads(await ws.receive_str())["M"]
            assert (told["M"], told["A"]) == ("Error", ["Connection has been blocked, quota x exceeded by y"])
            await client.fault(fault="odd_message", text='{"message":"Unauthorized"}')
            assert await ws.receive_str() == '{"message":"Unauthorized"}'
        assert (await client.truth()).header.malformed == 1


class SlowReader:
    """A client that takes messages when it is told to, and keeps what a connector would have to publish or to reject."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self.taken: list[str] = []
        self.is_over = False

    async def take(self, at_least: int | None = None) -> None:
        """Read until it has so many things; until the end where no number is given."""
        while not self.is_over and (at_least is None or len(self.taken) < at_least):
            message = await self._ws.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                self.is_over = True
                return
            try:
                said = json.loads(message.data)
            except json.JSONDecodeError:
                self.taken.append(message.data)
                continue
            if "message" in said:
                self.taken.append(message.data)
            self.taken += [invocation["A"][0] for invocation in said.get("M", []) if invocation["M"] == "Broadcast"]


@pytest.mark.parametrize(
    ("fault", "ended"),
    [
        ({"fault": "drop"}, "dropped"),
        ({"fault": "close"}, "server_closed"),
        ({"fault": "shutdown"}, "server_closed"),
        ({"fault": "silence"}, None),
        ({"fault": "malformed"}, None),
    ],
    ids=lambda value: value["fault"] if isinstance(value, dict) else "",
)
async def test_the_books_tell_what_was_put_on_a_socket_and_what_its_client_has_read(
    fault: dict[str, Any], ended: str | None
) -> None:
    """The client is behind when the fault strikes. It has read all that the books say, and what it has read is what they say."""
    async with running(speed=100, end=time(9, 45)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            reader = SlowReader(ws)
            await reader.take(500)
            await client.until(lambda status: status["connections"][0]["put"] > len(reader.taken) + 100)
            await client.fault(**fault)
            if ended is not None:
                await client.until(lambda status: status["connections"][0]["ended"] == ended)
            (connection,) = (await client.status())["connections"]
            assert 0 < connection["read"] <= len(reader.taken), "it has not asked for more"
            await client.order("hold")
            if ended is not None:
                await reader.take()
            else:
                # One that reads on is found to have read all, but for what a silent server does not ask.
                at_least = connection["read"] if fault["fault"] == "silence" else (await client.status())["connections"][0]["put"]
                await reader.take(at_least)
            (connection,) = (await client.status())["connections"]
            sent = await client.sent(1)
        assert connection["put"] == len(sent)
        assert connection["read"] <= len(reader.taken) <= len(sent)
        assert reader.taken == [line.argument for line in sent[: len(reader.taken)]]


async def test_a_client_that_reads_on_is_known_to_have_read_everything() -> None:
    async with running(end=time(9, 15, 5)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws, "X-TRADE:ALL,X:ALL,B:ALL")
            await client.read_until(ws, client.finished)
            reading = asyncio.create_task(ws.receive())
            status = await client.until(lambda status: status["connections"][0]["read"] == status["connections"][0]["put"])
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            sent = await client.sent(1)
            # The verification asks likewise.
            assert await asyncio.to_thread(lambda: list(sent_by(client.base)(1))) == sent
            with pytest.raises(NoTruth, match="404"):
                await asyncio.to_thread(lambda: list(sent_by(client.base)(2)))
        assert status["connections"][0]["read"] == len(client.received) == len(sent) > 300
    for got, line in zip(client.received, sent, strict=True):
        if line.derived is None:
            assert line.argument is not None
            assert json.loads(line.argument)["DataType"] == got.data_type
        else:
            assert line.follows is not None
            followed = json.loads(json.loads(line.follows)["Content"])
            content = json.loads(got.content)
            assert (line.derived, followed["Time"]) == (got.data_type, content["Time"])
            assert followed.get("Symbol", followed.get("IndexId", "").upper()) == content["Symbol"]


class Feed:
    """The connector without Kafka: what it would have sent there is taken in by the verification."""

    def __init__(self, client: Client, published: Published, session: Session, stream: RecordStream, outbox: Outbox) -> None:
        self._client = client
        self._published = published
        self._session = session
        self._stream = stream
        self._outbox = outbox
        self._offsets: Counter[str] = Counter()
        self._task = asyncio.create_task(session.run())

    @classmethod
    def of(cls, client: Client, published: Published, feed: str = "a") -> "Feed":
        """One that connects at once."""
        url = f"{client.base}/"
        told = {"consumer_id": "demo", "consumer_secret": "demo", "api_url": url, "stream_url": url, "kafka": {}}
        settings = SsiSettings.model_validate({**told, "feed": feed, "channels": "ALL"})
        clock, outbox = StandingClock(), Outbox(1_000_000, 1_000_000_000)
        stream, rest = RecordStream(feed, 3, clock, outbox, "ALL"), SsiRest(client.http, settings)
        session = Session(client.http, rest, stream, clock, settings, SsiBackoff(lambda: 0.0, 0.05), NobodyElse, lambda: None)
        return cls(client, published, session, stream, outbox)

    def pump(self) -> None:
        """Publish what is due."""
        if self._task.done():
            self._task.result()
        self._stream.tick(now_us(), "up")
        self._publish()

    def _publish(self) -> None:
        while (outgoing := self._outbox.take()) is not None:
            offset = self._offsets[outgoing.topic]
            self._offsets[outgoing.topic] += 1
            if outgoing.cut is not None:
                self._published.see(outgoing.cut.partition, offset, outgoing.cut.frame)
            elif outgoing.topic == SSI_DLQ.name:
                self._published.reject(SSI_DLQ.decode(outgoing.value), offset)

    async def all_of_it(self, connections: int = 1) -> SimulatorStatus:
        """Wait until it has published all that was put on its connection, of so many at least; how the simulator was then."""
        held: list[SimulatorStatus] = []

        async def is_there() -> bool:
            self.pump()
            if (await self._client.clock())["state"] != "held":
                return False
            status = msgspec.json.decode(await self._client.get("/sim/status"), type=SimulatorStatus)
            last = status.connections[-1]
            # It counts anew on each connection: one that it has made in the meantime has as good as never the same number.
            if len(status.connections) < connections or last.ended is not None or not 0 < self.received == last.put:
                return False
            self._stream.flush()
            self._publish()
            held.append(status)
            return True

        await reached(is_there, "all that was put on the last connection")
        return held[0]

    @property
    def received(self) -> int:
        """What of its connection it has received."""
        return self._stream.received

    async def die(self) -> None:
        """End it; what was received since it last published is lost."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class StandingClock:
    """A market clock for days whose records may all be taken."""

    trouble = None

    def read(self, wall_ms: UnixMs) -> MarketTime:
        return MarketTime(at(DAY, 12, 0), DAY, DAY)

    def observe(self, day: TradingDay, ts_ms: UnixMs) -> None:
        pass


class NobodyElse:
    """What a feed hears of the others where there are none."""

    def is_any_up(self) -> bool | None:
        return False

    def close(self) -> None:
        pass


FAULTS: list[tuple[dict[str, Any], bool]] = [
    ({"fault": "slow", "seconds": 0.3}, False),
    ({"fault": "drop"}, True),
    ({"fault": "malformed"}, False),
    ({"fault": "close", "code": 1011}, True),
    ({"fault": "hub_error", "text": "There was an error"}, False),
    ({"fault": "shutdown"}, True),
    ({"fault": "expire_tokens"}, False),
    ({"fault": "odd_message", "text": '{"message":"Unauthorized","status":401}'}, True),
    ({"fault": "hub_error", "text": "504 timeout"}, True),
    ({"fault": "silence"}, True),
]
"""Faults, and whether the connection ends with each."""


async def test_what_the_connector_makes_of_each_fault_is_record_for_record_what_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every kind of record, while the market plays on; nothing that was read is missing, and what was not read is at an end."""
    monkeypatch.setattr(backoff, "FIRST_S", 0.02)
    monkeypatch.setattr(ssi_client, "WATCH_S", 0.02)
    published = Published()
    async with running(speed=25, start=time(9, 14), end=None, keep_alive_s=1.0) as a_client:
        client = a_client()
        feed = Feed.of(client, published)

        async def goes_on(after: dict[str, Any], more_connections: bool) -> bool:
            feed.pump()
            connections, before = (await client.status())["connections"], after["connections"]
            return (
                len(connections) >= len(before) + more_connections
                and connections[-1]["ended"] is None
                and connections[-1]["put"] > 100
                and sum(c["put"] for c in connections) > sum(c["put"] for c in before) + 100
            )

        struck = {"connections": list[Any]()}
        await reached(partial(goes_on, struck, True), "records")
        for fault, ends in FAULTS:
            struck = await client.status()
            await client.fault(**fault)
            await reached(partial(goes_on, struck, ends), f"more records after {fault}")
        await client.order("hold")

        status = await feed.all_of_it()
        sent = {connection.id: await client.sent(connection.id) for connection in status.connections}
        await feed.die()
    assert {line.derived for lines in sent.values() for line in lines} == {None, "X", "B"}
    assert {connection.ended for connection in status.connections} >= {"dropped", "server_closed", "client_closed", None}
    report = compare_records(status, published, sent.__getitem__, lambda _: (), {})
    assert report.differences == []
    assert report.put == report.published + report.count("unread")
    assert report.count("unread") <= sum(c.put - c.read for c in status.connections if c.ended is not None)


async def test_what_a_connector_took_with_it_when_it_died_is_excused_and_what_it_lost_in_life_is_not() -> None:
    published = Published()
    async with running(speed=50, start=time(9, 14), end=None) as a_client:
        client = a_client()
        first = Feed.of(client, published)
        await reached(lambda: first.received > 100, "records")
        first.pump()

        async def has_read_more_than_is_published() -> bool:
            (connection,) = (await client.status())["connections"]
            return bool(connection["read"] > published.records + 100)

        await reached(has_read_more_than_is_published, "records that wait for Kafka")
        await client.fault(fault="drop")
        await first.die()
        await client.order("hold")
        status = await client.status()
        second = Feed.of(client, published)

        told = await second.all_of_it(len(status["connections"]) + 1)
        sent = {connection.id: await client.sent(connection.id) for connection in told.connections}
        await second.die()
    last = max(published.streams)
    died = compare_records(told, published, sent.__getitem__, lambda _: (), {last: 1})
    assert died.differences == []
    assert died.count("killed") > 100
    assert died.put == died.published + died.count("killed") + died.count("unread")
    lived = compare_records(told, published, sent.__getitem__, lambda _: (), {last: 2})
    assert {difference.kind for difference in lived.differences} == {"lost_records"}
    assert lived.count("killed") == 0


# -- requests


@pytest.mark.parametrize(
    ("step", "method", "path"),
    [
        ("token", "POST", "/api/v2/Market/AccessToken"),
        ("rest", "GET", "/api/v2/Market/Securities"),
        ("negotiate", "GET", "/v2.0/signalr/negotiate"),
        ("connect", "GET", "/v2.0/signalr/connect"),
        ("start", "GET", "/v2.0/signalr/start"),
    ],
)
async def test_a_step_is_refused_once_with_any_status_and_body(step: str, method: str, path: str) -> None:
    async with running() as a_client:
        client = a_client()
        body = '{"message":"Unauthorized","status":401}'
        await client.fault(fault="refuse", step=step, status=502, body="Bad Gateway", retry_after=3)
        await client.fault(fault="refuse", step=step, body=body)
        async with client.http.request(method, f"{client.base}{path}") as response:
            assert (response.status, await response.text()) == (502, "Bad Gateway")
            assert response.headers["Retry-After"] == "3"
        assert await ask(client, method, path) == (200, body)
        assert (await ask(client, method, path))[1] != body
        assert [line.requests for line in (await client.truth()).faults] == [1, 1]


@pytest.mark.parametrize("step", ["negotiate", "connect", "rest"])
async def test_a_step_is_never_answered_until_the_client_gives_up(step: str) -> None:
    async with running() as a_client:
        client = a_client()
        await client.log_in()
        await client.negotiate()
        await client.fault(fault="unanswered", step=step)
        path = {"rest": "/api/v2/Market/Securities", "negotiate": "/v2.0/signalr/negotiate", "connect": "/v2.0/signalr/connect"}[
            step
        ]
        asked = asyncio.create_task(ask(client, "GET", path, params=client.query, headers=client.headers))

        async def is_met() -> bool:
            return [line.requests for line in (await client.truth()).faults] == [1]

        await reached(is_met, "the request that is not answered")
        assert not asked.done()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        # The next one is.
        assert (await ask(client, "GET", "/api/v2/Market/IndexList", headers=client.headers))[0] == 200


async def test_an_upgraded_connection_may_get_no_first_message() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        await client.fault(fault="unanswered", step="init")
        async with client.connected() as ws:
            await client.subscribe(ws)
            assert json.loads(await ws.receive_str()) == {"I": "0"}


async def test_a_subscription_is_answered_otherwise() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        await client.fault(fault="reply", error="There was an error", trace="   at F()")
        await client.fault(fault="reply", state={"filter": {}})
        await client.fault(fault="unanswered", step="subscribe")
        async with client.connected() as ws:
            await ws.receive_str()
            await client.subscribe(ws)
            assert json.loads(await ws.receive_str()) == {"I": "0", "E": "There was an error", "T": "   at F()"}
            await client.subscribe(ws, "R:HPG")
            assert json.loads(await ws.receive_str()) == {"I": "0", "S": {"filter": {}}}
            client.take(await ws.receive_str())
            assert {kind for kind, _ in client.received} == {"R"}


async def test_tokens_expire_when_they_are_to() -> None:
    async with running() as a_client:
        client = a_client()
        await client.log_in()
        assert (await ask(client, "GET", "/v2.0/signalr/negotiate", headers=client.headers))[0] == 200
        await client.fault(fault="expire_tokens")
        assert await ask(client, "GET", "/api/v2/Market/IndexList", headers=client.headers) == (
            200, '{"message":"Unauthorized","status":401}',
        )  # fmt: skip
        assert (await ask(client, "GET", "/v2.0/signalr/negotiate", headers=client.headers))[0] == 401
        await client.log_in()
        assert (await ask(client, "GET", "/v2.0/signalr/negotiate", headers=client.headers))[0] == 200


async def test_more_calls_than_the_quota_are_refused_in_ssis_words() -> None:
    async with running(quota="3/600") as a_client:
        client = a_client()
        await client.log_in()
        path = "/api/v2/Market/IndexList"
        assert [(await ask(client, "GET", path, headers=client.headers))[0] for _ in range(3)] == [200, 200, 429]
        assert (await ask(client, "GET", path))[1] == "API calls quota exceeded! maximum admitted 3 per 600 s."


# -- records


async def test_every_record_on_the_socket_is_in_the_books_whatever_the_faults_made_of_it(schedule: Callable[..., str]) -> None:
    faults = schedule(
        *(
            f'fault = "{fault}"\nprobability = 0.01'
            for fault in ("repeat", "withhold", "garble", "foreign_back", "stale_snapshot")
        ),
        'fault = "late"\nseconds = 2\nprobability = 0.01',
    )
    async with running(faults=faults, end=time(9, 17)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
        truth, sent, status = await client.truth(), await client.sent(1), await client.status()
    arguments = [i["A"][0] for message in client.messages for i in message.get("M", [])]
    assert arguments == [line.argument for line in sent]
    states = Counter(line.state for line in sent)
    assert states["garbled"] == status["connections"][0]["malformed"] == truth.header.malformed
    assert states["good"] + states["altered"] == status["connections"][0]["records"]
    effects = Counter(line.effect for line in truth.affected)
    assert all(effects[effect] for effect in ("repeated", "withheld", "garbled", "late"))
    assert effects["garbled"] == states["garbled"]
    for line in truth.affected:
        if line.argument is not None:
            assert line.argument in arguments
    # A print that was withheld or garbled was sent on no connection, unless it came in the snapshot.
    kept = {(a.symbol, a.due_ms) for a in truth.affected if a.effect in ("withheld", "garbled") and a.channel == "X-TRADE"}
    lost = {(p.symbol, p.due_ms) for p in truth.prints if not p.connections and p.due_ms > at(DAY, 9, 14, 50)}
    assert lost <= kept
    assert lost


async def test_a_bad_byte_is_on_the_wire_and_its_neighbours_are_not_touched() -> None:
    async with running(end=time(9, 15, 20)) as a_client:
        client = a_client()
        await client.fault(fault="bad_byte", channels=["X-TRADE"], count=3)
        await client.log_in()
        await client.negotiate()
        raw: list[bytes] = []
        url = f"{client.base}/v2.0/signalr/connect"
        async with client.http.ws_connect(url, params=client.query, headers=client.headers, decode_text=False) as ws:
            await client.subscribe(ws)  # type: ignore[arg-type]

            while True:
                try:
                    raw.append((await asyncio.wait_for(ws.receive(), 0.2)).data)
                except TimeoutError:
                    if await client.finished():
                        break
            sent = await client.sent(1)
        truth = await client.truth()
    assert sum(message.count(b'"Broadcast"') for message in raw) == len(sent)
    bad = [message for message in raw if b"\xff" in message]
    assert sum(message.count(b"\xff") for message in bad) == truth.header.malformed == 3
    assert any(message.count(b'"Broadcast"') > 1 for message in bad)


async def test_a_record_of_an_unknown_type_can_be_asked_for() -> None:
    async with running(end=time(9, 15, 5)) as a_client:
        client = a_client()
        await client.fault(fault="garble", how="type", symbols=["HPG"], channels=["X-TRADE"])
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
        (line,) = (await client.truth()).affected
    assert [json.loads(content)["Symbol"] for kind, content in client.received if kind == UNKNOWN_TYPE] == ["HPG"]
    assert (line.symbol, line.effect) == ("HPG", "garbled")


# -- what nobody knows of SSI's hub


async def test_a_hub_may_answer_a_subscription_without_a_snapshot() -> None:
    async with running(snapshot=False, speed=10) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await ws.receive_str()
            await client.subscribe(ws, "MI:ALL")
            assert json.loads(await ws.receive_str()) == {"I": "0"}
            client.take(await ws.receive_str())
    times = {json.loads(content)["Time"] for _, content in client.received}
    assert times == {"09:14:55"}, "the first that it gets is the next that is due"


async def test_a_second_subscription_may_add_to_the_first() -> None:
    async with running(second_subscription="adds", end=time(9, 16)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws, "MI:ALL")
            await client.subscribe(ws, "R:ALL")
            await client.read_until(ws, client.finished)
    late = {kind for kind, content in client.received if json.loads(content)["Time"] >= "09:15:30"}
    assert late == {"MI", "R"}


async def test_a_second_connection_of_a_key_may_end_the_first_and_only_that_keys() -> None:
    async with running(evict=True, consumer_id="demo,other", speed=1) as a_client:
        first, other, second = a_client(), a_client(), a_client()
        await other.log_in("other")
        async with first.connected() as ws, other.connected() as others:
            await first.subscribe(ws)
            await first.until(lambda status: status["records"] > 0)
            async with second.connected() as fresh:
                end = await next_end(ws, first)
                assert end.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
                assert json.loads(await fresh.receive_str())["S"] == 1
                assert json.loads(await others.receive_str())["S"] == 1
                status = await second.status()
                assert [connection["ended"] for connection in status["connections"]] == ["evicted", None, None]


# -- captured days


async def test_a_captured_day_is_played_to_the_letter(tmp_path: Path) -> None:
    async with running() as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
    arguments = [i["A"][0] for message in client.messages for i in message.get("M", [])]
    path = tmp_path / "day.jsonl"
    unreadable = ['{"DataType":"X","Content":"cut sh"}', '{"DataType":"NEWS","Content":"{}"}']
    path.write_text("\n".join([*arguments, *unreadable]))
    async with running(day=None, recording=path, start=None, end=None) as a_client:
        again = a_client()
        async with again.connected() as ws:
            await again.subscribe(ws)
            await again.read_until(ws, again.finished)
            status = await again.status()
        prices = await again.get("/api/v2/Market/DailyStockPrice?market=HOSE&pageSize=1000", headers=again.headers)
    assert again.received == [*client.received, ("X", "cut sh"), ("NEWS", "{}")]
    assert status["connections"][0]["malformed"] == 2
    assert len(json.loads(prices)["data"]) == 89


async def test_a_captured_day_is_not_looked_for_among_those_that_are_kept(tmp_path: Path) -> None:
    """A kept day is found by date and seed, of which a captured one has no seed."""
    argument = '{"DataType":"F","Content":"{\\"TradingDate\\":\\"23/11/2026\\",\\"Time\\":\\"09:00:00\\",\\"Symbol\\":\\"%s\\"}"}'
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    first.write_text(argument % "HPG")
    second.write_text(argument % "SSI")
    kept = PlayedDay(read_day(first), tmp_path, keep=True)
    kept.make_whole()
    kept.close()
    async with running(day=None, recording=second, start=None, end=None, cache=tmp_path) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws, "F:ALL")
            await client.read_until(ws, client.finished)
    assert [json.loads(content)["Symbol"] for _, content in client.received] == ["SSI"]
