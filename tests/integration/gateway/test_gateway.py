"""A real gateway over real sockets, with rows in a real Kafka."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from confluent_kafka.admin import AdminClient

from schemas import topics as names
from schemas.calendar import previous_trading_day
from schemas.deployment import kafka_config
from schemas.errors import PortTaken
from schemas.stock_v1 import CloseCode, ErrorCode
from stock_tracker.kafka import topics as stock_topics
from stock_tracker.ports import free_port
from tests.builders import a_candle_event, moment
from tests.patience import PATIENCE_S, reached

pytestmark = pytest.mark.kafka

SYMBOLS = [f"S{number:02}" for number in range(40)]


async def fetch(url: str, **options: Any) -> tuple[int, str, Any]:
    async with aiohttp.ClientSession() as http, http.get(url, **options) as answer:
        return answer.status, await answer.text(), answer.headers


async def fetch_json(url: str) -> Any:
    return json.loads((await fetch(url))[1])


async def not_ready(gateway: Any, because: str) -> tuple[int, str]:
    """Wait until it says that it is not ready, for that reason; its answer."""

    async def says_so() -> bool:
        return because in (await gateway.readiness())[1]

    await reached(says_so, f"{because!r}")
    answer: tuple[int, str] = await gateway.readiness()
    return answer


async def test_every_channel_gives_a_snapshot_and_then_what_changes(market: Any, gateway: Any, connect: Any) -> None:
    market.reference("VNM", groups=["VN30"])
    market.price("VNM", last=61_000, bids=[60_900, 100])
    market.index("VNINDEX")
    market.foreign("VNM", bought=500)
    market.flow("market", buyers=[("VNM", 5, 1)])
    market.basis("41I1GC000")
    market.status()
    market.alert(1, 2)
    market.flush()
    await gateway.ready()
    wire = await connect(gateway)
    for channel in ("px", "index", "flow", "basis", "alert", "status", "ref"):
        await wire.subscribe(channel, throttle_ms=100)
    assert wire.shown["px"]["VNM"]["bids"] == [60_900, 100]
    assert wire.shown["flow"]["VNM"]["bought"] == 500
    assert wire.shown["flow"]["#market"]["buyers"] == [{"symbol": "VNM", "net_value": 5, "net_volume": 1}]
    assert wire.shown["status"]["a"]["state"] == "up"
    assert wire.shown["ref"]["VNM"]["groups"] == ["VN30"]
    assert wire.alert_ids == ["alert-1", "alert-2"]

    market.price("VNM", last=62_000)
    market.index("VNINDEX", value=170_000)
    market.foreign("VNM", bought=900)
    market.basis("41I1GC000", basis=-7)
    market.alert(3)
    market.flush()
    await wire.until(
        lambda: (
            wire.shown["px"]["VNM"]["last"] == 62_000
            and wire.shown["index"]["VNINDEX"]["value"] == 170_000
            and wire.shown["flow"]["VNM"]["bought"] == 900
            and wire.shown["basis"]["41I1GC000"]["basis"] == -7
            and wire.alert_ids[-1] == "alert-3"
        )
    )
    assert not any(message["con"] for message in wire.messages if message["op"] == "delta")


async def test_rest_gives_the_same_rows_and_knows_when_nothing_changed(market: Any, gateway: Any, connect: Any) -> None:
    market.price("VNM", last=61_000)
    market.price("HPG", last=25_000)
    market.flush()
    await gateway.ready()
    wire = await connect(gateway)
    await wire.subscribe("px")
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{gateway.url}/api/v1/snapshot/px") as answer:
            body, etag = await answer.json(), answer.headers["ETag"]
        rows = {row[0]: dict(zip(body["cols"], row, strict=True)) for row in body["rows"]}
        assert rows == wire.shown["px"]
        assert body["cursor"] == wire.cursors["px"]
        async with http.get(f"{gateway.url}/api/v1/snapshot/px", headers={"If-None-Match": etag}) as answer:
            assert answer.status == 304
        async with http.get(f"{gateway.url}/api/v1/snapshot/px?sym=HPG") as answer:
            assert [row[0] for row in (await answer.json())["rows"]] == ["HPG"]
    status, text, _ = await fetch(f"{gateway.url}/api/v1/snapshot/news")
    assert (status, "px" in text) == (404, True)


async def test_a_row_of_an_older_day_or_source_is_not_shown(market: Any, gateway: Any, connect: Any) -> None:
    today = market.price("VNM", last=61_000)
    market.flush()
    await gateway.ready()
    wire = await connect(gateway)
    await wire.subscribe("px", throttle_ms=0)
    market.price("VNM", last=1, src=today.src - 1)
    market.price("VNM", last=2, day=previous_trading_day(today.day), src=today.src + 100)
    market.price("VNM", last=62_000, day=today.day, src=today.src + 1)
    market.flush()
    await wire.until(lambda: wire.shown["px"]["VNM"]["last"] != 61_000)
    assert wire.shown["px"]["VNM"]["last"] == 62_000


async def test_nothing_falls_between_the_snapshot_and_what_follows_it(
    market: Any, kafka: str, topics: str, start_gateway: Any, connect: Any
) -> None:
    for symbol in SYMBOLS:
        market.price(symbol, last=1)
    stop = asyncio.Event()

    async def produce() -> int:
        number = 1
        while not stop.is_set():
            number += 1
            for symbol in SYMBOLS:
                market.price(symbol, last=number)
            await asyncio.sleep(0.002)
        market.flush()
        return number

    producing = asyncio.create_task(produce())
    gateway = await (await start_gateway(kafka, topics)).ready()
    wire = await connect(gateway)
    await wire.subscribe("px", throttle_ms=0)
    begun = wire.shown["px"][SYMBOLS[0]]["last"]
    await wire.until(lambda: wire.shown["px"][SYMBOLS[0]]["last"] > begun + 50)
    stop.set()
    last = await producing
    await wire.until(lambda: all(row["last"] == last for row in wire.shown["px"].values()))
    assert sorted(wire.shown["px"]) == SYMBOLS
    # One message for each change that was read: none skips back.
    for symbol in SYMBOLS[:3]:
        seen = [
            row[wire.messages[3]["cols"].index("last")]
            for message in wire.messages
            if message["op"] == "delta"
            for row in message["rows"]
            if row[0] == symbol
        ]
        assert seen == sorted(set(seen))


async def test_a_client_goes_on_at_another_gateway_where_it_stopped(
    market: Any, kafka: str, topics: str, start_gateway: Any, connect: Any
) -> None:
    first, second = [await (await start_gateway(kafka, topics)).ready() for _ in range(2)]
    for symbol in SYMBOLS:
        market.price(symbol, last=1)
    market.alert(1)
    market.flush()
    wire = await connect(first)
    await wire.subscribe("px", throttle_ms=100)
    await wire.subscribe("alert")
    await wire.until(lambda: len(wire.shown["px"]) == len(SYMBOLS) and wire.alert_ids == ["alert-1"])
    await wire.socket.close()
    market.price("S07", last=2)
    market.alert(2, 3, shard=1)
    market.flush()
    watcher = await connect(second)
    await watcher.subscribe("px", throttle_ms=0)
    await watcher.subscribe("alert")
    await watcher.until(lambda: watcher.shown["px"]["S07"]["last"] == 2 and len(watcher.alert_ids) == 3)
    again = await connect(second)
    answer = await again.subscribe("px", cursor=wire.cursors["px"])
    assert answer["recovered"] is True
    assert {symbol: row["last"] for symbol, row in again.shown["px"].items()} == {"S07": 2}
    assert (await again.subscribe("alert", cursor=wire.cursors["alert"]))["recovered"] is True
    assert again.alert_ids == ["alert-2", "alert-3"]


async def test_state_shows_before_its_transaction_is_committed_and_alerts_only_after(
    market: Any, kafka: str, topics: str, gateway: Any, connect: Any, new_market: Any
) -> None:
    await gateway.ready()
    wire = await connect(gateway)
    await wire.subscribe("px", throttle_ms=0)
    await wire.subscribe("alert")
    app = new_market(**{"transactional.id": f"{topics}app"})
    app.producer.init_transactions(PATIENCE_S)
    for end, number in (("abort", 1), ("commit", 2)):
        app.producer.begin_transaction()
        app.price("VNM", last=number)
        app.alert(number)
        app.producer.flush(PATIENCE_S)
        await wire.until(lambda number=number: wire.shown["px"].get("VNM", {}).get("last") == number)
        assert wire.alert_ids == []
        getattr(app.producer, f"{end}_transaction")(PATIENCE_S)
    await wire.until(lambda: wire.alert_ids != [])
    assert wire.alert_ids == ["alert-2"]


async def test_rows_of_a_lost_transaction_give_way_to_what_the_log_ends_on_for_every_client_and_gateway(
    kafka: str, topics: str, start_gateway: Any, connect: Any, new_market: Any
) -> None:
    first = await (await start_gateway(kafka, topics)).ready()
    wire = await connect(first)
    await wire.subscribe("px", throttle_ms=0)
    app = new_market(**{"transactional.id": f"{topics}app"})
    app.producer.init_transactions(PATIENCE_S)
    app.producer.begin_transaction()
    lost = app.price("VNM", last=1)
    app.price("HPG", last=1, src=lost.src)
    app.producer.flush(PATIENCE_S)
    await wire.until(lambda: len(wire.shown["px"]) == 2)
    app.producer.abort_transaction(PATIENCE_S)
    # The app has folded the same frame again, and comes to something else; HPG it has not reached yet.
    again = new_market(**{"transactional.id": f"{topics}app"})
    again.producer.init_transactions(PATIENCE_S)
    again.producer.begin_transaction()
    again.price("VNM", last=2, day=lost.day, src=lost.src)
    again.producer.commit_transaction(PATIENCE_S)
    await wire.until(lambda: wire.shown["px"]["VNM"]["last"] == 2)
    await wire.socket.close()

    second = await (await start_gateway(kafka, topics)).ready()
    back = await connect(second)
    assert (await back.subscribe("px", cursor=wire.cursors["px"]))["recovered"] is True
    again.producer.begin_transaction()
    again.price("HPG", last=2, day=lost.day, src=lost.src)
    again.producer.commit_transaction(PATIENCE_S)
    await back.until(lambda: back.shown["px"].get("HPG", {}).get("last") == 2)
    held = {symbol: row["last"] for symbol, row in (wire.shown["px"] | back.shown["px"]).items()}
    for gateway in (first, second):

        async def says_so(gateway: Any = gateway) -> bool:
            body = await fetch_json(f"{gateway.url}/api/v1/snapshot/px")
            return {row[0]: row[body["cols"].index("last")] for row in body["rows"]} == held == {"VNM": 2, "HPG": 2}

        await reached(says_so, "a gateway that shows what its clients see")


async def test_alerts_of_all_shards_come_each_once(market: Any, gateway: Any, connect: Any) -> None:
    await gateway.ready()
    wire = await connect(gateway)
    await wire.subscribe("alert")
    for number in range(0, 60, 2):
        market.alert(number, number + 1, shard=number % 3)
    market.flush()
    await wire.until(lambda: len(wire.alert_ids) == 60)
    assert sorted(wire.alert_ids, key=lambda alert_id: int(alert_id[6:])) == [f"alert-{number}" for number in range(60)]
    for shard in range(3):
        of_shard = [int(alert_id[6:]) for alert_id in wire.alert_ids if int(alert_id[6:]) // 2 * 2 % 3 == shard]
        assert of_shard == sorted(of_shard)


async def test_no_minute_is_lost_when_one_message_has_several_and_a_client_may_come_back_for_them(
    market: Any, kafka: str, topics: str, start_gateway: Any, connect: Any
) -> None:
    first, second = [await (await start_gateway(kafka, topics)).ready() for _ in range(2)]
    market.price("VNM")
    market.price("FPT")
    market.candles(a_candle_event("VNM", "09:15"), a_candle_event("FPT", "09:15"))
    market.flush()
    wire = await connect(first)
    await wire.subscribe("px", throttle_ms=500)
    await wire.until(lambda: {"VNM", "FPT"} <= wire.shown.get("px", {}).keys())
    await wire.subscribe("candle", "VNM", throttle_ms=500)
    market.candles(*(a_candle_event("VNM", f"09:{minute}") for minute in (16, 17, 18)), a_candle_event("FPT", "09:16"))
    market.candles(a_candle_event("VNM", "09:16", revision=1, volume=300))
    market.flush()
    await wire.until(lambda: len(wire.candles) == 5)
    told = [(candle["minute_ms"], candle["revision"], candle["volume"]) for candle in wire.candles]
    assert told == [
        (moment("09:15"), 0, 100),
        (moment("09:16"), 0, 100),
        (moment("09:17"), 0, 100),
        (moment("09:18"), 0, 100),
        (moment("09:16"), 1, 300),
    ]
    await wire.socket.close()
    market.candles(a_candle_event("VNM", "09:19"), a_candle_event("FPT", "09:19"))
    market.flush()
    watcher = await connect(second)
    await watcher.subscribe("candle", "FPT")
    await watcher.until(lambda: bool(watcher.candles) and watcher.candles[-1]["minute_ms"] == moment("09:19"))
    again = await connect(second)
    assert (await again.subscribe("candle", "VNM", cursor=wire.cursors["candle"]))["recovered"] is True
    assert [(candle["symbol"], candle["minute_ms"]) for candle in again.candles] == [("VNM", moment("09:19"))]


@asynccontextmanager
async def a_client_that_does_not_read(gateway: Any) -> AsyncIterator[socket.socket]:
    """A client that subscribes to everything and never reads again, with little room in its socket."""
    host, port = gateway.url.removeprefix("http://").split(":")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    plain.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_connect(plain, (host, int(port)))
        upgrade = (
            f"GET /v1/ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        await loop.sock_sendall(plain, upgrade.encode())
        assert b" 101 " in await loop.sock_recv(plain, 1_024)
        for channel in (b"px", b"alert"):
            text = b'{"op":"sub","ch":"%s","throttle_ms":100}' % channel
            # Masked with zeros, which leaves the text as it is.
            await loop.sock_sendall(plain, bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
        yield plain
    finally:
        plain.close()


async def conflated(gateway: Any) -> float:
    """How many intervals clients have missed so far."""
    name = "stock_tracker_gateway_conflated_intervals_total"
    _, text, _ = await fetch(f"{gateway.url}/metrics")
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()[1])


async def test_a_client_that_does_not_read_takes_nothing_from_the_others(market: Any, gateway: Any, connect: Any) -> None:
    wide = {"bids": [60_000, 100] * 10, "asks": [60_100, 100] * 10}
    for symbol in SYMBOLS:
        market.price(symbol, last=0, **wide)
    market.flush()
    await gateway.ready()
    wire = await connect(gateway)
    await wire.subscribe("px", throttle_ms=100)
    await wire.subscribe("alert")
    async with a_client_that_does_not_read(gateway):
        number, before = 0, await conflated(gateway)
        async with asyncio.timeout(PATIENCE_S):
            # As long as it takes to fill what the kernel keeps for the one that does not read, and some intervals more.
            while await conflated(gateway) < before + 5:
                number += 1
                for symbol in SYMBOLS:
                    market.price(symbol, last=number)
                market.alert(number)
                market.flush()
                while wire.shown["px"]["S00"]["last"] != number or len(wire.alert_ids) != number:
                    await wire.message()
    assert all(row["last"] == number for row in wire.shown["px"].values())
    assert wire.alert_ids == [f"alert-{place}" for place in range(1, number + 1)]
    assert not any(message["con"] for message in wire.messages if message["op"] == "delta")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"op":"sub"', ErrorCode.BAD_MESSAGE),
        ('{"op":"sub","ch":"<script>"}', ErrorCode.UNKNOWN_CHANNEL),
        ('{"op":"sub","ch":"px","sym":["ZZZ"]}', ErrorCode.UNKNOWN_SYMBOL),
    ],
)
async def test_a_bad_command_is_answered_and_the_connection_goes_on(
    idle_gateway: Any, connect: Any, text: str, code: ErrorCode
) -> None:
    wire = await connect(idle_gateway)
    await wire.message()
    await wire.socket.send_str(text)
    await wire.until(lambda: wire.messages[-1]["op"] == "err")
    assert wire.messages[-1]["code"] == code
    assert (await wire.send(op="ping"))["op"] == "ok"


async def test_a_message_that_is_too_large_or_binary_ends_the_connection(idle_gateway: Any, connect: Any) -> None:
    wire = await connect(idle_gateway)
    await wire.socket.send_str('{"op":"ping","x":"' + "x" * 9_000 + '"}')
    assert await wire.closing() == 1009
    wire = await connect(idle_gateway)
    await wire.socket.send_bytes(b"{}")
    assert await wire.closing() == 1003


async def test_a_flood_of_commands_ends_the_connection(idle_gateway: Any, connect: Any) -> None:
    wire = await connect(idle_gateway)
    for _ in range(200):
        await wire.socket.send_str('{"op":"ping"}')
    assert await wire.closing() == CloseCode.RATE_ABUSE


async def test_pages_of_others_and_foreign_names_are_refused(idle_gateway: Any, connect: Any) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await connect(idle_gateway, origin=origin)
    assert (await (await connect(idle_gateway, origin=idle_gateway.url)).message())["op"] == "hello"
    status, text, _ = await fetch(idle_gateway.url, headers={"Host": "evil.example"})
    assert (status, "127.0.0.1" in text) == (421, True)


async def test_connections_are_capped_with_a_reason(kafka: str, topics: str, start_gateway: Any, connect: Any) -> None:
    gateway = await (await start_gateway(kafka, topics, max_connections=1)).ready()
    wire = await connect(gateway)
    assert await (await connect(gateway)).closing() == CloseCode.CONNECTION_LIMIT
    assert (await wire.send(op="ping"))["op"] == "ok"


async def test_every_answer_has_the_headers_that_protect_the_page(idle_gateway: Any) -> None:
    for path in (
        "/",
        "/js/main.js",
        "/css/board.css",
        "/vendor/preact.js",
        "/favicon.svg",
        "/healthz",
        "/metrics",
        "/api/v1/snapshot/x",
    ):
        _, _, headers = await fetch(idle_gateway.url + path)
        assert headers["Content-Security-Policy"].startswith("default-src 'self'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "aiohttp" not in headers["Server"]


async def test_nothing_but_the_page_is_served_from_its_folder(idle_gateway: Any) -> None:
    for path in ("/package.json", "/js/../package.json", "/js/%2e%2e/package.json", "/vendor.sh", "/js/"):
        assert (await fetch(idle_gateway.url + path))[0] in (403, 404), path


async def test_a_broker_that_is_down_is_named_with_the_remedy_and_asked_again(start_gateway: Any, connect: Any) -> None:
    gateway = await start_gateway(f"127.0.0.1:{free_port()}", "none.")
    status, reason = await not_ready(gateway, "no Kafka broker answers")
    assert status == 503
    assert "stock-tracker kafka start" in reason
    assert (await fetch(f"{gateway.url}/healthz"))[0] == 200
    assert (await fetch(f"{gateway.url}/"))[0] == 200
    assert (await fetch(f"{gateway.url}/api/v1/snapshot/px"))[0] == 503
    wire = await connect(gateway)
    answer = await wire.send(op="sub", ch="px")
    assert (answer["code"], answer["retry_ms"]) == (ErrorCode.NOT_READY, 1_000)


async def test_missing_topics_are_named_and_read_once_they_are_there(kafka: str, topics: str, start_gateway: Any) -> None:
    prefix = f"{topics}late."
    gateway = await start_gateway(kafka, prefix)
    _, reason = await not_ready(gateway, f"{prefix}state.prices")
    assert "stock-tracker topics apply" in reason
    stock_topics.apply({**kafka_config(os.environ), "bootstrap.servers": kafka}, prefix, 3, replication=1)
    await gateway.ready()


async def test_topics_that_were_made_anew_are_read_anew_and_clients_come_back_for_them(
    market: Any, new_market: Any, kafka: str, topics: str, gateway: Any, connect: Any
) -> None:
    market.price("VNM", last=61_000)
    market.flush()
    wire = await connect(await gateway.ready())
    await wire.subscribe("px")
    name = names.STATE_PRICES.named(topics)
    admin = AdminClient({"bootstrap.servers": kafka})
    await asyncio.to_thread(admin.delete_topics([name], operation_timeout=PATIENCE_S)[name].result)

    async def made_anew() -> bool:
        return name in (await asyncio.to_thread(stock_topics.apply, {"bootstrap.servers": kafka}, topics, 3, 1)).created

    await reached(made_anew, "the topic that was deleted is gone, and made anew")
    assert await wire.closing() == CloseCode.STREAM_CHANGED

    anew = new_market()
    anew.price("HPG", last=25_000)
    await asyncio.to_thread(anew.flush)
    again = await connect(await gateway.ready())
    answer = await again.subscribe("px", cursor=wire.cursors["px"])
    await again.until(lambda: "HPG" in again.shown["px"])
    assert answer["recovered"] is False
    assert list(again.shown["px"]) == ["HPG"]
    assert again.messages[0]["stream"] not in ("", wire.messages[0]["stream"])


async def test_a_message_that_is_no_row_is_counted_and_the_next_one_shown(
    market: Any, topics: str, gateway: Any, connect: Any
) -> None:
    market.producer.produce(names.STATE_PRICES.named(topics), b"\xff{", "VNM")
    market.price("VNM", last=61_000)
    market.flush()
    await gateway.ready()
    wire = await connect(gateway)
    await wire.subscribe("px")
    assert wire.shown["px"]["VNM"]["last"] == 61_000
    _, text, _ = await fetch(f"{gateway.url}/metrics")
    assert 'stock_tracker_gateway_unreadable_messages_total{topic="state.prices"}' in text


async def test_a_port_that_is_taken_is_named(kafka: str, topics: str, start_gateway: Any, idle_gateway: Any) -> None:
    port = int(idle_gateway.url.rsplit(":", 1)[1])
    with pytest.raises(PortTaken, match="GATEWAY_PORT"):
        await start_gateway(kafka, topics, port=port)


async def test_on_sigterm_clients_are_told_when_to_come_back_and_the_process_ends(
    market: Any, kafka: str, topics: str, connect: Any
) -> None:
    market.price("VNM", last=61_000)
    market.flush()
    port = free_port()
    environ = {**os.environ, "KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics, "GATEWAY_PORT": str(port)}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "stock_tracker", "gateway", env=environ)
    try:
        gateway = SimpleNamespace(url=f"http://127.0.0.1:{port}")

        async def is_ready() -> bool:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                return (await fetch(f"{gateway.url}/readyz"))[0] == 200
            return False

        await reached(is_ready, "a gateway that is ready")
        wires = [await connect(gateway) for _ in range(5)]
        for wire in wires:
            await wire.subscribe("px")
        process.send_signal(signal.SIGTERM)
        for wire in wires:
            await wire.until(lambda wire=wire: wire.messages[-1]["op"] == "goaway")
            assert await wire.closing() == CloseCode.SHUTDOWN
        assert await process.wait() == 0
        assert len({wire.messages[-1]["retry_ms"] for wire in wires}) > 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
