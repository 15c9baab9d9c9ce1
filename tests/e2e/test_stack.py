"""One stack as a newcomer starts it, shared by all that is seen of it, until Ctrl-C stops it.

Each test plays the day on as far as it needs and finds the stack as if it were alone; the last one ends it.
"""

import asyncio
import os
import re
import secrets
import shlex
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from joserfc import jwt
from joserfc.jwk import OctKey
from playwright.async_api import Page, ViewportSize, expect

from connectors.clickhouse.client import connect
from connectors.clickhouse.settings import SinkSettings
from connectors.ssi.simulator.core.truth import Truth
from schemas.calendar import at, day_of
from schemas.deployment import kafka_config
from schemas.shards import shard_keys
from schemas.structs import FlowRow
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_FOREIGN,
    MARKET_TRADES,
    SSI_DLQ,
    STATE_PRICES,
    STATE_TOPICS,
    TOPICS,
    Topic,
    encode,
)
from schemas.units import TradingDay, UnixMs
from stock_tracker.kafka import topics
from stock_tracker.ports import free_port
from stock_tracker.stack.readiness import why_not_ready
from stock_tracker.verify.topics import read_topic
from tests.builders import a_dead_letter, a_trade, changed
from tests.command_line import Command, StockTracker
from tests.e2e.page_numbers import Pages, Rest
from tests.e2e.running_up import KILLABLE, RunningUp, StartUp
from tests.e2e.test_chaos import PARTS as STRUCK
from tests.operators_pages import INLINE, examples, filled, not_printed
from tests.patience import PATIENCE_S, reached
from tests.proof import PROVING

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

FEW_RECORDS = {"SIM_SCALE": "0.02"}
"""Fewer trades of as many stocks."""
KILLED = KILLABLE if PROVING else tuple(part for part in KILLABLE if part not in STRUCK)
"""Each process but the connector dies at least once; those that chaos strikes in CI as well only in the long proof."""
DEPLOY = Path(__file__).parents[2] / "docs" / "deploy.md"
GROUPS = {"run prices": "pipelines.prices", "archive sink": "archive"}
"""Of the services that share the partitions with the others of their group."""
RULES = Path(__file__).parents[2] / "pipelines" / "alerts.toml"
FILLED = ("trades", "prices_daily", "candles", "foreign_ledger", "indices", "basis", "alerts")
MINUTE_MS = 60_000
HIGH: ViewportSize = {"width": 1440, "height": 1200}
"""A screen on which all of the VN30 is in view: of a long board only what is in view is in the document."""


@pytest.fixture(scope="module")
def stacks() -> list[RunningUp]:
    """The stacks of these tests, the last one first in use: one, unless a test that is not the last has ended it."""
    return []


@pytest.fixture
def up(stacks: list[RunningUp], start_up: StartUp) -> RunningUp:
    """The stack, on a day that may have begun."""
    if not stacks or stacks[-1].process.poll() is not None:
        stacks.append(start_up("--seed", "7", "--speed", "180", **FEW_RECORDS))
    return stacks[-1]


async def play_to(up: RunningUp, hour: int, minute: int) -> Truth:
    """Let the market stand at that time of its day, or now if that is over."""
    return await up.play_to(at(day_of(await up.market_ms()), hour, minute))


async def go_on(up: RunningUp, until_ms: int) -> None:
    """Let the market move while the test goes on; until that time and no further, however slow the machine is."""
    async with up.simulator() as simulator:
        await simulator.resume(UnixMs(until_ms))


async def test_killing_every_process_but_the_connector_changes_nothing_and_it_verifies_while_it_plays(up: RunningUp) -> None:
    began = await up.market_ms()
    # Up to and around the opening auction, where everything is busy, each process dies at least once.
    for minute, part in enumerate(KILLED, 8):
        await up.play_to(at(day_of(began), 9, minute))
        await go_on(up, at(day_of(began), 9, minute + 1))
        await up.kill(part)
    await up.play_to(at(day_of(began), 9, 17))
    await go_on(up, at(day_of(began), 9, 30))
    ended = await up.command("verify", "--json")
    result = ended.result
    assert (ended.code, result["reconciled"], result["differences"]) == (0, True, [])
    assert result["ticks_received"] == result["ticks_sent"] > 1_000
    # The table has lines of other kinds too, such as status; each was compared with its topic.
    assert result["archive_rows"]["trades"] >= result["prints"] > 50
    assert result["missed_volume"] == 0
    assert result["foreign_entries"] == result["archive_rows"]["foreign_ledger"] > 0
    assert up.said.count("was killed by SIGKILL") == len(KILLED)
    # The market stood meanwhile, if it was not at 09:30 already, and goes on.
    await up.play_to(at(day_of(began), 9, 30))


def last_prices(truth: Truth) -> dict[str, str]:
    """The newest price of every stock that was traded, as boards write it: thousand VND, two decimals."""
    return {line.symbol: f"{line.price / 1000:,.2f}" for line in truth.prints}


class Shown:
    """A stock's line on the page, and what happened on the market."""

    def __init__(self, up: RunningUp, page: Page, symbol: str) -> None:
        self._up = up
        self._symbol = symbol
        self.last = page.locator(f"tr[data-symbol={symbol}] .last")
        self.ceiling = page.locator(f"tr[data-symbol={symbol}] .ceiling-price")

    async def equals_the_simulator_s(self, truth: Truth) -> str:
        """See that the page comes to show the last price while the market stands; that price as shown."""
        price = last_prices(truth)[self._symbol]
        await expect(self.last).to_have_text(price)
        return price

    async def play_on(self, truth: Truth) -> Truth:
        """Let the market play on for a minute, and stand."""
        return await self._up.play_to(truth.header.market_ms + MINUTE_MS)


@pytest.mark.browser
async def test_a_price_equals_the_simulator_s_and_turns_purple(
    up: RunningUp, new_page: Callable[[], Awaitable[Page]], watched: Callable[[Page], list[str]]
) -> None:
    truth = await play_to(up, 9, 17)
    page = await new_page()
    await page.set_viewport_size(HIGH)
    complaints = watched(page)
    await page.goto(up.running.urls["dashboard"])

    busy = Shown(up, page, "FPT")
    before = await busy.equals_the_simulator_s(truth)
    while before == last_prices(truth)["FPT"]:
        truth = await busy.play_on(truth)
    await busy.equals_the_simulator_s(truth)

    truth = await play_to(up, 9, 32)
    rising = Shown(up, page, next(story.symbol for story in truth.header.stories if story.name == "ceiling"))
    while await rising.equals_the_simulator_s(truth) != await rising.ceiling.text_content():
        # It leaves its ceiling for moments: the market may stand in one of them.
        truth = await rising.play_on(truth)
    await expect(rising.last).to_contain_class("ceiling")
    purple = await page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ceiling')")
    red, green, blue = (int(purple[place : place + 2], 16) for place in (1, 3, 5))
    assert red > green < blue, "purple is red and blue"
    assert complaints == []


@pytest.mark.browser
async def test_each_page_shows_what_rest_says_and_a_killed_gateway_leaves_no_hole(
    up: RunningUp, new_page: Callable[[], Awaitable[Page]], watched: Callable[[Page], list[str]]
) -> None:
    await play_to(up, 9, 32)
    await up.drain()
    page = await new_page()
    await page.set_viewport_size(HIGH)
    complaints = watched(page)
    await page.goto(up.running.urls["dashboard"])
    pages = Pages(page, up.running.urls["dashboard"])
    assert await pages.shows_the_board("VN30", "@VN30") == 30
    await pages.shows_the_time()
    await pages.shows_the_strip()
    for tab in ("HOSE", "HNX", "UPCOM", "FUT"):
        assert await pages.shows_the_board(tab, f"@{tab}") > 0
    for tab in ("DEALS", "ODD"):
        await pages.shows_the_board(tab, "*")
    await pages.shows_foreigners()
    await pages.shows_futures()
    await pages.shows_alerts()
    # All of the day is in the archive, and none of it comes twice.
    await page.locator(".backfill").click()
    await expect(page.locator(".backfill")).to_be_enabled()
    await pages.shows_alerts()
    await pages.shows_the_status()
    await pages.shows_all_of("HPG")
    assert complaints == []

    # A gateway that is killed says no farewell. The page finds the next one by itself, and lacks nothing that happened meanwhile.
    await page.evaluate("window.unloaded = false")
    before = await up.strike("gateway")
    await expect(page.locator(".connection.waiting, .connection.connecting")).to_be_visible()
    await expect(page.locator(".feed.unknown")).to_be_visible()
    truth = await play_to(up, 9, 33)
    await up.come_back("gateway", before)
    await up.drain()
    await expect(page.locator(".connection.live")).to_be_visible()
    assert await pages.shows_the_board("VN30", "@VN30") == 30
    await expect(page.locator("tr[data-symbol=FPT] .last")).to_have_text(last_prices(truth)["FPT"])
    await pages.shows_the_strip()
    assert await page.evaluate("window.unloaded") is False


class Clicks:
    """Counts what somebody clicks."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.count = 0

    async def on(self, selector: str) -> None:
        self.count += 1
        await self._page.locator(selector).click()


@pytest.mark.browser
async def test_five_questions_are_answered_in_two_clicks_each(up: RunningUp, new_page: Callable[[], Awaitable[Page]]) -> None:
    """Those of docs/dashboard.md, each from the board as it opens."""
    await play_to(up, 9, 33)
    await up.drain()
    url = up.running.urls["dashboard"]
    rest = Rest(url)
    page = await new_page()

    async def opened() -> Clicks:
        await page.goto("about:blank")
        await page.goto(url)
        await expect(page.locator(".connection.live")).to_be_visible()
        return Clicks(page)

    clicks = await opened()
    await clicks.on("[data-page=foreign]")
    flows = await rest.snapshot("flow")
    seller = page.locator(".foreign-page .movers.down [data-mover]").first
    await expect(seller).to_have_attribute("data-mover", flows["#market"]["sellers"][0]["symbol"])
    await expect(seller).to_be_in_viewport()
    assert clicks.count <= 2

    clicks = await opened()
    await clicks.on("[data-page=alerts]")
    hits = [alert for alert in await rest.rows("snapshot/alert") if alert["kind"] == "price_limit"]
    last_ms = max(alert["ts_ms"] for alert in hits)
    hit = page.locator("[data-hit]").first
    await expect(hit).to_be_in_viewport()
    assert await hit.get_attribute("data-hit") in {alert["symbol"] for alert in hits if alert["ts_ms"] == last_ms}
    assert clicks.count <= 2

    clicks = await opened()
    await clicks.on("[data-page=derivatives]")
    front = next(row for row in (await rest.snapshot("basis")).values() if row["alias"] == "F1M" and row["underlying"] == "VN30")
    answer = page.locator(".answer")
    await expect(answer).to_have_attribute("data-basis", str(front["basis"]))
    way = "cao hơn" if front["basis"] > 0 else "thấp hơn" if front["basis"] < 0 else "bằng"
    await expect(answer).to_contain_text(way)
    assert clicks.count <= 2

    clicks = await opened()
    await expect(page.locator(".age")).to_contain_text("Tuổi dữ liệu")
    await clicks.on("[data-page=status]")
    is_stale = "true" if await page.locator("body.stale").count() == 0 else "false"
    await expect(answer).to_have_attribute("data-fresh", is_stale)
    assert clicks.count <= 2

    clicks = await opened()
    (hpg,) = await rest.rows("snapshot/px?sym=HPG")
    await clicks.on("tr[data-symbol=HPG] .last")
    await clicks.on("[data-view=why]")
    await expect(page.locator(".why")).to_have_attribute("data-total", str(hpg["total_volume"]))
    await expect(page.locator(".why .agrees")).to_be_visible()
    assert clicks.count <= 2


async def test_our_rules_backtested_on_the_morning_say_what_was_said_live(up: RunningUp) -> None:
    await play_to(up, 9, 33)
    await up.drain()
    kafka = {"bootstrap.servers": up.running.environment["KAFKA_BOOTSTRAP"]}
    alerts = [event for stored in read_topic(kafka, MARKET_ALERTS.name) for event in MARKET_ALERTS.decode(stored.value).events]
    said = {alert.alert_id: alert.message for alert in alerts}
    day = f"{alerts[0].day}"
    for source in ("topics", "archive"):
        ended = await up.command("alerts", "backtest", str(RULES), "--day", day, "--source", source, "--json")
        assert ended.code == 0, ended.said
        assert {alert["alert_id"]: alert["message"] for alert in ended.result["alerts"]} == said


async def test_the_candles_that_were_told_are_those_that_the_archive_makes_of_the_tape(up: RunningUp) -> None:
    truth = await play_to(up, 9, 33)
    await up.drain()
    archive = connect(up.running.environment["CLICKHOUSE_URL"], "default", "", "market")
    columns = "open, high, low, close, volume, value, active_buy, active_sell, prints"
    try:
        told = archive.query(
            f"SELECT symbol, toUnixTimestamp(minute) AS m, {columns} FROM candles ORDER BY symbol, m"
        ).result_rows
        made = archive.query(f"SELECT symbol, toUnixTimestamp(t) AS m, {columns} FROM candles_1m ORDER BY symbol, m").result_rows
    finally:
        archive.close()
    # The market stands: what it would tell of its last minutes with its next seconds is not told.
    over_s = (truth.header.market_ms - 3 * MINUTE_MS) // 1000
    assert [row for row in made if row[1] <= over_s] == [row for row in told if row[1] <= over_s]
    assert len(told) > 200


def key_of(row: Any) -> str:
    """The key of a row on a topic of ``state.*``."""
    key: str = row.scope if isinstance(row, FlowRow) else row.symbol
    return key


def copy_without(kafka: dict[str, str], prefix: str, places: dict[Topic[Any], int]) -> dict[Topic[Any], Any]:
    """Copy every topic under a prefix without the n-th event of some of them; return what was left out.

    On the tape it is the n-th print: of other lines the truth does not tell.
    """
    topics.apply(kafka, prefix, 3, 1)
    producer = Producer({**kafka, "linger.ms": 5})
    keys, left_out = shard_keys(3), {}
    for topic in TOPICS:
        seen = 0
        for stored in read_topic(kafka, topic.named("")):
            value = stored.value
            if topic in places:
                frame = topic.decode(value)
                kept = []
                for event in frame.events:
                    seen += topic is not MARKET_TRADES or event.kind == "print"
                    if seen == places[topic] and topic not in left_out:
                        left_out[topic] = event
                    else:
                        kept.append(event)
                value = encode(msgspec.structs.replace(frame, events=kept))
            key = key_of(topic.decode(value)) if topic in STATE_TOPICS else keys[stored.partition]
            producer.produce(topic.named(prefix), value, key, partition=stored.partition)
            producer.poll(0)
    assert producer.flush(PATIENCE_S) == 0
    return left_out


async def test_a_dropped_print_a_dropped_ledger_entry_and_a_wrong_row_of_the_board_are_named(up: RunningUp) -> None:
    await play_to(up, 9, 17)
    await up.drain()
    kafka = {"bootstrap.servers": up.running.environment["KAFKA_BOOTSTRAP"]}
    prefix = "copy."
    gone = await asyncio.to_thread(copy_without, kafka, prefix, {MARKET_TRADES: 20, MARKET_FOREIGN: 5})
    stored = [s for s in read_topic(kafka, STATE_PRICES.named(prefix)) if STATE_PRICES.decode(s.value).last][-1]
    row = STATE_PRICES.decode(stored.value)
    assert row.last is not None
    wrong = encode(changed(row, src=1 << 40, last=row.last + 50))
    producer = Producer(kafka)
    producer.produce(STATE_PRICES.named(prefix), wrong, row.symbol, partition=stored.partition)
    assert producer.flush(PATIENCE_S) == 0

    ended = await up.command("verify", "--json", TOPIC_PREFIX=prefix)
    assert ended.code == 1
    differences = ended.result["differences"]

    lost_print = gone[MARKET_TRADES]
    # The truth and the reference both miss it.
    named = [d for d in differences if d["kind"] == "missing_print"]
    assert {d["symbol"] for d in named} == {lost_print.symbol}
    assert f"total {lost_print.total_volume}, volume {lost_print.last_volume}" in named[0]["detail"]
    assert named[0]["position"]["topic"] in ("ssi.ticks", "ssi.indices")

    lost_entry = gone[MARKET_FOREIGN]
    named = [d for d in differences if d["kind"] == "missing_entry"]
    assert [d["symbol"] for d in named] == [lost_entry.symbol]
    assert lost_entry.side.value in named[0]["detail"]

    (named_row,) = [d for d in differences if d["kind"].endswith("_state")]
    assert (named_row["kind"], named_row["symbol"]) == ("wrong_state", row.symbol)
    assert named_row["detail"] == f"last is {row.last + 50}, not {row.last}"
    assert named_row["position"]["topic"] == STATE_PRICES.name


async def test_everything_of_a_morning_is_where_it_belongs_but_for_a_row_that_was_dropped(up: RunningUp) -> None:
    await play_to(up, 9, 33)
    await up.drain()
    settings = SinkSettings.model_validate(
        {
            "kafka": {},
            "CLICKHOUSE_URL": up.running.environment["CLICKHOUSE_URL"],
            "STOCK_TRACKER_HOME": str(up.home / "simulated"),
        }
    )
    archive = connect(settings.clickhouse_url, settings.user, settings.read_password(), settings.database)
    try:
        place = "SELECT partition, offset, idx, symbol FROM trades WHERE kind = 'print' ORDER BY symbol, ts, offset, idx LIMIT 1"
        partition, offset, idx, symbol = archive.query(place).result_rows[0]
        # An archive that is as ours but for that row.
        archive.command("CREATE DATABASE lossy")
        # A view with parameters cannot be asked without them.
        tables = (
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine != 'MaterializedView' "
            "AND NOT position(as_select, '{')"
        )
        for (table,) in archive.query(tables).result_rows:
            but = f" WHERE (partition, offset, idx) != ({partition}, {offset}, {idx})" if table == "trades" else ""
            archive.command(f"CREATE VIEW lossy.{table} AS SELECT * FROM {table}{but}")
    finally:
        archive.close()
    ended = await up.command("verify", "--json", ARCHIVE_DATABASE="lossy")
    assert ended.code == 1
    result = ended.result
    assert [(d["kind"], d["symbol"]) for d in result["differences"]] == [("missing_row", symbol)]
    assert result["differences"][0]["position"] == {
        "topic": "market.trades",
        "partition": partition,
        "offset": offset,
        "idx": idx,
    }
    assert result["ticks_received"] == result["ticks_sent"] > 3_000
    # The table has lines of other kinds too, such as status; each was compared with its topic.
    assert result["archive_rows"]["trades"] + 1 >= result["prints"] > 300
    assert result["missed_volume"] == 0
    assert result["foreign_entries"] == result["archive_rows"]["foreign_ledger"]
    assert all(result["archive_rows"][table] > 0 for table in FILLED)
    assert all(result["compared"][what] > 100 for what in ("frames", "events", "states", "derived_rows", "gateway_rows"))


async def test_the_deploy_page_s_tasks_can_be_rehearsed_on_it(up: RunningUp, tmp_path: Path) -> None:
    """Finds what lags, adds an instance of each kind, and changes a secret: by the lines of docs/deploy.md."""
    await play_to(up, 9, 17)
    said = DEPLOY.read_text().partition("## The same tasks without containers")[2].partition("\n## ")[0]
    typed = re.findall(r"^((?:\w+=\S+ )*)\.venv/bin/stock-tracker (.+)$", said, re.MULTILINE)
    lines = [(words, dict(re.findall(r"(\w+)=(\S+)", before))) for before, words in typed]
    assert [words for words, _ in lines] == ["status", "topics lag", *GROUPS, "gateway", "gateway"]
    told, secure = lines[-1]
    assert "prices" in (await up.command("status")).out
    environ = {**up.running.environment, "STOCK_TRACKER_HOME": str(up.home / "simulated")}
    assert "partitions are behind" in (await up.command("topics", "lag", **environ)).out

    for words, changes in lines[2:-1]:
        port = str(free_port())
        health = {"GATEWAY_PORT": port} if words == "gateway" else {}
        more = [] if words == "gateway" else ["--port", port]
        async with up.beside(*words.split(), *more, **{**environ, **changes, **health}):
            await ready(port)
            if words in GROUPS:
                await shared_by_two(environ, GROUPS[words])

    (tmp_path / "board.key").write_text(first := secrets.token_hex(32))
    port = str(free_port())
    secret = {**environ, **secure, "GATEWAY_PORT": port, "GATEWAY_JWT_SECRET_FILE": str(tmp_path / "board.key")}
    async with up.beside(told, **secret):
        await ready(port)
        assert await answer(port, first) == 200
    (tmp_path / "board.key").write_text(second := secrets.token_hex(32))
    async with up.beside(told, **secret):
        await ready(port)
        assert await answer(port, first) == 401
        assert await answer(port, second) == 200


async def ready(port: str) -> None:
    """Wait until a service on that port says that it is ready."""
    async with aiohttp.ClientSession() as http:

        async def is_ready() -> bool:
            return not await why_not_ready(http, f"http://127.0.0.1:{port}/readyz")

        await reached(is_ready, "another instance that is ready")


async def shared_by_two(environ: Mapping[str, str], group: str) -> None:
    """Wait until two members of a consumer group have partitions."""
    admin = AdminClient(kafka_config(environ))

    def are_two() -> bool:
        (described,) = admin.describe_consumer_groups([group]).values()
        return sum(bool(member.assignment.topic_partitions) for member in described.result().members) == 2

    await reached(lambda: asyncio.to_thread(are_two), "two instances that share the partitions")


async def answer(port: str, secret: str) -> int:
    """What the gateway answers to whoever shows a token that is signed with ``secret``: an HTTP status."""
    token = jwt.encode({"alg": "HS256"}, {"sub": "someone", "exp": int(time.time()) + 3_600}, OctKey.import_key(secret))
    url = f"http://127.0.0.1:{port}/api/v1/snapshot/px"
    async with aiohttp.ClientSession() as http, http.get(url, headers={"Authorization": f"Bearer {token}"}) as said:
        return said.status


async def test_the_commands_of_the_operators_pages_say_what_is_pasted_there(up: RunningUp, stock_tracker: StockTracker) -> None:
    truth = await play_to(up, 9, 33)
    environ = up.running.environment
    put_letters(environ["KAFKA_BOOTSTRAP"])
    await up.drain()
    values = {"DAY": f"{day_of(truth.header.market_ms)}", "SYMBOL": "HPG", "OFFSET": "0"}
    where = {**environ, "GATEWAY_URL": f"ws://127.0.0.1:{environ['GATEWAY_PORT']}/v1/ws"}

    async def run(command: str) -> Command:
        home = up.home if command == "status" else up.home / "simulated"
        # What the page shows of the archive is that it is away.
        away = {"CLICKHOUSE_URL": "http://127.0.0.1:1"} if command == "doctor" else {}
        words = shlex.split(filled(command, values))
        return await asyncio.to_thread(stock_tracker, *words, **{**where, **away, "STOCK_TRACKER_HOME": str(home)})

    for example in examples("operations.md"):
        # The others want a day that is over: tests/integration/test_recompute.py.
        if "recompute" not in example.command:
            ended = await run(example.command)
            assert not_printed(example, ended.out) == [], (example.command, ended)
    for command, code in INLINE.items():
        ended = await run(command)
        assert ended.code == code, (command, ended)


def put_letters(bootstrap: str) -> None:
    """Three dead letters: two that are none today either, and a record that an earlier release could not use."""
    useless = a_dead_letter(reason="bad_json", detail="no JSON", topic=None, partition=None, offset=None, idx=None, payload="{")
    record = encode(a_trade("ZZZ", trading_day=TradingDay(20200103))).decode()
    usable = a_dead_letter(
        "prices", reason="rejected", detail="price is -1", topic="ssi.ticks", partition=1, offset=3, idx=2, payload=record
    )
    producer = Producer({"bootstrap.servers": bootstrap})
    for letter in (useless, useless, usable):
        producer.produce(SSI_DLQ.name, encode(letter))
    assert producer.flush(PATIENCE_S) == 0


async def test_ctrl_c_stops_it_cleanly(up: RunningUp) -> None:
    """Exit code 0, no traceback, no process left."""
    await up.market_ms()
    pids = [pid for part in up.running.parts.values() if (pid := part["pid"]) is not None]
    up.process.send_signal(signal.SIGINT)
    ended = await up.outcome()
    assert ended.code == 0, ended.said
    assert up.runfile is None
    assert "Traceback" not in ended.said
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
