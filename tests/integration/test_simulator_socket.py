"""The simulator on a real socket: what a client received is what the truth says, record for record."""

import asyncio
import json
import os
import socket
import struct
from collections import Counter
from datetime import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from pydantic import SecretStr, ValidationError
from yarl import URL

from connectors.ssi.simulator import playback, played_day
from connectors.ssi.simulator.core.errors import UnreadableTruth
from connectors.ssi.simulator.core.truth import ClockReading, SimulatorStatus, Truth
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS
from connectors.ssi.simulator.server import simulator
from schemas.calendar import at
from schemas.errors import PortTaken
from tests.days_made_once import make_days_once
from tests.proof import usually
from tests.simulator_client import DAY, Client, Received, prints_of, running, settings


@pytest.fixture(autouse=True)
def _days_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A market day is immutable: the simulators of all tests share theirs."""
    make_days_once(monkeypatch)


async def test_a_client_receives_what_the_truth_says_record_for_record() -> None:
    async with running(put_through="own", end=time(9, 20)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws, "ALL")
            await client.read_until(ws, client.finished)
            truth, status = await client.truth(), await client.status()

        connection = status["connections"][0]
        counts = Counter(kind for kind, _ in client.received)
        assert connection["sent"] == truth.header.sent
        assert {channel: count for channel, count in connection["sent"].items() if count} == counts
        assert connection["records"] == status["records"] == len(client.received)
        assert connection["skipped"] == 0

        sent = [line for line in truth.prints if line.connections]
        assert all(line.connections == (1,) for line in sent)
        told = [(line.symbol, line.total_vol, line.last_vol, line.price) for line in sent]
        assert len(told) > 300
        assert sorted(told) == sorted(prints_of(client))
        # What was due before the start was sent to nobody, but for the last of each symbol in the snapshot.
        assert {line.symbol for line in truth.withheld} <= {
            line.symbol for line in truth.prints if line.due_ms < at(DAY, 9, 14, 50)
        }

        deals = [json.loads(content) for kind, content in client.received if kind == "X-TRADE" and '"PT"' in content]
        agreed = [(d["Symbol"], d["TotalVol"], d["LastVol"], d["LastPrice"]) for d in deals]
        assert agreed
        assert agreed == [(line.symbol, line.total_vol, line.last_vol, line.price) for line in truth.deals if line.connections]

        steps = [json.loads(content) for kind, content in client.received if kind == "R"]
        today = [(s["Symbol"], s["BuyVol"], s["SellVol"], s["BuyVal"]) for s in steps if s["TradingDate"] == "23/11/2026"]
        assert sorted(today) == sorted((f.symbol, f.bought, f.sold, f.bought_value) for f in truth.foreign if f.connections)
        assert truth.header.sent_previous_day == sum('"23/11/2026"' not in content for _, content in client.received)

        assert sum(line.records for line in truth.sent) == len(client.received)
        assert {line.stream for line in truth.sent} == {"records", "X", "B"}
        assert all(line.records == sum(count for _, count in line.runs) for line in truth.sent)


async def test_the_messages_are_signalrs() -> None:
    async with running() as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
    first, answer, *data = client.messages
    assert first["S"] == 1
    assert first["M"] == []
    assert answer == {"I": "0"}
    assert all(list(message) == ["C", "M"] and 1 <= len(message["M"]) <= 50 for message in data)
    assert any(len(message["M"]) > 1 for message in data)
    assert all(i["H"] == "FcMarketDataV2Hub" and i["M"] == "Broadcast" for message in data for i in message["M"])
    assert len({message["C"] for message in data}) == len(data)


async def test_the_snapshot_is_the_last_record_of_everything_subscribed_to() -> None:
    async with running(start=time(8, 55), end=time(8, 55, 30), speed=1) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws, "X-TRADE:ALL")
            await client.until(lambda status: status["records"] >= 134)
            while len(client.received) < 134:
                client.take(await ws.receive_str())
            truth = await client.truth()
    contents = [json.loads(content) for _, content in client.received]
    assert len({content["Symbol"] for content in contents}) == 134
    assert contents[0]["Symbol"] == "HPG"
    dates = Counter(content["TradingDate"] for content in contents)
    assert dates == {"23/11/2026": 121, "20/11/2026": 13}
    assert truth.header.sent_previous_day == 13
    assert truth.header.sent_without_match == 121
    assert truth.prints == []


async def test_the_same_records_come_at_any_speed() -> None:
    streams = []
    for speed in ("max", 100):
        async with running(speed=speed, end=time(9, 15, 20)) as a_client:
            client = a_client()
            async with client.connected() as ws:
                await client.subscribe(ws)
                await client.read_until(ws, client.finished)
            streams.append(client.received)
    assert streams[0] == streams[1]


async def test_the_clock_waits_for_a_client_runs_to_its_end_and_stands_still() -> None:
    async with running(speed=100, end=time(9, 15, 10)) as a_client:
        client = a_client()
        waiting = await client.clock()
        assert waiting == {
            "market_ms": at(DAY, 9, 14, 50),
            "speed": 100.0,
            "state": "waiting",
            "trading_day": DAY,
            "start_ms": at(DAY, 9, 14, 50),
            "end_ms": at(DAY, 9, 15, 10),
            "stand_ms": None,
            "seed": 7,
        }
        async with client.connected() as ws:
            await client.until(lambda status: len(status["connections"]) == 1)
            assert (await client.clock())["state"] == "waiting"
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
            assert (await client.clock())["market_ms"] == at(DAY, 9, 15, 10)
            truth = await client.truth()
    assert truth.header.state == "finished"
    assert max(line.due_ms for line in truth.prints) <= at(DAY, 9, 15, 10)


async def test_what_is_sent_while_nobody_is_connected_is_withheld_and_never_replayed() -> None:
    async with running(speed=20, start=time(9, 14, 58), end=time(9, 45)) as a_client:
        client, again = a_client(), a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.until(lambda status: status["market_ms"] > at(DAY, 9, 15, 1))
        (first,) = (await client.until(lambda status: status["connections"][0]["ended"] is not None))["connections"]
        await client.until(lambda status: status["market_ms"] > first["closed_ms"] + 3_000)
        await client.order("hold")
        before = await client.truth()
        async with again.connected() as ws:
            await again.subscribe(ws)
            status = await client.until(lambda status: status["connections"][1]["records"] > 0)
            replayed = status["connections"][1]["records"]
            await client.order("resume")
            await client.until(lambda status: status["connections"][1]["records"] > replayed + 100)
            await client.order("hold")

            async def all_is_read() -> bool:
                status = await again.status()
                return bool(len(again.received) == status["connections"][1]["records"])

            await again.read_until(ws, all_is_read)
            truth, status = await again.truth(), await again.status()
    assert [connection["id"] for connection in status["connections"]] == [1, 2]
    assert first["ended"] == "client_closed"
    second = [(p.symbol, p.total_vol, p.last_vol, p.price) for p in truth.prints if 2 in p.connections]
    assert sorted(second) == sorted(prints_of(again))
    assert len([line for line in before.withheld if line.due_ms > first["closed_ms"]]) > 20
    # Of all that was sent before it came, it gets the last of each symbol.
    known = truth.prints[: len(before.prints)]
    assert [line.due_ms for line in known] == [line.due_ms for line in before.prints]
    assert len([line for line in known if 2 in line.connections]) <= 134


async def test_a_client_that_does_not_read_holds_up_nobody_and_skips_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for the prompt client, which shares the loop with the simulator, on the busiest machine.
    monkeypatch.setattr(playback, "PATIENCE_S", 4.0)
    async with running(start=time(9, 14), end=time(9, 45), most_waiting=2_000) as a_client:
        slow, quick = a_client(), a_client()
        async with slow.connected() as idle, quick.connected() as ws:
            await slow.subscribe(idle)
            await quick.subscribe(ws)

            async def all_is_sent() -> bool:
                status = await quick.status()
                over: bool = status["market_ms"] == at(DAY, 9, 45)
                return over and len(quick.received) == status["connections"][1]["records"]

            await quick.read_until(ws, all_is_sent)
            status = await quick.status()
            late, prompt = status["connections"]
            assert prompt["skipped"] == 0
            assert late["skipped"] > 1_000
            assert status["state"] == "running", "the slow client still has records in its line"
            while slow.received == [] or len(slow.received) < late["records"]:
                slow.take(await idle.receive_str())
            await slow.read_until(idle, slow.finished)
            truth, status = await slow.truth(), await slow.status()
    received = [(p.symbol, p.total_vol, p.last_vol, p.price) for p in truth.prints if 1 in p.connections]
    assert sorted(received) == sorted(set(prints_of(slow)))
    assert status["connections"][0]["records"] == len(slow.received)
    assert status["connections"][0]["records"] + status["connections"][0]["skipped"] == status["connections"][1]["records"]


# -- faults and endings


async def upgrade_and_vanish(client: Client, reset: bool) -> None:
    """Connect, then let go of the socket as the kernel of a killed process does: by reset when data was unread, else not."""
    url = URL(client.base)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    target = URL("/v2.0/signalr/connect").with_query(client.query)
    headers = {
        **client.headers,
        "Host": f"127.0.0.1:{url.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    lines = [f"GET {target.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    assert b"101" in await reader.readline()
    if reset:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        while await reader.readline() != b"\r\n":
            pass
        await reader.readuntil(b'"M":[]}')
    writer.transport.abort()


async def test_a_client_that_does_not_read_does_not_hold_up_the_end() -> None:
    async with aiohttp.ClientSession() as http:
        async with simulator(settings(start=time(9, 14), end=time(9, 45))) as port:
            client = Client(http, f"http://127.0.0.1:{port}")
            await client.log_in()
            await client.negotiate()
            url = f"{client.base}/v2.0/signalr/connect"
            idle = await http.ws_connect(url, params=client.query, headers=client.headers)
            await client.subscribe(idle)
            await client.until(lambda status: status["market_ms"] > at(DAY, 9, 20))
            began_s = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began_s < 8


async def test_a_dropped_connection_is_reset_and_may_come_back() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.until(lambda status: status["records"] > 0)
            await client.fault(fault="drop")
            while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
                client.take(message.data)
            assert ws.close_code == 1006
        status = await client.until(lambda status: status["connections"][0]["ended"] is not None)
        assert status["connections"][0]["ended"] == "dropped"
        async with client.connected() as ws:
            assert json.loads(await ws.receive_str())["S"] == 1


async def test_a_silenced_connection_stays_open_and_misses_records() -> None:
    async with running(speed=100, end=time(9, 45)) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.until(lambda status: status["records"] > 500)
            await client.fault(fault="silence", seconds=3_600)
            before = (await client.status())["connections"][0]["records"]
            status = await client.until(lambda status: status["connections"][0]["skipped"] > 100)
            assert status["connections"][0]["closed_ms"] is None
            assert status["connections"][0]["records"] == before
            assert (await client.truth()).withheld


async def test_malformed_messages_are_sent_and_counted() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        async with client.connected() as ws:
            assert json.loads(await ws.receive_str())["S"] == 1
            await client.fault(fault="malformed")
            with pytest.raises(json.JSONDecodeError):
                client.take(await ws.receive_str())
            client.take(await ws.receive_str())
            assert client.received == [Received("Z-UNKNOWN", '{"RType":"Z-UNKNOWN","Symbol":"SSI"}')]
            assert (await client.truth()).header.malformed == 2


@pytest.mark.parametrize("body", ['{"fault":"earthquake"}', '{"fault":"slow"}', '{"fault":"silence","seconds":-1}', "drop"])
async def test_an_unknown_fault_says_which_there_are(body: str) -> None:
    async with running() as a_client:
        client = a_client()
        async with client.http.post(f"{client.base}/sim/faults", data=body) as response:
            assert response.status == 400
            assert "docs/simulator.md" in await response.text()


async def test_a_lost_socket_and_an_abort_are_told_apart() -> None:
    async with running(speed=1) as a_client:
        client = a_client()
        await client.log_in()
        await client.negotiate()
        await upgrade_and_vanish(client, reset=True)
        await upgrade_and_vanish(client, reset=False)
        async with client.connected(), client.http.post(f"{client.base}/v2.0/signalr/abort", params=client.query) as response:
            assert response.status == 200
            await client.until(lambda status: len(status["connections"]) == 3)
        status = await client.until(lambda status: all(c["ended"] for c in status["connections"]))
        assert [connection["ended"] for connection in status["connections"]] == ["reset", "reset", "aborted"]


# -- the rest of the protocol


async def test_paths_may_be_in_any_case_with_any_number_of_slashes() -> None:
    async with running() as a_client:
        client = a_client()
        await client.log_in()
        body = await client.get("//api//V2/market/SECURITIES?Symbol=VCB", headers=client.headers)
        assert json.loads(body)["data"][0]["Symbol"] == "VCB"


async def test_rest_without_a_good_token_is_refused_in_the_body() -> None:
    async with running() as a_client:
        client = a_client()
        body = await client.get("/api/v2/Market/Securities")
        assert body == b'{"message":"Missing Authorization header","status":401}'
        body = await client.get("/api/v2/Market/Securities", headers={"Authorization": "Bearer a.b.c"})
        assert json.loads(body)["status"] == 401


async def test_wrong_credentials_get_no_token() -> None:
    async with running(consumer_secret=SecretStr("another")) as a_client:
        client = a_client()
        body = {"consumerID": "demo", "consumerSecret": "demo"}
        async with client.http.post(f"{client.base}/api/v2/Market/AccessToken", json=body) as response:
            assert response.status == 200
            assert await response.text() == '{"message":"The connection is invalid","status":400,"data":null}'


async def test_the_hub_refuses_who_has_no_token() -> None:
    async with running() as a_client:
        client = a_client()
        for verb in ("negotiate", "connect", "start"):
            async with client.http.get(f"{client.base}/v2.0/signalr/{verb}") as response:
                assert response.status == 401


async def test_the_hub_refuses_a_garbled_connection_token_and_other_transports() -> None:
    async with running() as a_client:
        client = a_client()
        await client.log_in()
        await client.negotiate("POST")
        for changes, text in (
            ({"connectionToken": "x"}, "The ConnectionId is in the incorrect format."),
            ({"transport": "longPolling"}, "Protocol error: Unknown transport."),
            ({"connectionToken": ""}, "Protocol error: Missing connection token."),
        ):
            url = f"{client.base}/v2.0/signalr/connect"
            async with client.http.get(url, params={**client.query, **changes}, headers=client.headers) as response:
                assert (response.status, await response.text()) == (400, text)


async def test_start_and_ping_answer_with_signalrs_bytes() -> None:
    """Node's client asks for a WebSocket on /start, too: it gets plain HTTP."""
    async with running() as a_client:
        client = a_client()
        async with client.connected():
            upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
            started = await client.get("/v2.0/signalr/start", params=client.query, headers=client.headers | upgrade)
            assert started == b'{ "Response": "started" }'
            assert await client.get("/v2.0/signalr/ping") == b'{ "Response": "pong" }'


async def test_a_reconnect_is_a_new_connection_without_a_subscription() -> None:
    async with running() as a_client:
        client = a_client()
        async with client.connected("reconnect") as ws:
            first = json.loads(await ws.receive_str())
            assert "S" not in first
            assert first["M"] == []
        assert (await client.status())["connections"][0]["channels"] is None


async def test_an_unknown_channel_is_answered_with_an_error() -> None:
    async with running() as a_client:
        client = a_client()
        async with client.connected() as ws:
            await ws.receive_str()
            await client.subscribe(ws, "NEWS:ALL")
            answer = json.loads(await ws.receive_str())
    assert answer["I"] == "0"
    assert answer["E"] == "There was an error invoking Hub method 'FcMarketDataV2Hub.SwitchChannels'."


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}])
async def test_the_simulators_own_paths_answer_to_this_machine_only(headers: dict[str, str]) -> None:
    async with running() as a_client:
        client = a_client()
        for path in ("clock", "status", "truth"):
            async with client.http.get(f"{client.base}/sim/{path}", headers=headers) as response:
                assert response.status == 403
        async with client.http.post(f"{client.base}/sim/faults", json={"fault": "drop"}, headers=headers) as response:
            assert response.status == 403


async def test_the_answers_are_the_models_that_others_import() -> None:
    async with running() as a_client:
        client = a_client()
        assert msgspec.json.decode(await client.get("/sim/clock"), type=ClockReading).seed == 7
        assert msgspec.json.decode(await client.get("/sim/status"), type=SimulatorStatus).connections == []
        body = await client.get("/sim/truth")
    assert {story.name for story in Truth.load(body).header.stories} >= {"ceiling", "floor", "basis_flip"}
    with pytest.raises(UnreadableTruth, match="answer"):
        Truth.load(body[: len(body) // 2])


async def test_a_taken_port_is_said_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortTaken, match="SIM_PORT"):
        async with simulator(settings(port=taken.getsockname()[1])):
            pass


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"day": 20261122}, "closed"),
        ({"speed": 0}, "speed is"),
        ({"speed": "quick"}, "speed"),
        ({"start": time(15), "end": time(9)}, "before it starts"),
        ({"start": "09:00Z"}, "without a time zone"),
    ],
)
def test_settings_that_cannot_be_played_say_why(wrong: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        settings(**wrong)


async def test_a_day_is_made_once_for_all_that_play_it_flat_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The market waits for it, the server does not; and what is kept is what is played."""
    streams = []
    for _ in range(2):
        async with running(scale=0.01, symbols=60, cache=tmp_path, put_through="own") as a_client:
            client = a_client()
            async with client.connected() as ws:
                await client.subscribe(ws)
                await client.read_until(ws, client.finished)
            streams.append(client.received)
        (kept,) = os.listdir(tmp_path)
        assert kept.endswith(".day")
        monkeypatch.setattr(played_day, "blocks_of", None)
    assert streams[0] == streams[1]
    assert len(streams[0]) > 300


async def test_a_market_a_hundred_times_as_busy_is_played_while_it_is_made(tmp_path: Path) -> None:
    """All that was put on the socket arrives, and the books tell how much of the day it was."""
    # Futures begin at 08:45, stocks at nine.
    size = {"scale": 100, "symbols": FEWEST_SYMBOLS, "cache": tmp_path}
    span = {"start": time(8, 45), "end": usually(time(8, 45, 15), proving=time(9, 1))}
    async with running(**size, **span) as a_client:
        client = a_client()
        async with client.connected() as ws:
            await client.subscribe(ws)
            await client.read_until(ws, client.finished)
            truth, status = await client.truth(), await client.status()
        sent = await client.sent(1)
    assert status["connections"][0]["skipped"] == 0
    assert status["connections"][0]["records"] == len(client.received) == len(sent) > 1_000
    assert [json.dumps({"DataType": r.data_type, "Content": r.content}, separators=(",", ":")) for r in client.received] == [
        line.argument for line in sent
    ]
    assert sum(truth.header.sent.values()) == len(sent)
    assert os.listdir(tmp_path) == []
