"""One client's side of ``stock.v1`` (pure): carries out its commands, and gives what it has still to get.

The caller owns the socket and the clock. It hands every text to :meth:`Subscriber.receive`, every interval's changes to
:meth:`Subscriber.end_interval`, and, whenever the socket takes more, writes what :meth:`Subscriber.drain` gives.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from gateway.core import cursor, wire
from gateway.core.access import HISTORY, BadToken, Identity
from gateway.core.board import Board, Change
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.conflate import EventLane
from gateway.core.errors import BadCursor, Refused
from gateway.core.events import Recent, Recents, ToldEvent
from gateway.core.limits import Allowance, ClientLimits
from gateway.core.replay import LOGS, MOST_MS, NAMED, ReplayPlan
from gateway.core.selection import EVERYTHING, Audience, Selection, is_group
from gateway.core.subscription import Ahead, RowSubscription, Subscription, SubscriptionState
from schemas.stock_v1 import Auth, CloseCode, Command, ErrorCode, Ping, ReplayRequest, Stop, Sub, Unsub

DRAIN_BYTES: Final = 256 * 1024
"""Pages of snapshots that one :meth:`Subscriber.drain` gives at most."""
ANSWERS_WAITING: Final = 100
"""Answers that a client may leave unread."""
STRIKES: Final = 3
"""How often a client may send a command too soon; the next time it is sent away."""
LAST_MS: Final = 4_102_444_800_000
"""The end of the year 2099: no replay reaches further."""
RETRY_MS: Final = 1_000
"""How soon a client may ask again that came before the topics were read."""


class Close(NamedTuple):
    """The connection is to end."""

    code: CloseCode
    reason: str


class Subscriber:
    """One client: its subscriptions and what it has still to get."""

    def __init__(
        self,
        board: Board,
        recents: Recents,
        limits: ClientLimits,
        now_ms: int,
        identify: Callable[[str], Identity] | None = None,
        identity: Identity | None = None,
    ) -> None:
        """A client that has just come.

        Args:
            board: The rows.
            recents: The events.
            limits: What it is held to.
            now_ms: The gateway's clock.
            identify: Says whom a token names, or raises ``BadToken``; None where there are no accounts.
            identity: Whom the token names that its request had.
        """
        self.subscriptions: dict[str, Subscription] = {}
        """What the client is subscribed to, by channel."""
        self.close: Close | None = None
        """Set once the connection has to end, after what :meth:`drain` still gives."""
        self.asked = False
        """Whether the client has tried to subscribe, and may."""
        self.identity = identity
        """Whom its token names, if it has shown one."""
        self.replay: ReplayPlan | None = None
        """What the client wants played; the caller plays it (:mod:`gateway.replays`)."""
        self.plays = False
        """Whether that has begun."""
        self.unfinished = False
        """Whether the last :meth:`drain` left pages of a snapshot for the next one."""
        self._board = board
        self._recents = recents
        self._limits = limits
        self._allowance = Allowance(limits.commands_per_s, limits.burst)
        self._strikes = 0
        self._n = 0
        """The number of the last message."""
        self._identify = identify
        self._answers = [wire.hello(limits, board.stream, now_ms, has_accounts=identify is not None)]
        self._lanes = {channel: EventLane() for channel in EVENT_CHANNELS}
        """Events that wait, by channel."""
        self._has_events = False
        """Whether any lane has something."""
        self._due: list[bytes] = []
        """Rows of an interval that has just ended."""

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
                self.subscribe(command)
            case Unsub():
                self._unsubscribe(command)
            case Auth():
                self._authenticate(command)
            case Ping():
                self.notice(wire.ok(command.id))
            case ReplayRequest():
                self._ask_for_replay(command)
            case Stop():
                self._stop_replay(command)

    def _authenticate(self, command: Auth) -> None:
        """Take a token, the first or a newer one."""
        if self._identify is not None:
            try:
                identity = self._identify(command.token)
            except BadToken as error:
                self.close = Close(CloseCode.BAD_TOKEN, str(error))
                return
            barred = [channel for channel in self.subscriptions if not identity.may_have(channel)]
            if barred:
                self.close = Close(CloseCode.BAD_TOKEN, f"the new token is not good for channel {barred[0]}")
                return
            self.identity = identity
        self.notice(wire.ok(command.id))

    def _require_right(self, channel: str) -> None:
        """See that the client may have ``channel``.

        Raises:
            Refused: It may not, or has not said who it is.
        """
        if self._identify is None:
            return
        if self.identity is None:
            raise Refused(ErrorCode.AUTH_NEEDED, "name yourself first: auth, with a token")
        if not self.identity.may_have(channel):
            raise Refused(ErrorCode.NOT_ALLOWED, f"the token is not good for channel {channel}")

    def expire(self, now_ms: int) -> None:
        """End the connection if its token is over."""
        if self.identity is not None and now_ms >= self.identity.expires_ms:
            self.close = Close(CloseCode.TOKEN_EXPIRED, "the token is over: come back with a new one")

    def subscribe(self, command: Sub) -> None:
        """Subscribe to what ``command`` names.

        Raises:
            Refused: It cannot be; nothing has changed.
        """
        channel = _known(command.ch)
        self._require_right(channel)
        if self.replay is not None and self.replay.channel == channel:
            raise Refused(ErrorCode.CHANNEL_IN_USE, "the channel is played again: stop that first, or take another connection")
        self.asked = True
        throttle_ms = self._limits.default_ms if command.throttle_ms is None else command.throttle_ms
        if throttle_ms not in self._limits.classes:
            raise Refused(ErrorCode.BAD_THROTTLE, f"throttle_ms is one of {self._limits.classes}")
        recent = self._recents.get(channel)
        if not (self._board if recent is None else recent).complete:
            raise Refused(ErrorCode.NOT_READY, "the gateway is still reading Kafka: /readyz says why", RETRY_MS)
        table = self._board.tables.get(channel)
        rows: Mapping[str, Change] = {} if table is None else table.rows
        # As the board writes them: a client of its own strings for the same symbols would be a large part of what it takes.
        words = dict.fromkeys(rows[word].key if word in rows else word for word in command.sym)
        unknown = [word for word in words if not knows(self._board, channel, word)]
        if len(unknown) == len(words):
            raise Refused(ErrorCode.UNKNOWN_SYMBOL, f"channel {channel} has none of these now")
        existing = self.subscriptions.get(channel)
        directory = self._board.directory
        selection = directory.take_in(existing.audience.selection if existing else Selection(), words.keys() - unknown)
        if len(selection.keys) + len(selection.without) > self._limits.symbols:
            raise Refused(ErrorCode.TOO_MANY_SYMBOLS, f"at most {self._limits.symbols} a channel: use a group or {EVERYTHING}")
        offsets = self._read_up_to(channel, command.cursor)
        audience = directory.audience(selection)
        if recent is not None:
            recovered = self._ask_for_events(recent, throttle_ms, audience, offsets)
        else:
            recovered = self._ask_for_rows(channel, throttle_ms, audience, offsets)
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

    def _ask_for_rows(self, channel: str, throttle_ms: int, audience: Audience, offsets: cursor.Offsets | None) -> bool:
        """Have the rows of ``audience`` sent that the client does not have; whether ``offsets`` told which these are."""
        rows = self._board.tables[channel].rows
        existing = self.subscriptions.get(channel)
        if existing is None:
            subscription = self.subscriptions[channel] = RowSubscription(channel, throttle_ms, audience, self._board)
            if offsets is None:
                subscription.ask(audience.choose(rows))
            else:
                subscription.resume(offsets)
                subscription.ask(self._board.missed(channel, offsets, audience))
            return offsets is not None
        keys = rows if offsets is None else self._board.missed(channel, offsets, audience)
        added = [key for key in audience.choose(keys) if not existing.audience.has(key)]
        if existing.ahead is not None:
            existing.ahead.lacks(added)
        existing.audience = audience
        existing.move(throttle_ms)
        existing.ask(added)
        return offsets is not None

    def _ask_for_events(self, recent: Recent, throttle_ms: int, audience: Audience, offsets: cursor.Offsets | None) -> bool:
        """Have the events sent that the client missed; whether ``offsets`` told which these are, and all are still here."""
        existing = self.subscriptions.get(recent.channel)
        if existing is not None:
            # Later events are already on their way to this client: what it adds starts now.
            existing.audience, existing.throttle_ms = audience, throttle_ms
            existing.ask(())
            return False
        subscription = self.subscriptions[recent.channel] = Subscription(recent.channel, throttle_ms, audience)
        subscription.cursor = recent.cursor()
        if offsets is not None:
            ahead = Ahead(offsets)
            if not ahead.is_reached(recent.offsets):
                # Events come by themselves that this gateway has still to read, and the client has: they must not come twice.
                subscription.ahead = ahead
                subscription.cursor = cursor.write(recent.stream, ahead.merged(recent.offsets))
        missed, recovered = recent.since(offsets)
        subscription.ask(event.row for event in missed if audience.has(event.symbol))
        return recovered

    def _unsubscribe(self, command: Unsub) -> None:
        channel = _known(command.ch)
        subscription = self.subscriptions.get(channel)
        words = list(dict.fromkeys(command.sym))
        refused: list[str] = words
        if subscription is not None:
            directory = self._board.directory
            selection, refused = directory.take_out(subscription.audience.selection, words)
            if not selection:
                del self.subscriptions[channel]
                if channel in self._lanes:
                    self._lanes[channel].take()
            else:
                subscription.narrow(directory.audience(selection))
        rejected = [] if refused == [EVERYTHING] else [{"sym": word, "code": ErrorCode.NOT_SUBSCRIBED} for word in refused]
        if rejected and len(rejected) == len(words):
            raise Refused(ErrorCode.NOT_SUBSCRIBED, "none of these is subscribed by that name: see docs/gateway.md")
        self.notice(wire.ok(command.id, ch=channel, accepted=len(words) - len(rejected), rejected=rejected))

    # the past

    def _ask_for_replay(self, command: ReplayRequest) -> None:
        """Take note of what is to be played; it is answered when the first of it is there."""
        channel = _known(command.ch)
        self._require_right(channel)
        self._require_right(HISTORY)
        if channel not in LOGS:
            raise Refused(ErrorCode.BAD_REPLAY, f"channels that can be played again are {', '.join(LOGS)}")
        if self.replay is not None or channel in self.subscriptions:
            raise Refused(
                ErrorCode.CHANNEL_IN_USE, "stop the replay, or unsubscribe the channel, first, or take another connection"
            )
        if not 0 < command.from_ms < command.to_ms < LAST_MS or command.to_ms - command.from_ms > MOST_MS:
            raise Refused(ErrorCode.BAD_REPLAY, f"from and to are milliseconds, to after from and at most {MOST_MS} later")
        if not self._board.complete:
            raise Refused(ErrorCode.NOT_READY, "the gateway is still reading Kafka: /readyz says why", RETRY_MS)
        directory, has_groups = self._board.directory, CHANNELS[channel].has_groups
        groups = [word for word in command.sym if is_group(word)]
        if unknown := [word for word in groups if not (has_groups and directory.has_group(word))]:
            raise Refused(ErrorCode.UNKNOWN_SYMBOL, f"channel {channel} has no group {unknown[0][:20]}")
        selection = Selection.of(command.sym)
        if len(selection.keys) > self._limits.symbols:
            raise Refused(ErrorCode.TOO_MANY_SYMBOLS, f"at most {self._limits.symbols}: use a group or {EVERYTHING}")
        members = directory.members(selection)
        named = None if selection.everything or len(members) > NAMED else members
        self.asked = True
        self.replay = ReplayPlan(
            command.id, channel, directory.audience(selection), named, command.from_ms, command.to_ms, command.speed
        )

    def begin_replay(self) -> None:
        """The first of what is to be played is there."""
        assert self.replay is not None  # noqa: S101 - the caller plays what is wanted
        self.plays = True
        self.notice(wire.ok(self.replay.command_id, ch=self.replay.channel))
        if self.replay.channel not in EVENT_CHANNELS:
            self.notice(wire.past_begins(self.replay.channel))

    def end_replay(self, last: bytes) -> None:
        """All has been played, or no more can be, as ``last`` says."""
        self.replay, self.plays = None, False
        self.notice(last)

    def _stop_replay(self, command: Stop) -> None:
        if self.replay is None:
            raise Refused(ErrorCode.NOT_SUBSCRIBED, "nothing is played")
        if not self.plays:
            self.begin_replay()
        self.notice(wire.ok(command.id, ch=self.replay.channel))
        self.end_replay(wire.replayed(self.replay.channel, "stopped", ""))

    # what happens in the market

    def tell(self, channel: str, event: ToldEvent, body: bytes) -> bool:
        """Take an event of a channel, if the client has chosen it; whether it is to be told of it.

        Args:
            channel: That brings events.
            event: What happened; the last one that was added to the channel's.
            body: The event as a message, with the cursor of who has read everything (:func:`gateway.core.wire.event`).
        """
        subscription = self.subscriptions.get(channel)
        if subscription is None:
            return False
        ahead = subscription.ahead
        if ahead is not None:
            recent = self._recents[channel]
            subscription.cursor = cursor.write(recent.stream, ahead.merged(recent.offsets))
            if ahead.is_reached(recent.offsets):
                subscription.ahead = None
            if event.offset <= ahead.offsets.get(event.slot, -1):
                return False
            body = wire.event(channel, event, subscription.cursor)
        if not subscription.audience.has(event.symbol):
            return False
        self._has_events = True
        if not self._lanes[channel].push(body):
            self.close = Close(CloseCode.SLOW, f"channel {channel} was not read in time")
        return True

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
            if events is not None and events.ahead is None and not events.has_snapshot and not lane:
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
        if self._answers or self._due:
            return True
        for subscription in self.subscriptions.values():
            state = subscription.state
            if state is SubscriptionState.SNAPSHOT or state is SubscriptionState.MISSED:
                return True
        return any(self._lanes.values()) if self._has_events else False

    def send(self, bodies: Iterable[bytes]) -> None:
        """Take rows of an interval that has ended, as :meth:`RowSubscription.end_interval` gives them; :meth:`drain` follows."""
        self._due.extend(bodies)

    def drain(self, now_ms: int) -> list[bytes]:
        """The messages that are due, numbered, in the order in which they go onto the wire.

        Answers first, then snapshots (:data:`DRAIN_BYTES` at a time), events, and rows of channels whose snapshot is complete.
        """
        bodies, self._answers = self._answers, []
        owing = [subscription for subscription in self.subscriptions.values() if subscription.owes]
        if owing:
            bodies += self._pages(owing, now_ms)
        for channel, lane in self._lanes.items():
            if lane and not self._misses_events(channel):
                bodies += lane.take()
        bodies += self._due
        self._due.clear()
        self.unfinished = False
        for subscription in owing:
            if subscription.has_snapshot:
                self.unfinished = True
            elif subscription.owes and isinstance(subscription, RowSubscription):
                bodies += subscription.catch_up(now_ms, after_snapshot=False)
        self._has_events = any(self._lanes.values())
        return self.number(bodies)

    def number(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Make messages of ``bodies``, the next of this connection; only while nothing is :attr:`waiting`."""
        first = self.take_numbers(len(bodies))
        if len(bodies) == 1:
            return [wire.numbered(first, bodies[0])]
        return [wire.numbered(number, body) for number, body in enumerate(bodies, first)]

    def take_numbers(self, count: int) -> int:
        """The number of the first of ``count`` messages, which the caller makes; only while nothing is :attr:`waiting`."""
        first = self._n + 1
        self._n += count
        return first

    def _misses_events(self, channel: str) -> bool:
        """Whether older events of the channel are still on their way: they come before those that happen."""
        events = self.subscriptions.get(channel)
        return events is not None and events.has_snapshot

    def _pages(self, owing: Iterable[Subscription], now_ms: int) -> Iterator[bytes]:
        """The next pages of the snapshots that are on their way, that of alerts first; after the last, what changed meanwhile."""
        left = DRAIN_BYTES
        for subscription in sorted(owing, key=lambda subscription: subscription.channel != "alert"):
            while subscription.has_snapshot and left > 0:
                page = subscription.page(self._row_of(subscription.channel))
                left -= len(page)
                yield page
                if isinstance(subscription, RowSubscription) and not subscription.has_snapshot:
                    yield from subscription.catch_up(now_ms, after_snapshot=True)

    def _row_of(self, channel: str) -> Callable[[str], bytes | None]:
        rows = self._board.tables[channel].rows if channel in self._board.tables else {}
        return lambda key: row.fragment if (row := rows.get(key)) is not None else None


def knows(board: Board, channel: str, word: str) -> bool:
    """Whether ``word`` means anything in ``channel`` as of now."""
    directory, has_groups = board.directory, CHANNELS[channel].has_groups
    if word == EVERYTHING:
        return True
    if is_group(word):
        return has_groups and directory.has_group(word)
    # An alert is about a symbol or an index, which has no exchange; a candle is a symbol's.
    rows = board.tables[{"alert": "index", "candle": "px"}.get(channel, channel)].rows
    return word in rows or (has_groups and word in directory.exchanges)


def _known(channel: str) -> str:
    """``channel``, if there is one of that name.

    Raises:
        Refused: There is none.
    """
    if channel not in CHANNELS:
        raise Refused(ErrorCode.UNKNOWN_CHANNEL, f"channels are {', '.join(CHANNELS)}")
    return channel
