"""One client's side of ``stock.v1`` (pure): carries out its commands, and gives what it has still to get.

The caller owns the socket and the clock. It hands every text to :meth:`Subscriber.receive`, every interval's changes to
:meth:`Subscriber.offer`, and, whenever the socket takes more, writes what :meth:`Subscriber.drain` gives.
"""

from collections.abc import Iterable, Iterator, Set
from typing import Final, NamedTuple

from gateway.core import cursor, wire
from gateway.core.board import Board
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.conflate import EventLane
from gateway.core.errors import BadCursor, Refused
from gateway.core.events import Recent, Recents
from gateway.core.limits import Allowance, ClientLimits
from gateway.core.selection import EVERYTHING, Selection, is_group
from gateway.core.subscription import Subscription
from schemas.stock_v1 import Auth, CloseCode, Command, ErrorCode, Ping, Sub, Unsub

DRAIN_BYTES: Final = 256 * 1024
"""Pages of snapshots that one :meth:`Subscriber.drain` gives at most."""
ANSWERS_WAITING: Final = 100
"""Answers that a client may leave unread."""
STRIKES: Final = 3
"""How often a client may send a command too soon; the next time it is sent away."""
RETRY_MS: Final = 1_000
"""How soon a client may ask again that came before the topics were read."""


class Close(NamedTuple):
    """The connection is to end."""

    code: CloseCode
    reason: str


class Subscriber:
    """One client: its subscriptions and what it has still to get."""

    def __init__(self, board: Board, recents: Recents, limits: ClientLimits, now_ms: int) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        """What the client is subscribed to, by channel."""
        self.close: Close | None = None
        """Set once the connection has to end, after what :meth:`drain` still gives."""
        self.asked = False
        """Whether the client has tried to subscribe."""
        self.unfinished = False
        """Whether the last :meth:`drain` left pages of a snapshot for the next one."""
        self._board = board
        self._recents = recents
        self._limits = limits
        self._allowance = Allowance(limits.commands_per_s, limits.burst)
        self._strikes = 0
        self._n = 0
        """The number of the last message."""
        self._answers = [wire.hello(limits, board.stream, now_ms)]
        self._lanes = {channel: EventLane() for channel in EVENT_CHANNELS}
        """Events that wait, by channel."""
        self._shared: list[bytes] = []
        """Messages that were made for everybody."""

    # commands in

    def receive(self, text: str | bytes, now_ms: int) -> None:
        """Carry out a command, or say why not."""
        wait_ms = self._allowance.take(now_ms)
        if wait_ms:
            self._strike(wait_ms)
            return
        command_id = None
        try:
            fields = wire.fields_of(text)
            command_id = wire.id_of(fields)
            self._obey(wire.command_of(fields))
        except Refused as refused:
            self.notice(wire.err(command_id, refused))

    def _strike(self, wait_ms: int) -> None:
        self._strikes += 1
        if self._strikes > STRIKES:
            self.close = Close(CloseCode.RATE_ABUSE, "too many commands")
            return
        refused = Refused(ErrorCode.RATE, f"more than {self._limits.commands_per_s} commands a second", wait_ms)
        self.notice(wire.err(None, refused))

    def _obey(self, command: Command) -> None:
        match command:
            case Sub():
                self._subscribe(command)
            case Unsub():
                self._unsubscribe(command)
            case Ping() | Auth():
                self.notice(wire.ok(command.id))

    def _subscribe(self, command: Sub) -> None:
        self.asked = True
        channel = _known(command.ch)
        throttle_ms = self._limits.default_ms if command.throttle_ms is None else command.throttle_ms
        if throttle_ms not in self._limits.classes:
            raise Refused(ErrorCode.BAD_THROTTLE, f"throttle_ms is one of {self._limits.classes}")
        recent = self._recents.get(channel)
        if not (self._board if recent is None else recent).complete:
            raise Refused(ErrorCode.NOT_READY, "the gateway is still reading Kafka: /readyz says why", RETRY_MS)
        words = dict.fromkeys(command.sym)
        unknown = [word for word in words if not self._knows(channel, word)]
        wanted = Selection.of(words.keys() - unknown)
        if not wanted:
            raise Refused(ErrorCode.UNKNOWN_SYMBOL, f"channel {channel} has none of these now")
        existing = self.subscriptions.get(channel)
        selection = existing.selection | wanted if existing else wanted
        if len(selection.keys) > self._limits.symbols:
            raise Refused(ErrorCode.TOO_MANY_SYMBOLS, f"at most {self._limits.symbols} a channel: use a group or {EVERYTHING}")
        offsets = self._read_up_to(channel, command.cursor)
        subscription = existing or Subscription(channel, throttle_ms, self._cursor(channel))
        self.subscriptions[channel] = subscription
        subscription.throttle_ms = throttle_ms
        if recent is not None:
            recovered = self._ask_for_events(recent, subscription, selection, offsets)
        else:
            recovered = self._ask_for_rows(subscription, wanted, offsets)
        subscription.selection = selection
        self.notice(
            wire.ok(
                command.id,
                ch=channel,
                accepted=len(words) - len(unknown),
                rejected=[{"sym": word, "code": ErrorCode.UNKNOWN_SYMBOL} for word in unknown],
                recovered=recovered,
            )
        )

    def _read_up_to(self, channel: str, text: str | None) -> cursor.Offsets | None:
        """How far the client has read, by its own account; None when it says nothing, or nothing that holds."""
        if text is None or not CHANNELS[channel].has_cursor:
            return None
        try:
            return cursor.read(text, self._recents.get(channel, self._board).stream)
        except BadCursor as error:
            raise Refused(ErrorCode.BAD_CURSOR, str(error)) from error

    def _cursor(self, channel: str) -> str:
        recent = self._recents.get(channel)
        return self._board.cursor(channel) if recent is None else recent.cursor()

    def _ask_for_rows(self, subscription: Subscription, wanted: Selection, offsets: cursor.Offsets | None) -> bool:
        """Have the rows of ``wanted`` sent that the client does not have; whether ``offsets`` told which these are."""
        table = self._board.tables[subscription.channel]
        keys = table.keys(self._members(wanted))
        if subscription.selection:
            had = self._members(subscription.selection)
            keys = [] if had is None else [key for key in keys if key not in had]
        if offsets is not None:
            keys = table.since(offsets, keys)
        subscription.ask(keys)
        return offsets is not None

    def _ask_for_events(
        self, recent: Recent, subscription: Subscription, selection: Selection, offsets: cursor.Offsets | None
    ) -> bool:
        """Have the events sent that the client missed; whether ``offsets`` told which these are, and all are still here."""
        if subscription.selection:
            # Later events are already on their way to this client: what it adds starts now.
            subscription.ask(())
            return False
        missed, recovered = recent.since(offsets)
        members = self._members(selection)
        subscription.ask(event.row for event in missed if members is None or event.symbol in members)
        return recovered

    def _unsubscribe(self, command: Unsub) -> None:
        channel = _known(command.ch)
        subscription = self.subscriptions.get(channel)
        if subscription is not None:
            subscription.selection -= Selection.of(command.sym)
            if not subscription.selection:
                del self.subscriptions[channel]
            elif channel not in self._recents and (members := self._members(subscription.selection)) is not None:
                subscription.drop_all_but(members)
        self.notice(wire.ok(command.id, ch=channel))

    def _knows(self, channel: str, word: str) -> bool:
        """Whether ``word`` means anything in ``channel`` as of now."""
        directory, has_groups = self._board.directory, CHANNELS[channel].has_groups
        if word == EVERYTHING:
            return True
        if is_group(word):
            return has_groups and directory.has_group(word)
        # An alert is about a symbol or an index, which has no exchange; a candle is a symbol's.
        rows = self._board.tables[{"alert": "index", "candle": "px"}.get(channel, channel)].rows
        return word in rows or (has_groups and word in directory.exchanges)

    def _members(self, selection: Selection) -> frozenset[str] | None:
        return self._board.directory.members(selection)

    # what happens in the market

    def offer(self, subscription: Subscription, changed: Set[str], bodies: Iterable[bytes], reached: str, *, reads: bool) -> None:
        """Take an interval's changes of a subscription.

        Args:
            subscription: One of this subscriber.
            changed: Keys of the subscription that changed.
            bodies: Messages of these changes, made once for all clients with the same selection, without their number.
            reached: The cursor at the end of the interval.
            reads: Whether :meth:`drain` follows, because the socket takes more.
        """
        if subscription.end_interval(changed, reached, reads=reads):
            self._shared.extend(bodies)

    def tell(self, channel: str, body: bytes) -> None:
        """Take the message of an event, without its number; a client whose lane is full is told to go."""
        if not self._lanes[channel].push(body):
            self.close = Close(CloseCode.SLOW, f"channel {channel} was not read in time")

    def notice(self, body: bytes) -> None:
        """Take a message that goes out at once, without its number: an answer, a heartbeat, a farewell."""
        if len(self._answers) >= ANSWERS_WAITING:
            self.close = Close(CloseCode.SLOW, "answers were not read")
            return
        self._answers.append(body)

    def heartbeat(self, head: bytes) -> None:
        """Take what a heartbeat says to everybody (:func:`gateway.core.wire.heartbeat_head`)."""
        for channel, lane in self._lanes.items():
            events = self.subscriptions.get(channel)
            if events is not None and not events.has_snapshot and not lane:
                events.cursor = self._recents[channel].cursor()
        cursors = {
            channel: subscription.cursor
            for channel, subscription in self.subscriptions.items()
            if subscription.cursor and not subscription.has_snapshot
        }
        self.notice(wire.heartbeat(head, cursors))

    # messages out

    @property
    def waiting(self) -> bool:
        """Whether :meth:`drain` would give anything."""
        return bool(self._answers or any(self._lanes.values()) or self._shared) or any(
            subscription.waits for subscription in self.subscriptions.values()
        )

    def drain(self, now_ms: int) -> list[bytes]:
        """The messages that are due, numbered, in the order in which they go onto the wire.

        Answers first, then snapshots (:data:`DRAIN_BYTES` at a time), events, and rows of channels whose snapshot is complete.
        """
        bodies, self._answers = self._answers, []
        owed = [subscription for subscription in self.subscriptions.values() if subscription.waits]
        if owed:
            bodies += self._pages(owed)
        for channel, lane in self._lanes.items():
            if lane and not self._misses_events(channel):
                bodies += lane.take()
        bodies += self._shared
        self._shared.clear()
        for subscription in owed:
            if not subscription.has_snapshot:
                bodies += self._rows_owed(subscription, now_ms)
        self.unfinished = bool(owed) and any(subscription.has_snapshot for subscription in owed)
        messages = []
        for body in bodies:
            self._n += 1
            messages.append(wire.numbered(self._n, body))
        return messages

    def _misses_events(self, channel: str) -> bool:
        """Whether older events of the channel are still on their way: they come before those that happen."""
        events = self.subscriptions.get(channel)
        return events is not None and events.has_snapshot

    def _pages(self, owed: Iterable[Subscription]) -> Iterator[bytes]:
        """The next pages of the snapshots that are on their way, that of alerts first."""
        left = DRAIN_BYTES
        for subscription in sorted(owed, key=lambda subscription: subscription.channel != "alert"):
            while subscription.has_snapshot and left > 0:
                rows = wire.take_page(self._snapshot_of(subscription))
                page = wire.snap(subscription.channel, rows, subscription.cursor, last=subscription.page_written())
                left -= len(page)
                yield page

    def _snapshot_of(self, subscription: Subscription) -> Iterator[bytes]:
        for item in subscription.snapshot():
            yield item if isinstance(item, bytes) else self._board.tables[subscription.channel].rows[item].fragment

    def _rows_owed(self, subscription: Subscription, now_ms: int) -> list[bytes]:
        keys, conflated = subscription.catch_up()
        if not keys:
            return []
        rows = self._board.tables[subscription.channel].fragments(keys)
        return wire.deltas(subscription.channel, rows, subscription.cursor, now_ms, conflated=conflated)


def _known(channel: str) -> str:
    """``channel``, if there is one of that name.

    Raises:
        Refused: There is none.
    """
    if channel not in CHANNELS:
        raise Refused(ErrorCode.UNKNOWN_CHANNEL, f"channels are {', '.join(CHANNELS)}")
    return channel
