"""One client's side of ``stock.v1`` (pure): commands in, frames out, limits and the reasons to part.

The caller owns the socket and the clock. It hands every text to :meth:`Session.receive`, every interval's changes to
:meth:`Session.offer`, and, whenever the socket takes more, writes what :meth:`Session.drain` gives.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from pydantic import TypeAdapter, ValidationError

from gateway.core import alerts, cursor, rows, status
from gateway.core.alerts import Alert, Recent
from gateway.core.board import Board
from gateway.core.conflate import Lane, Pending
from gateway.core.errors import BadCursor
from gateway.core.selection import Selection
from schemas.stock_v1 import PROTOCOL, Auth, CloseCode, Command, ErrorCode, Ping, Sub, Unsub
from schemas.topics import encode

PAGE_BYTES = 64 * 1024
"""A snapshot page or delta frame is cut before it grows beyond this."""
DRAIN_BYTES = 256 * 1024
"""Snapshot pages that one :meth:`Session.drain` gives at most."""
ANSWERS_WAITING = 100
"""Answers that a client may leave unread."""
STRIKES = 3
RETRY_MS = 1_000

CHANNELS = ("px", "index", "flow", "basis", "alert", "status", "ref")
COLUMNS: dict[str, tuple[str, ...]] = {**rows.COLUMNS, "alert": alerts.COLUMNS, "status": status.COLUMNS}
_GROUPED = frozenset({"px", "flow", "alert", "ref"})
"""Channels that know ``@VN30``."""
_OPS = frozenset({"sub", "unsub", "ping", "auth"})
_commands: TypeAdapter[Command] = TypeAdapter(Command)


@dataclass(frozen=True, slots=True)
class Terms:
    """What every client is told in ``hello`` and held to."""

    message_bytes: int = 8_192
    symbols: int = 2_000
    commands_per_s: int = 10
    burst: int = 20
    classes: tuple[int, ...] = (0, 100, 250, 500, 1_000)
    default_ms: int = 500
    heartbeat_ms: int = 5_000


class Close(NamedTuple):
    """The connection is to end."""

    code: CloseCode
    reason: str


@dataclass(slots=True)
class Subscription:
    """What a client gets of one channel."""

    channel: str
    throttle_ms: int
    selection: Selection = field(default_factory=Selection)
    pending: Pending = field(default_factory=Pending)
    snapshot: deque[str | Alert] | None = None
    """Keys (of ``alert``: alerts) whose rows are still to be sent; None when no snapshot is under way."""
    fresh: bool = False
    """A snapshot was sent after the current interval's frames were made: those would take its rows back in time."""
    cursor: str = ""
    """Where the client stands: set whenever it has everything up to the end of an interval."""

    @property
    def is_even(self) -> bool:
        """Whether the client has everything up to the end of the last interval."""
        return self.snapshot is None and not self.pending.keys

    @property
    def shares(self) -> bool:
        """Whether the frames made for everybody are right for this client."""
        return self.is_even and not self.fresh


@dataclass(slots=True)
class Allowance:
    """A token bucket for commands."""

    per_s: int
    burst: int
    _tokens: float = 0.0
    _at_ms: int | None = None

    def take(self, now_ms: int) -> int:
        """Spend a token; how many milliseconds to wait for the next one when there is none, else 0."""
        elapsed_ms = 0 if self._at_ms is None else max(0, now_ms - self._at_ms)
        self._tokens = self.burst if self._at_ms is None else min(self.burst, self._tokens + elapsed_ms * self.per_s / 1_000)
        self._at_ms = now_ms
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return int((1 - self._tokens) * 1_000 / self.per_s) + 1


class Session:
    """One client: its subscriptions and what it has still to get."""

    def __init__(self, board: Board, recent: Recent, terms: Terms, now_ms: int) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.close: Close | None = None
        """Set once the connection has to end, after what :meth:`drain` still gives."""
        self.asked = False
        """Whether the client has tried to subscribe."""
        self.unfinished = False
        """Whether the last :meth:`drain` left pages of a snapshot for the next one."""
        self._board = board
        self._recent = recent
        self._terms = terms
        self._allowance = Allowance(terms.commands_per_s, terms.burst)
        self._strikes = 0
        self._n = 0
        self._answers: list[bytes] = []
        self._lane = Lane()
        self._shared: list[bytes] = []
        self._say(
            op="hello",
            v=PROTOCOL,
            epoch=board.epoch,
            server_time=now_ms,
            auth="none",
            throttle={"default": terms.default_ms, "classes": terms.classes},
            limits={
                "message_bytes": terms.message_bytes,
                "symbols": terms.symbols,
                "commands_per_s": terms.commands_per_s,
                "burst": terms.burst,
            },
            channels=CHANNELS,
            heartbeat_ms=terms.heartbeat_ms,
        )

    # commands in

    def receive(self, text: str | bytes, now_ms: int) -> None:
        """Carry out a command, or say why not."""
        wait_ms = self._allowance.take(now_ms)
        if wait_ms:
            self._strikes += 1
            if self._strikes > STRIKES:
                self.close = Close(CloseCode.RATE_ABUSE, "too many commands")
                return
            self._refuse(None, ErrorCode.RATE, f"more than {self._terms.commands_per_s} commands a second", wait_ms)
            return
        try:
            raw = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._refuse(None, ErrorCode.BAD_MESSAGE, "not JSON: send one object a message")
            return
        if not isinstance(raw, dict):
            self._refuse(None, ErrorCode.BAD_MESSAGE, "a command is a JSON object with an op")
            return
        command_id = raw.get("id") if type(raw.get("id")) is int else None
        op = raw.get("op")
        if not isinstance(op, str) or op not in _OPS:
            self._refuse(command_id, ErrorCode.UNKNOWN_OP, f"op is one of {', '.join(sorted(_OPS))}")
            return
        try:
            command = _commands.validate_python(raw)
        except ValidationError as error:
            fault = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in fault["loc"][1:])
            self._refuse(command_id, ErrorCode.BAD_MESSAGE, f"{place}: {fault['msg']}")
            return
        self._obey(command)

    def _obey(self, command: Command) -> None:
        match command:
            case Sub():
                self._subscribe(command)
            case Unsub():
                self._unsubscribe(command)
            case Ping() | Auth():
                self._say(op="ok", id=command.id)

    def _subscribe(self, command: Sub) -> None:
        self.asked = True
        channel = command.ch
        throttle_ms = self._terms.default_ms if command.throttle_ms is None else command.throttle_ms
        if channel not in CHANNELS:
            self._refuse(command.id, ErrorCode.UNKNOWN_CHANNEL, f"channels are {', '.join(CHANNELS)}")
            return
        if throttle_ms not in self._terms.classes:
            self._refuse(command.id, ErrorCode.BAD_THROTTLE, f"throttle_ms is one of {self._terms.classes}")
            return
        if not (self._recent.complete if channel == "alert" else self._board.complete):
            self._refuse(command.id, ErrorCode.NOT_READY, "the gateway is still reading Kafka: /readyz says why", RETRY_MS)
            return
        rejected = [
            {"sym": word, "code": ErrorCode.UNKNOWN_SYMBOL}
            for word in dict.fromkeys(command.sym)
            if not self._knows(channel, word)
        ]
        refused = {str(rejection["sym"]) for rejection in rejected}
        wanted = Selection.of(word for word in command.sym if word not in refused)
        if not wanted:
            self._refuse(command.id, ErrorCode.UNKNOWN_SYMBOL, f"channel {channel} has none of these now")
            return
        existing = self.subscriptions.get(channel)
        selection = existing.selection | wanted if existing else wanted
        if len(selection.keys) > self._terms.symbols:
            self._refuse(command.id, ErrorCode.TOO_MANY_SYMBOLS, f"at most {self._terms.symbols} a channel: use a group or *")
            return
        try:
            positions = self._positions(channel, command.cursor)
        except BadCursor as error:
            self._refuse(command.id, ErrorCode.BAD_CURSOR, str(error))
            return
        subscription = existing or Subscription(channel, throttle_ms)
        if not existing:
            self.subscriptions[channel] = subscription
            subscription.cursor = self._cursor(channel)
        subscription.throttle_ms = throttle_ms
        if channel == "alert":
            recovered = self._queue_alerts(subscription, selection, positions)
        else:
            recovered = self._queue_rows(subscription, wanted, positions)
        subscription.selection = selection
        self._say(
            op="ok",
            id=command.id,
            ch=channel,
            accepted=len(set(command.sym)) - len(refused),
            rejected=rejected,
            recovered=recovered,
        )

    def _positions(self, channel: str, text: str | None) -> cursor.Positions | None:
        # The rows of `status` are the gateway's own judgement: no offset of Kafka says which of them a client has.
        if text is None or channel == "status":
            return None
        return cursor.read(text, self._recent.epoch if channel == "alert" else self._board.epoch)

    def _cursor(self, channel: str) -> str:
        if channel == "status":
            return ""
        return self._recent.cursor() if channel == "alert" else self._board.cursor(channel)

    def _queue_rows(self, subscription: Subscription, wanted: Selection, positions: cursor.Positions | None) -> bool:
        channel = self._board.channels[subscription.channel]
        keys: Iterable[str] = self._within(channel.rows, wanted)
        if subscription.selection:
            had = self._members(subscription.selection)
            keys = () if had is None else [key for key in keys if key not in had]
        if positions is not None:
            keys = channel.since(positions, keys)
        if subscription.snapshot is None:
            subscription.snapshot = deque()
        subscription.snapshot.extend(keys)
        return positions is not None

    def _queue_alerts(self, subscription: Subscription, selection: Selection, positions: cursor.Positions | None) -> bool:
        if subscription.selection:
            # Later alerts are already on their way to this client: what it adds starts now.
            subscription.snapshot = subscription.snapshot or deque()
            return False
        missed, recovered = self._recent.since(positions)
        members = self._members(selection)
        subscription.snapshot = deque(alert for alert in missed if members is None or alert.symbol in members)
        return recovered

    def _unsubscribe(self, command: Unsub) -> None:
        subscription = self.subscriptions.get(command.ch)
        if command.ch not in CHANNELS:
            self._refuse(command.id, ErrorCode.UNKNOWN_CHANNEL, f"channels are {', '.join(CHANNELS)}")
            return
        if subscription is not None:
            subscription.selection -= Selection.of(command.sym)
            if not subscription.selection:
                del self.subscriptions[command.ch]
            elif (members := self._members(subscription.selection)) is not None:
                subscription.pending.keep(members)
                if subscription.snapshot is not None and command.ch != "alert":
                    subscription.snapshot = deque(key for key in subscription.snapshot if key in members)
        self._say(op="ok", id=command.id, ch=command.ch)

    def _knows(self, channel: str, word: str) -> bool:
        if word == "*":
            return True
        if word.startswith("@"):
            return channel in _GROUPED and self._board.universe.has_group(word)
        if channel != "alert" and word in self._board.channels[channel].rows:
            return True
        if channel == "alert" and word in self._board.channels["index"].rows:
            return True
        return channel in _GROUPED and word in self._board.universe.exchanges

    def _members(self, selection: Selection) -> frozenset[str] | None:
        return self._board.universe.members(selection)

    def _within(self, keys: Mapping[str, Any], selection: Selection) -> list[str]:
        members = self._members(selection)
        return list(keys) if members is None else [key for key in keys if key in members]

    # what happens in the market

    def offer(self, subscription: Subscription, changed: Set[str], pages: Iterable[bytes], reached: str, writable: bool) -> None:
        """Take an interval's changes of a subscription.

        Args:
            subscription: One of this session.
            changed: Keys of the subscription that changed.
            pages: Frames of these changes, made once for all clients with the same selection, without their number.
            reached: The cursor at the end of the interval.
            writable: Whether :meth:`drain` follows, for the socket takes more.
        """
        if writable and subscription.shares:
            self._shared.extend(pages)
        else:
            subscription.pending.add(changed)
            subscription.fresh = False
        if not writable:
            subscription.pending.skip()
        elif subscription.snapshot is None:
            subscription.cursor = reached

    def alert(self, frame: bytes) -> None:
        """Take an alert's frame, without its number; a client whose lane is full is told to go."""
        if not self._lane.push(frame):
            self.close = Close(CloseCode.SLOW, "alerts were not read in time")

    def notice(self, frame: bytes) -> None:
        """Take a frame that goes out at once, without its number: a heartbeat, a farewell."""
        if len(self._answers) >= ANSWERS_WAITING:
            self.close = Close(CloseCode.SLOW, "answers were not read")
            return
        self._answers.append(frame)

    def heartbeat(self, frame: bytes) -> None:
        """Take a heartbeat's frame, open at its end for the cursors of this client."""
        told = self.subscriptions.get("alert")
        if told is not None and not self._misses_alerts and not self._lane:
            told.cursor = self._recent.cursor()
        # While a snapshot is on its way its cursor stands for rows that the client does not have yet.
        cursors = {
            channel: subscription.cursor
            for channel, subscription in self.subscriptions.items()
            if subscription.cursor and subscription.snapshot is None
        }
        self.notice(frame + b',"cursor":' + encode(cursors) + b"}")

    # frames out

    @property
    def waiting(self) -> bool:
        """Whether :meth:`drain` would give anything."""
        return bool(self._answers or self._lane or self._shared) or not all(
            subscription.is_even for subscription in self.subscriptions.values()
        )

    def drain(self, ts_ms: int) -> list[bytes]:
        """The frames that are due, numbered, in the order in which they go onto the wire.

        Answers first, then alerts, snapshots (:data:`DRAIN_BYTES` at a time), and deltas of channels whose snapshot is complete.
        """
        bodies, self._answers = self._answers, []
        behind = [subscription for subscription in self.subscriptions.values() if not subscription.is_even]
        if behind:
            self._catch_up(behind, bodies)
        if self._lane and not self._misses_alerts:
            bodies += self._lane.take()
        bodies += self._shared
        self._shared.clear()
        for subscription in behind:
            if subscription.snapshot is None and subscription.pending.keys:
                keys, conflated = subscription.pending.take()
                bodies += delta_pages(self._board, subscription.channel, keys, subscription.cursor, ts_ms, conflated)
        self.unfinished = any(subscription.snapshot is not None for subscription in behind)
        frames = []
        for body in bodies:
            self._n += 1
            frames.append(b'{"n":%d,' % self._n + body)
        return frames

    @property
    def _misses_alerts(self) -> bool:
        told = self.subscriptions.get("alert")
        return told is not None and told.snapshot is not None

    def _catch_up(self, behind: list[Subscription], bodies: list[bytes]) -> None:
        """Add the next pages of snapshots, those of missed alerts first: they come before the alerts that happen."""
        budget = DRAIN_BYTES
        for subscription in sorted(behind, key=lambda subscription: subscription.channel != "alert"):
            while subscription.snapshot is not None and budget > 0:
                page = self._page(subscription, subscription.snapshot)
                budget -= len(page)
                bodies.append(page)

    def _page(self, subscription: Subscription, snapshot: deque[str | Alert]) -> bytes:
        table = self._board.channels.get(subscription.channel)
        fragments: list[bytes] = []
        size = 0
        while snapshot and size < PAGE_BYTES - _LONGEST_ROW:
            item = snapshot.popleft()
            fragment = item.row if isinstance(item, Alert) else table.rows[item].fragment if table is not None else b""
            fragments.append(fragment)
            size += len(fragment) + 1
        last = not snapshot
        if last:
            subscription.snapshot = None
            subscription.fresh = True
        columns = encode(COLUMNS[subscription.channel])
        end = b',"last":true,"cursor":' + encode(subscription.cursor or None) + b"}" if last else b',"last":false}'
        return b'"op":"snap","ch":"%s","cols":%s,"rows":[%s]%s' % (
            subscription.channel.encode(),
            columns,
            b",".join(fragments),
            end,
        )

    def _say(self, **fields: Any) -> None:
        self.notice(encode(fields)[1:])

    def _refuse(self, command_id: int | None, code: ErrorCode, msg: str, retry_ms: int | None = None) -> None:
        self._say(op="err", id=command_id, code=code, msg=msg, retry_ms=retry_ms)


_LONGEST_ROW = 4_096
"""Room left on a page for its last row."""


def delta_pages(board: Board, channel: str, keys: Iterable[str], cursor_text: str, ts_ms: int, conflated: bool) -> list[bytes]:
    """The frames, without their number, that carry the latest rows of ``keys``; the last one has the cursor."""
    table = board.channels[channel].rows
    pages = list(_pages(table[key].fragment for key in keys if key in table))
    head = b'"op":"delta","ch":"%s","rows":[' % channel.encode()
    tail = b'],"ts":%d,"con":%s' % (ts_ms, b"true" if conflated else b"false")
    end = b',"cursor":' + encode(cursor_text or None) + b"}"
    return [head + page + tail + (end if place == len(pages) - 1 else b"}") for place, page in enumerate(pages)]


def event_frame(alert: Alert, cursor_text: str) -> bytes:
    """The frame, without its number, of an alert."""
    return b'"op":"event","ch":"alert","cursor":%s,"data":%s}' % (encode(cursor_text), alert.data)


def _pages(fragments: Iterable[bytes]) -> Iterator[bytes]:
    page: list[bytes] = []
    size = 0
    for fragment in fragments:
        if page and size + len(fragment) > PAGE_BYTES - _LONGEST_ROW:
            yield b",".join(page)
            page, size = [], 0
        page.append(fragment)
        size += len(fragment) + 1
    if page:
        yield b",".join(page)
