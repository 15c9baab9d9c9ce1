"""Rows and clients for the gateway's unit tests."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import pytest_asyncio
from pydantic import TypeAdapter

from gateway.core.board import Board, Change
from gateway.core.events import Recent, Recents, ToldEvent, events_of, recents
from gateway.core.limits import ClientLimits
from gateway.core.subscriber import Subscriber
from gateway.core.wire import numbered
from schemas.position import Position
from schemas.stock_v1 import ServerMessage
from schemas.structs import AlertsFrame
from schemas.topics import encode
from tests.builders import an_alert
from tests.unit.gateway.served import Served, serving

STREAM = "0123abcd"
_messages: TypeAdapter[Any] = TypeAdapter(ServerMessage)


def a_change(key: str = "VNM", **fields: Any) -> Change:
    """A row of ``px`` whose value, ``offset`` and ``src`` are the same number unless said otherwise."""
    value = fields.pop("value", 1)
    defaults = {
        "channel": "px", "key": key, "slot": 0, "offset": value, "day": 20261120, "src": value,
        "fragment": encode([key, value]), "exchange": "HOSE", "groups": None,
    }  # fmt: skip
    return Change(**{**defaults, **fields})


def some_alerts(*numbers: int, offset: int, partition: int = 0, symbol: str = "VNM") -> list[ToldEvent]:
    """The alerts of one message."""
    events = [an_alert(f"a{number}", number, symbol=symbol) for number in numbers]
    return events_of("alert", Position("market.alerts", partition, offset), AlertsFrame(events=events))


class Writing:
    """The writing side of a connection that takes one message like another."""

    def write(self, payloads: Sequence[bytes]) -> int:
        raise NotImplementedError

    def write_bodies(self, first: int, bodies: Sequence[bytes]) -> int:
        return self.write([numbered(n, body) for n, body in enumerate(bodies, first)])


class Viewer:
    """What a client sees: checks every message against the schema and its number, keeps rows, cursors and alerts."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.shown: dict[str, dict[str, Any]] = {}
        self.cursors: dict[str, str] = {}
        self.alert_ids: list[str] = []

    def take(self, text: bytes) -> dict[str, Any]:
        """See a message."""
        _messages.validate_json(text)
        message: dict[str, Any] = json.loads(text)
        self.messages.append(message)
        assert message["n"] == len(self.messages)
        match message["op"]:
            case "snap" if message["ch"] == "alert":
                self.alert_ids += [row[0] for row in message["rows"]]
            case "snap" | "delta":
                self.shown.setdefault(message["ch"], {}).update({row[0]: row[-1] for row in message["rows"]})
            case "event":
                self.alert_ids.append(message["data"]["alert_id"])
        if isinstance(message.get("cursor"), str):
            self.cursors[message["ch"]] = message["cursor"]
        return message


class Peer(Viewer):
    """A client that speaks to a :class:`Subscriber` directly and reads everything at once."""

    def __init__(self, board: Board, recent: Recents, limits: ClientLimits) -> None:
        super().__init__()
        self.subscriber = Subscriber(board, recent, limits, now_ms=0)
        self._now_ms = 0

    def send(self, **command: Any) -> dict[str, Any]:
        """Send a command, a second after the one before; the answer."""
        return self.send_text(json.dumps(command))

    def send_text(self, text: str) -> dict[str, Any]:
        """Send a text, a second after the one before; the answer."""
        self._now_ms += 1_000
        self.subscriber.receive(text, self._now_ms)
        return next((message for message in self.read() if message["op"] in ("ok", "err")), {})

    def read(self) -> list[dict[str, Any]]:
        """Read everything that the gateway has to say."""
        new = []
        while self.subscriber.waiting:
            new += [self.take(text) for text in self.subscriber.drain(now_ms=0)]
        return new


def an_empty_board() -> Board:
    """A board that has been read to its end."""
    board = Board()
    board.begin(STREAM)
    board.complete = True
    return board


def no_events() -> Recents:
    """Events of all channels, none yet, that have been read to their end."""
    made = recents()
    for recent in made.values():
        recent.begin(STREAM, {0: 0, 1: 0, 2: 0})
        recent.settle()
    return made


@pytest.fixture(scope="session")
def new_board() -> Callable[[], Board]:
    return an_empty_board


@pytest.fixture(scope="session")
def new_recents() -> Callable[[], Recents]:
    return no_events


@pytest.fixture(scope="session")
def viewer() -> Callable[[], Viewer]:
    return Viewer


@pytest.fixture(scope="session")
def change() -> Callable[..., Change]:
    return a_change


@pytest.fixture(scope="session")
def alerts() -> Callable[..., list[ToldEvent]]:
    return some_alerts


@pytest.fixture
def board() -> Board:
    return an_empty_board()


@pytest.fixture
def events() -> Recents:
    return no_events()


@pytest_asyncio.fixture
async def served(board: Board, events: Recents) -> AsyncIterator[Served]:
    async with serving(board, events) as served:
        yield served


@pytest.fixture
def recent(events: Recents) -> Recent:
    return events["alert"]


@pytest.fixture
def put(board: Board) -> Callable[..., list[tuple[str, str]]]:
    """Puts a row of ``px`` onto the board; what was taken."""
    return lambda key="VNM", **fields: list(board.apply([a_change(key, **fields)]))


@pytest.fixture
def new_peer(board: Board, events: Recents) -> Callable[..., Peer]:
    return lambda limits=None: Peer(board, events, limits or ClientLimits())


@pytest.fixture
def peer(new_peer: Callable[..., Peer]) -> Peer:
    """A client that has read the greeting."""
    peer = new_peer()
    peer.read()
    return peer
