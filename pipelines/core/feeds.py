"""A shard's time and its feeds: what day and second it is, which feed leads, and what some feed has covered without a break.

All of it follows from the frames alone: their feed, epoch and sequence number, the clock ticks and loss markers in them.
They are kept under one key of the shard, loaded and stored once a frame::

    feeds = Feeds.load(state)
    delivery = feeds.arrive(frame.feed, frame.epoch, frame.seq)
    ...                    # for each record: feeds.meet(), then delivery.tick() or .lose() or what its fold does with it
    feeds.store(state)

:mod:`pipelines.core.shard` does so. A fold asks ``delivery.leads``, ``feeds.covered(mark)`` and, to ask so later, ``feeds.mark``.

**Coverage.** A feed breaks when it connects anew, when its clock tick says that its connection is down, when a frame of it
is missing, or when the connector had to throw records away. ``feeds.mark`` numbers these breaks. A fold keeps the mark
that was current when it last heard of a symbol, and asks :meth:`Feeds.covered` with it at the next record: True means
that some feed has run all the time in between, so whatever is missing was never sent. Marks are exact where times are not:
a connection can break and come back within one second of the exchange's clock.
"""

from typing import ClassVar

import msgspec

from pipelines.core.codec import LARGEST, Codec, DayState, Stored
from pipelines.core.errors import RecordRejected
from schemas.calendar import as_date, next_trading_day
from schemas.structs import ClockTick
from schemas.units import TradingDay

SILENCE_MS = 3_000
"""How far a feed's clock ticks may be behind another's, in market time, before it neither leads nor covers.

Twice its own step is always allowed: of two feeds that tick every five seconds each is behind the other for a moment each time.
"""


class Feed(msgspec.Struct, array_like=True, gc=False):
    """One connector's stream, as this shard knows it."""

    name: str
    epoch: int
    """When its newest connection was made, in UTC milliseconds: the connection's name."""
    seq: int
    """The number of its last frame in that epoch."""
    broke: int
    """The mark (:attr:`Feeds.mark`) of its last break: it has covered everything since."""
    up: bool = True
    tick_ms: int = 0
    """Market time of its last clock tick or, before the first of a connection, at the connect. Silence is counted from here."""
    since_ms: int = 0
    """Market time of the first clock tick after its last break: it has covered the time since. 0 before that tick."""
    step_ms: int = 0
    """Market time between its last two clock ticks; 0 before there are two."""
    step_before_ms: int = 0
    """The same of the two before. A step may be long once, over a time in which nothing happened, and says nothing then."""
    promised_ms: int = 0
    """What its clock ticks say of the time to the next one; 0 before the first."""

    @property
    def usual_step_ms(self) -> int:
        """Market time after which its next clock tick is due; 0 when nothing tells."""
        return max(self.promised_ms, min(self.step_ms, self.step_before_ms or self.step_ms))

    def ticks(self, ts_ms: int) -> None:
        """Take note of the market time of a clock tick."""
        if ts_ms <= self.tick_ms:
            return
        if self.since_ms:  # otherwise the time before was not a tick's, or ticks are missing since
            self.step_ms, self.step_before_ms = ts_ms - self.tick_ms, self.step_ms
        self.tick_ms = ts_ms

    def breaks(self, mark: int) -> None:
        """Take note of a break, which has got the number ``mark``: from now on this feed covers nothing before it."""
        self.broke = mark
        self.since_ms = 0


class Feeds(Stored):
    """What a shard knows of time and of its feeds."""

    VERSION: ClassVar[int] = 1
    DAY_AT: ClassVar[int | None] = 1

    now_ms: int = 0
    """The market second: the greatest clock tick of any feed; 0 before the first."""
    day: int = 0
    """The shard's trading day; it only moves forward. 0 before the first record."""
    joined_ms: int = 0
    """Market time at which this shard first heard of ``day``."""
    mark: int = 0
    """The number of the last break, of any feed: how many there have been."""
    leader: str = ""
    """The feed whose records without a counter are taken: quotes, index records and the like. Two feeds tell them twice."""
    feeds: list[Feed] = msgspec.field(default_factory=list)
    """The feeds that have been heard, in the order in which they first came."""
    clock_day: int = 0
    """The trading day of the newest clock tick; 0 before the first."""

    @classmethod
    def load(cls, state: DayState) -> "Feeds":
        """The feeds as ``state`` has them; none when it has nothing yet."""
        return state.load(_FEEDS, _KEY) or cls()

    def store(self, state: DayState) -> None:
        """Keep it in ``state``."""
        state.store(_FEEDS, _KEY, self)

    def arrive(self, feed: str, epoch: int, seq: int) -> "Delivery":
        """Take note of a frame of ``feed``; call it once a frame, before its records.

        Args:
            feed: ``a`` or ``b``.
            epoch: Of the connection that it came from.
            seq: Its number in that epoch: one that is left out is a lost frame, and so a break.
        """
        known = next((known for known in self.feeds if known.name == feed), None)
        if known is None:
            self.mark += 1
            known = Feed(name=feed, epoch=epoch, seq=seq, broke=self.mark, tick_ms=self.now_ms)
            self.feeds.append(known)
            self.leader = self.leader or feed
        elif epoch > known.epoch:
            self.mark += 1
            known.breaks(self.mark)
            known.epoch, known.seq = epoch, seq
            known.up, known.tick_ms = True, self.now_ms
        elif epoch == known.epoch and seq > known.seq:
            if seq > known.seq + 1:
                self.mark += 1
                known.breaks(self.mark)
            known.seq = seq
        return Delivery(self, known, epoch)

    def meet(self, day: int, ts_ms: int, *, is_clock: bool = False) -> bool:
        """Let the shard's trading day move forward to that of a record, if that is later. True when it did.

        Args:
            day: Of the record. When it is earlier than ``self.day``, this is a previous day's record, which books nothing.
            ts_ms: Exchange time of the record.
            is_clock: Whether it is a clock tick, by which the days of all others are judged.

        Raises:
            RecordRejected: ``day`` is no date, or too late to be true, or ``ts_ms`` is no time of a market.
        """
        if not 0 < ts_ms < LARGEST:
            raise RecordRejected("out_of_range", f"ts_ms is {ts_ms}, which is no time in milliseconds since 1970")
        if day != self.day or not day:
            require_date(day)
            if not is_clock:
                self.require_soon(day)
        if is_clock:
            self.clock_day = max(self.clock_day, day)
        if day <= self.day:
            return False
        self.day = day
        self.joined_ms = ts_ms
        return True

    def require_soon(self, day: int) -> None:
        """Look at the trading day of a record that is no clock tick; it has to be a date.

        The next trading day is taken: a record of it may come just before the first clock tick of it.

        Raises:
            RecordRejected: It is later than the trading day after that of the newest clock tick. A shard's day never goes back,
                so one wrong date would turn away all that comes for years.
        """
        if self.clock_day and day > next_trading_day(TradingDay(self.clock_day)):
            raise RecordRejected("future_day", f"{day} is more than one trading day after {self.clock_day}, the clock ticks' day")

    def allows(self, day: int) -> bool:
        """Whether a record that is no clock tick may be of ``day``, as far as the clock ticks before it tell."""
        try:
            require_date(day)
            self.require_soon(day)
        except RecordRejected:
            return False
        return True

    def covered(self, mark: int) -> bool:
        """Whether some feed has run without a break since ``self.mark`` was ``mark``."""
        return self.covered_since <= mark

    @property
    def covered_since(self) -> int:
        """The earliest :attr:`mark` since which some feed has run without a break; a later one than :attr:`mark` if none runs."""
        return min((feed.broke for feed in self.feeds if self.runs(feed)), default=self.mark + 1)

    def covered_from(self, ts_ms: int) -> bool:
        """Whether some feed has run without a break since market time ``ts_ms``."""
        return any(0 < feed.since_ms <= ts_ms and self.runs(feed) for feed in self.feeds)

    def runs(self, feed: Feed) -> bool:
        """Whether a feed is connected, and its clock ticks keep up with those of the others."""
        step_ms = feed.usual_step_ms or max(other.usual_step_ms for other in self.feeds)
        behind_ms = self.now_ms - feed.tick_ms
        if not feed.up or behind_ms <= max(SILENCE_MS, 2 * step_ms):
            return feed.up
        # One tick of another feed may be a long step ahead. Two say that the ones between did not come.
        return not any(other.step_ms and other.tick_ms - other.step_ms > feed.tick_ms for other in self.feeds)


class Delivery:
    """A frame's place among the feeds, while its records are folded."""

    __slots__ = ("_feed", "_feeds", "changes", "epoch")

    def __init__(self, feeds: Feeds, feed: Feed, epoch: int) -> None:
        self._feeds = feeds
        self._feed = feed
        self.changes = 0
        """How often the frame has changed what its shard knows of time and coverage. What was asked before may have changed."""
        self.epoch = epoch
        """The connection that the frame came from."""

    @property
    def feed(self) -> str:
        """The name of the frame's feed."""
        return self._feed.name

    @property
    def leads(self) -> bool:
        """Whether records without a counter are to be taken from this frame. A clock tick in it may change that."""
        return self._feeds.leader == self._feed.name and self.epoch == self._feed.epoch

    @property
    def connected_ms(self) -> int:
        """Market time since which the frame's connection has run without a break; 0 before its first clock tick."""
        return self._feed.since_ms if self.epoch == self._feed.epoch else 0

    def tick(self, tick: ClockTick) -> bool:
        """Take note of a clock tick. True when the shard's market second moved forward."""
        feeds = self._feeds
        self.changes += 1
        moves = tick.ts_ms > feeds.now_ms
        feeds.now_ms = max(feeds.now_ms, tick.ts_ms)
        if self.epoch == self._feed.epoch:
            self._take_pulse(tick)
        return moves

    def lose(self) -> None:
        """Take note of a loss marker: the connector threw records away here."""
        self.changes += 1
        if self.epoch == self._feed.epoch:
            self._feeds.mark += 1
            self._feed.breaks(self._feeds.mark)

    def _take_pulse(self, tick: ClockTick) -> None:
        feeds, feed = self._feeds, self._feed
        up = tick.health == "up"
        if up and not feed.up:
            feeds.mark += 1
            feed.breaks(feeds.mark)
        feed.up = up
        feed.promised_ms = tick.step_ms
        feed.ticks(tick.ts_ms)
        if up and not feed.since_ms:
            feed.since_ms = tick.ts_ms
        if up and feeds.leader != feed.name:
            leader = next((other for other in feeds.feeds if other.name == feeds.leader), None)
            if leader is None or not feeds.runs(leader):
                feeds.leader = feed.name


def require_date(day: int) -> None:
    """Look at a trading day that a record says.

    Raises:
        RecordRejected: It is no date.
    """
    try:
        as_date(TradingDay(day))
    except (ValueError, OverflowError) as error:
        raise RecordRejected("bad_day", f"{day} is no date: {error}") from error


def is_date(day: int) -> bool:
    """Whether a trading day that a record says is a date."""
    try:
        require_date(day)
    except RecordRejected:
        return False
    return True


_KEY = b"feeds"
_FEEDS = Codec(Feeds)
