"""The gateway's channels, asked as a client asks, by REST and over its WebSocket, and compared with the topics."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from schemas.position import Partition, Position
from schemas.topics import SSI_REFERENCE, SSI_STATUS, Topic
from stock_tracker.verify.core.boards import latest
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.snapshots import Placed, Snapshot, compare_events, compare_rows
from stock_tracker.verify.topics import count_partitions, read_partitions

COMES_UP_S: Final = 120.0
"""How long a gateway may take until it answers, in seconds: it may have been started again just now."""
LAG_S: Final = 20.0
"""How long one that answers may lag behind the topics of a market that stands, in seconds."""
_LOOK_S: Final = 0.5
_ANSWER: Final = aiohttp.ClientTimeout(total=10.0)
_OF_EVENTS: Final = {CHANNELS[name].topics[0].name: name for name in EVENT_CHANNELS}
"""The channels of events by the topic of each."""


@dataclass
class RecentEvents:
    """The last events of the topics that the gateway shows events of, as many as it can have."""

    _events: dict[Partition, deque[Placed]] = field(default_factory=dict)

    def take(self, partition: Partition, events: Iterable[Placed]) -> None:
        """Keep the last events of a partition, which come in order, in any number of parts; of other topics none."""
        channel = _OF_EVENTS.get(partition.topic)
        if channel is not None:
            self._events.setdefault(partition, deque(maxlen=CHANNELS[channel].kept)).extend(events)

    def compare(self, snapshot: Snapshot) -> Iterator[Difference]:
        """Compare a channel of events with them."""
        channel = CHANNELS[snapshot.channel]
        topic = channel.topics[0].name
        its = {partition.number: events for partition, events in self._events.items() if partition.topic == topic}
        events = [placed for partition in its.values() for placed in partition]
        # A gateway that has just started has read only the newest messages of each partition, marks of transactions included.
        since = {
            number: partition[-1][0].message.offset - channel.read_back // 2 for number, partition in its.items() if partition
        }
        is_whole = len(events) <= (channel.kept or 0)
        yield from compare_events(snapshot, events, lambda at: is_whole and at.message.offset > since[at.message.partition])


def compare_gateway(url: str, kafka: Mapping[str, str], prefix: str, recent: RecentEvents) -> tuple[list[Difference], int]:
    """Compare every channel with the topics, once the gateway has caught up; the differences, and how many rows it showed.

    Args:
        url: Of the gateway, as ``http://127.0.0.1:8080``.
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics.
        recent: The last events on the topics.

    Raises:
        KafkaUnavailable: Kafka stopped answering.
        InvalidMessage: A topic holds something that is not its own.
    """
    deadline = time.monotonic() + COMES_UP_S
    is_up = False
    while True:
        try:
            snapshots = asyncio.run(ask_gateway(url))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            detail = f"{url} does not answer as a gateway: {str(error) or type(error).__name__}; see its log"
            found, rows = [Difference("no_gateway", "", detail, None, "gateway")], 0
        else:
            if not is_up:
                is_up, deadline = True, time.monotonic() + LAG_S
            found, rows = _compare_now(snapshots, kafka, prefix, recent), sum(len(snapshot.rows) for snapshot in snapshots)
        if not found or time.monotonic() > deadline:
            return found, rows
        time.sleep(_LOOK_S)


def _compare_now(snapshots: Iterable[Snapshot], kafka: Mapping[str, str], prefix: str, recent: RecentEvents) -> list[Difference]:
    last = {name: read_last(kafka, prefix, channel.topics) for name, channel in CHANNELS.items() if name not in EVENT_CHANNELS}
    return compare_snapshots(snapshots, last, recent)


def compare_snapshots(
    snapshots: Iterable[Snapshot], last: Mapping[str, Iterable[Placed]], recent: RecentEvents
) -> list[Difference]:
    """Compare what the gateway shows with the topics.

    Args:
        snapshots: Of any channels.
        last: By channel of rows, the last message of each key.
        recent: The last events of the others.
    """
    found: list[Difference] = []
    for snapshot in snapshots:
        if snapshot.channel in EVENT_CHANNELS:
            found += recent.compare(snapshot)
        else:
            found += compare_rows(snapshot, last[snapshot.channel])
    return found


async def ask_gateway(url: str) -> list[Snapshot]:
    """Every channel, by REST and by WebSocket.

    Raises:
        aiohttp.ClientError: It cannot be reached, or refuses.
        TimeoutError: It does not answer.
        ValueError: What it says is no snapshot.
    """
    async with aiohttp.ClientSession(base_url=url, timeout=_ANSWER, raise_for_status=True) as session:
        snapshots = [await _by_rest(session, channel) for channel in CHANNELS]
        async with session.ws_connect("/v1/ws", max_msg_size=0) as socket:
            return snapshots + [await _by_websocket(socket, number, channel) for number, channel in enumerate(CHANNELS, 1)]


async def _by_rest(session: aiohttp.ClientSession, channel: str) -> Snapshot:
    async with session.get(f"/api/v1/snapshot/{channel}") as answer:
        said = json.loads(await answer.read())
    return Snapshot(channel, "REST", said["cols"], said["rows"])


async def _by_websocket(socket: aiohttp.ClientWebSocketResponse, number: int, channel: str) -> Snapshot:
    await socket.send_json({"op": "sub", "id": number, "ch": channel, "sym": ["*"]})
    rows: list[list[Any]] = []
    while True:
        said = json.loads(await socket.receive_str(timeout=_ANSWER.total))
        if said["op"] == "err" and said["id"] == number:
            raise ValueError(said["msg"])
        if said["op"] == "snap" and said["ch"] == channel:
            rows += said["rows"]
            if said["last"]:
                return Snapshot(channel, "WebSocket", said["cols"], rows)


def read_last(kafka: Mapping[str, str], prefix: str, topics: Iterable[Topic[Any]]) -> list[Placed]:
    """The last message of each key of some topics, read committed; older ones are not kept.

    Raises:
        KafkaUnavailable: Kafka stopped answering.
        InvalidMessage: A topic holds something that is not its own.
    """
    found: list[Placed] = []
    for topic in topics:
        name = topic.named(prefix)
        wanted = [Partition(name, number) for number in range(count_partitions(kafka, name))]
        messages = (
            (EventPosition(Position(topic.name, raw.partition, raw.offset), 0), topic.decode(raw.value))
            for _, raw in read_partitions(kafka, wanted)
        )
        if topic is SSI_REFERENCE:
            found += {message.record.symbol: (at, message) for at, message in messages}.values()
        elif topic is SSI_STATUS:
            found += {message.feed: (at, message) for at, message in messages}.values()
        else:
            found += latest(messages).values()
    return found
