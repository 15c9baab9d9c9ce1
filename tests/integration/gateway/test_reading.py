"""Messages of other releases, and what is no message at all: what is read, what is passed over, and what ends the gateway."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.settings import GatewaySettings
from schemas import topics as names
from schemas.dead_letters import FEW, Limit
from schemas.errors import HALTED, NewerMessage, TooManyDeadLetters
from schemas.message import twin, version
from schemas.states import FlowRow
from schemas.stock_v1 import CloseCode
from schemas.topics import Topic
from tests.last_release import RELEASES

pytestmark = pytest.mark.kafka

OLDER_ROWS = Path(__file__).parents[3] / "schemas/examples/state.flow/previous" / f"{RELEASES[-1]}.jsonl"
OF_THE_NEXT_RELEASE = b'{"schema":99,"of_the_future":true}'
LIMIT = Limit(messages=20, records=20)


class Changed(FlowRow):
    """The row of a scope with a field that the release before did not write."""

    schema_: int = version(2)
    turnover: int


def with_turnover(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "turnover": row["bought_value"] + row["sold_value"]}


def put(market: Any, topics: str, topic: Topic[Any], key: str, value: bytes) -> None:
    """Write ``value`` as it is, which need not be one of the topic's messages."""
    market.producer.produce(topic.named(topics), value, key)


@pytest.mark.parametrize("topic", [names.STATE_BASIS, names.MARKET_ALERTS])
async def test_a_message_of_a_newer_release_ends_the_gateway_and_sends_its_clients_elsewhere(
    market: Any, topics: str, gateway: Any, connect: Callable[..., Any], topic: Topic[Any]
) -> None:
    market.price("VNM", last=61_000)
    market.flush()
    wire = await connect(await gateway.ready())
    await wire.subscribe("px")
    put(market, topics, topic, "s0", OF_THE_NEXT_RELEASE)
    market.flush()
    await wire.until(lambda: wire.messages[-1]["op"] == "goaway")
    assert await wire.closing() == CloseCode.SHUTDOWN < 4_500
    with pytest.raises(NewerMessage, match=rf"a newer release writes {topic.name} .* upgrade this process first"):
        await gateway.end()


async def test_a_newer_row_that_was_there_before_the_gateway_ends_the_process_with_the_code_of_a_halt(
    market: Any, kafka: str, topics: str
) -> None:
    put(market, topics, names.STATE_PRICES, "VNM", OF_THE_NEXT_RELEASE)
    market.flush()
    environ = {**os.environ, "KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics, "GATEWAY_PORT": "0"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stock_tracker", "gateway", env=environ, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == HALTED
    assert b"a newer release writes state.prices (version 99, this one reads up to 2): upgrade this process first" in said


async def test_a_gateway_most_of_whose_rows_became_unreadable_ends(
    market: Any, kafka: str, topics: str, start_gateway: Any, connect: Callable[..., Any]
) -> None:
    market.price("VNM", last=61_000)
    market.flush()
    gateway = await (await start_gateway(kafka, topics, dead_letter_limit=LIMIT)).ready()
    wire = await connect(gateway)
    await wire.subscribe("px")
    for _ in range(LIMIT.messages):
        put(market, topics, names.STATE_PRICES, "VNM", b"{junk")
    market.flush()
    assert await wire.closing() == CloseCode.SHUTDOWN
    with pytest.raises(TooManyDeadLetters, match=r"the gateway could not use .*state\.prices\[\d\]@.*DEAD_LETTER_LIMIT_PERCENT"):
        await gateway.end()


async def test_a_few_unreadable_rows_among_others_end_nothing(
    market: Any, kafka: str, topics: str, start_gateway: Any, connect: Callable[..., Any]
) -> None:
    gateway = await (await start_gateway(kafka, topics, dead_letter_limit=LIMIT)).ready()
    wire = await connect(gateway)
    await wire.subscribe("px", throttle_ms=0)
    for number in range(LIMIT.messages):
        # At no moment more than half of what was read.
        market.price("VNM", last=number)
        put(market, topics, names.STATE_PRICES, "VNM", b"{junk")
    market.price("VNM", last=61_000)
    market.flush()
    await wire.until(lambda: wire.shown["px"].get("VNM", {}).get("last") == 61_000)
    assert (await gateway.readiness())[0] == 200


async def test_old_rows_that_nobody_can_read_any_more_are_passed_over_however_close_they_stand(
    market: Any, kafka: str, topics: str, start_gateway: Any, connect: Callable[..., Any]
) -> None:
    for number in range(2 * LIMIT.messages):
        put(market, topics, names.STATE_PRICES, f"OLD{number}", b"{junk")
    for number in range(3 * LIMIT.messages):
        market.price(f"S{number}", last=number)
    market.flush()
    gateway = await (await start_gateway(kafka, topics, dead_letter_limit=LIMIT)).ready()
    wire = await connect(gateway)
    await wire.subscribe("px")
    assert len(wire.shown["px"]) == 3 * LIMIT.messages


async def test_rows_that_were_written_again_are_forgiven(market: Any, kafka: str, topics: str, start_gateway: Any) -> None:
    for _ in range(5 * LIMIT.messages):
        put(market, topics, names.STATE_PRICES, "VNM", b"{junk")
    market.price("VNM", last=61_000)
    market.flush()
    await (await start_gateway(kafka, topics, dead_letter_limit=LIMIT)).ready()


async def test_a_gateway_that_cannot_read_most_of_what_is_there_serves_nobody(
    market: Any, kafka: str, topics: str, start_gateway: Any
) -> None:
    for number in range(FEW):
        put(market, topics, names.STATE_PRICES, f"OLD{number}", b"{junk")
    market.price("VNM", last=61_000)
    market.flush()
    gateway = await start_gateway(kafka, topics, dead_letter_limit=LIMIT)
    with pytest.raises(TooManyDeadLetters, match=rf"{FEW} of the last {FEW + 1} messages"):
        await gateway.end()


async def test_a_row_of_the_release_before_reaches_a_client_though_a_field_is_required_now(
    market: Any, topics: str, gateway: Any, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = twin(Changed)
    for name, value in (("message", changed), ("version", 2), ("_decoder", msgspec.json.Decoder(changed))):
        monkeypatch.setitem(vars(names.STATE_FLOW), name, value)
    monkeypatch.setattr("schemas.topics.UPGRADES", {names.STATE_FLOW.name: {1: with_turnover}})
    lines = OLDER_ROWS.read_bytes().splitlines()
    rows = [msgspec.json.decode(line) for line in lines]
    for line, row in zip(lines, rows, strict=True):
        put(market, topics, names.STATE_FLOW, row["scope"], line)
    market.flush()
    wire = await connect(await gateway.ready())
    await wire.subscribe("flow")
    shown = {key: row["net_value"] for key, row in wire.shown["flow"].items()}
    assert shown == {f"#{row['scope']}": row["net_value"] for row in sorted(rows, key=lambda row: row["src"])}


async def test_whatever_else_ends_a_reader_ends_the_gateway(market: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await gateway.ready()

    def broken(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.state_reader.change_of", broken)
    market.price("VNM", last=61_000)
    market.flush()
    with pytest.raises(ZeroDivisionError):
        await gateway.end()


def test_the_limit_is_that_of_all_consumers_unless_it_is_set() -> None:
    assert GatewaySettings(kafka={}, topic_prefix="").dead_letter_limit == Limit()
