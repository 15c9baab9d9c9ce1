# ruff: noqa: E501
"""Faults planted in the gateway: what it shows by REST and by WebSocket is compared with the topics, and each is named."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from aiohttp import web

from gateway.app import Gateway, now_ms
from gateway.core import events, rows, wire
from gateway.core.board import Board, ChannelRows
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.events import Recent
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from schemas import calendar
from schemas.position import Partition, Position
from schemas.structs import BreadthRow, ReferenceMessage
from schemas.topics import SSI_REFERENCE, SSI_STATUS, STATE_BREADTH, Topic
from schemas.units import Symbol
from stock_tracker.verify import gateway
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.snapshots import Placed
from stock_tracker.verify.gateway import RecentEvents, ask_gateway, compare_snapshots
from tests.builders import DAY, a_feed_status, a_reference
from tests.mutation.planting import plant
from tests.mutation.simulated_day import Outputs

STATUS = a_feed_status(received=7)
REFERENCES = [ReferenceMessage(record=a_reference(symbol, groups=["VN30"])) for symbol in ("VNM", "FPT")]
BREADTH = BreadthRow(
    day=DAY, ts_ms=calendar.at(DAY, 9, 20), src=1, symbol=Symbol("VN30"), advances=12, no_changes=3, declines=10, ceilings=1, floors=2,
    untraded=2,
)  # fmt: skip
"""No index of the simulated day has members of which the pipelines could count the breadth."""


@pytest.fixture(scope="module")
def shown(published: Outputs) -> Outputs:
    """What the pipelines published of a day, and what a connector says."""
    references = [(Position(SSI_REFERENCE.name, 0, n), message) for n, message in enumerate(REFERENCES)]
    return {
        **published,
        STATE_BREADTH.name: [(Position(STATE_BREADTH.name, 0, 0), BREADTH)],
        SSI_REFERENCE.name: references,
        SSI_STATUS.name: [(Position(SSI_STATUS.name, 0, 0), STATUS)],
    }


@asynccontextmanager
async def serving(day: Outputs) -> AsyncIterator[str]:
    """A gateway that has read the day; its address."""
    recents = events.recents()
    fanout = Fanout(Board(), recents, Connectors(), ClientLimits(default_ms=500), now_ms, lambda: "")
    fanout.begin("0123abcd")
    fanout.begin_events("0123abcd", {name: {} for name in EVENT_CHANNELS})
    for source in rows.SOURCES:
        fanout.apply([rows.change_of(source, at, message) for at, message in day[source.topic.name]])
    for name in EVENT_CHANNELS:
        for at, frame in day[CHANNELS[name].topics[0].name]:
            fanout.announce(name, events.events_of(name, at, frame))
    fanout.hear(STATUS, time.time_ns() // 1_000_000)
    fanout.complete()
    for recent in recents.values():
        recent.settle()
    runner = web.AppRunner(Gateway(GatewaySettings(kafka={}, topic_prefix=""), fanout, lambda: "").application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def recent_of(day: Outputs) -> RecentEvents:
    """The events that it may show."""
    recent = RecentEvents()
    for name in EVENT_CHANNELS:
        topic = CHANNELS[name].topics[0].name
        told = ((EventPosition(at, idx), event) for at, frame in day[topic] for idx, event in enumerate(frame.events))
        recent.take(Partition(topic, 0), told)
    return recent


def last_of(day: Outputs, topics: Iterable[Topic[Any]]) -> list[Placed]:
    """The last message of each key of some topics."""
    last: list[Placed] = []
    for topic in topics:
        messages: list[Placed] = [(EventPosition(at, 0), message) for at, message in day[topic.name]]
        last += messages if topic in (SSI_REFERENCE, SSI_STATUS) else latest(messages).values()
    return last


async def found_in(day: Outputs) -> list[Difference]:
    """What verification finds in a gateway that shows the day."""
    async with serving(day) as url:
        snapshots = await ask_gateway(url)
    shown = {(snapshot.channel, snapshot.way) for snapshot in snapshots}
    assert shown == {(name, way) for name in CHANNELS for way in ("REST", "WebSocket")}
    last = {name: last_of(day, channel.topics) for name, channel in CHANNELS.items() if name not in EVENT_CHANNELS}
    return compare_snapshots(snapshots, last, recent_of(day))


async def test_a_gateway_is_compared_once_it_answers(shown: Outputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "read_last", lambda _kafka, _prefix, topics: last_of(shown, topics))
    async with serving(shown) as url:
        found, rows = await asyncio.to_thread(gateway.compare_gateway, url, {}, "", recent_of(shown))
        assert (found, rows > 100) == ([], True)
        monkeypatch.setattr(gateway, "LAG_S", 0.0)
        found, _ = await asyncio.to_thread(gateway.compare_gateway, url, {}, "", RecentEvents())
        assert {difference.kind for difference in found} == {"unknown_in_gateway"}
    monkeypatch.setattr(gateway, "COMES_UP_S", 0.0)
    found, rows = await asyncio.to_thread(gateway.compare_gateway, url, {}, "", recent_of(shown))
    assert ([difference.kind for difference in found], rows) == (["no_gateway"], 0)


async def test_a_gateway_that_is_right_brings_no_difference(shown: Outputs) -> None:
    assert all(shown[topic.name] for channel in CHANNELS.values() for topic in channel.topics)
    assert await found_in(shown) == []


class WrongGateway(NamedTuple):
    """A fault in the gateway."""

    owner: Any
    function: str
    right: str
    wrong: str
    named: str
    where: str


_OF_COLUMNS = "tuple({} for name, value in zip(CHANNELS[source.channel].columns, source.row(message), strict=True))"
FAULTS = {
    "last + 50": WrongGateway(rows, "change_of", "source.row(message)", _OF_COLUMNS.format("value + 50 if name == 'last' and value else value"), "wrong_in_gateway", "px"),
    "net of foreigners": WrongGateway(rows, "change_of", "source.row(message)", _OF_COLUMNS.format("-value if name == 'net_volume' else value"), "wrong_in_gateway", "flow"),
    "an index without its change": WrongGateway(rows, "change_of", "source.row(message)", _OF_COLUMNS.format("None if name == 'change' else value"), "wrong_in_gateway", "index"),
    "the oldest row stays": WrongGateway(ChannelRows, "apply", "(change.day, change.src, change.offset) <= (current.day, current.src, current.offset)", "(change.day, change.src, change.offset) >= (current.day, current.src, current.offset)", "wrong_in_gateway", "px"),
    "REST forgets a row": WrongGateway(Gateway, "_snapshot", "table.fragments(audience.choose(table.rows))", "table.fragments(audience.choose(table.rows))[1:]", "missing_in_gateway", "basis by REST"),
    "the WebSocket forgets a row": WrongGateway(wire, "snap", 'b",".join(rows)', 'b",".join(rows[1:])', "missing_in_gateway", "ref by WebSocket"),
    "close of a candle": WrongGateway(events, "_event", "getattr(event, name) for name", "getattr(event, 'open' if name == 'close' else name) for name", "wrong_in_gateway", "candle"),
    "an event twice": WrongGateway(Recent, "add", "self._events.append(event)", "self._events.extend((event, event))", "doubled_in_gateway", "alert"),
    "an event left out": WrongGateway(Fanout, "announce", "recent.add(event)", "count > 1 and recent.add(event)", "missing_in_gateway", "alert"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_a_wrong_gateway_is_found_and_named(shown: Outputs, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = FAULTS[name]
    plant(monkeypatch, fault.owner, fault.function, fault.right, fault.wrong)
    found = await found_in(shown)
    assert any(difference.kind == fault.named and f"gateway {fault.where}" in difference.detail for difference in found)
