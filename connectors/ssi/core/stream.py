"""What one feed says, in order: records, dead letters, clock ticks, reference records. Pure: time is an argument.

It gets Broadcast arguments from the hub client, decodes them, and puts what Kafka shall get into the outbox.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from connectors.ssi.core.decode import decode
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.frames import FrameBuilder
from connectors.ssi.core.health import FeedState
from connectors.ssi.core.market_clock import MarketClock, MarketTime
from connectors.ssi.core.outbox import Outbox, Outgoing
from schemas.calendar import day_of, is_trading_day
from schemas.records import SsiRecord
from schemas.session import phase_at
from schemas.structs import ClockTick, DeadLetter, FeedStatus, ReferenceMessage, ReferenceRecord
from schemas.topics import SSI_DLQ, SSI_REFERENCE, SSI_STATUS, SSI_WIRE, encode
from schemas.units import SessionPhase, TradingDay, UnixMs, UnixUs

CATCH_UP_S: Final = 60
"""Seconds of a pause after which the missed clock ticks still follow; those of a longer pause are left out."""
MAX_PAYLOAD: Final = 100_000
"""A dead letter's payload is cut to this many characters: Kafka takes a megabyte, and ``ssi.wire`` has the whole."""


class RecordStream:
    """The stream of one feed through all its epochs: there is one for each connection to the hub."""

    def __init__(self, feed: str, shards: int, clock: MarketClock, outbox: Outbox) -> None:
        self._feed = feed
        self._clock = clock
        self._outbox = outbox
        self._frames = FrameBuilder(feed, shards)
        self._reference: tuple[ReferenceRecord, ...] = ()
        self._last_tick_s: int | None = None
        self._wire_seq = 0
        self.epoch = 0
        """When the connection began that is open now or was last, in Unix milliseconds; 0 before the first."""
        self.connects = 0
        """Connections since the start."""
        self.received = 0
        """Records received in this epoch, those that could not be decoded included."""
        self.dead_letters = 0
        """Dead letters of this epoch."""
        self.records: Counter[str] = Counter()
        """Records published since the start, by type."""
        self.rejected: Counter[Reason] = Counter()
        """Dead letters since the start, by reason."""
        self.rejected_in_a_row = 0
        """Dead letters since the last record that could be decoded."""
        self.last_ts_ms = UnixMs(0)
        """Exchange time of the last record."""
        self._dropped_before = 0

    @property
    def dropped(self) -> int:
        """Records thrown away in this epoch, because Kafka did not take them in time."""
        return self._outbox.dropped_records - self._dropped_before

    def begin(self, now_us: UnixUs) -> int:
        """Start the epoch of a new connection and return it. A clock tick and the reference records come first in it."""
        self.epoch = max(now_us // 1000, self.epoch + 1)
        self.connects += 1
        self.received = self.dead_letters = self._wire_seq = 0
        self._dropped_before = self._outbox.dropped_records
        self._frames.begin(self.epoch)
        self._last_tick_s = None
        self._tick(now_us, "up")
        self._add_reference(now_us)
        return self.epoch

    def refer(self, records: Sequence[ReferenceRecord], now_us: UnixUs) -> None:
        """Publish reference data, in the stream and on ``ssi.reference``, unless it is the same as last time."""
        if tuple(records) == self._reference:
            return
        self._reference = tuple(records)
        for record in self._reference:
            self._outbox.post(Outgoing(SSI_REFERENCE.name, record.symbol, encode(ReferenceMessage(record=record))))
        if self.epoch:
            self._add_reference(now_us)

    def keep(self, text: str | bytes, now_us: UnixUs) -> None:
        """Put a hub message on ``ssi.wire`` as it came."""
        headers = (
            ("feed", self._feed),
            ("epoch", str(self.epoch)),
            ("seq", str(self._wire_seq)),
            ("recv_us", str(now_us)),
        )
        self._wire_seq += 1
        value = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        self._outbox.post(Outgoing(SSI_WIRE.name, None, value, headers))

    def publish(self, arguments: Sequence[str], now_us: UnixUs) -> None:
        """Decode the Broadcast arguments of one hub message and put their records into the stream."""
        self._tick(now_us, "up")
        market = self._clock.read(UnixMs(now_us // 1000))
        date = market.date if market is not None else day_of(UnixMs(now_us // 1000))
        for idx, argument in enumerate(arguments):
            try:
                record = decode(argument)
                if record.trading_day > date:
                    raise _from_the_future(record, date)
            except InvalidRecord as error:
                self.reject(error.reason, error.detail, idx, argument)
            else:
                self._clock.observe(record.trading_day, record.ts_ms)
                if market is None:
                    # The feed itself is the clock, and this record is the first to set it: the clock tick has to go ahead of it.
                    market = self._clock.read(UnixMs(now_us // 1000))
                    self._tick(now_us, "up")
                self.received += 1
                self.rejected_in_a_row = 0
                self.records[type(record).__name__] += 1
                self.last_ts_ms = record.ts_ms
                self._frames.add(record, now_us)
        self._send(now_us)

    def reject(self, reason: Reason, detail: str, idx: int | None, payload: str | bytes) -> None:
        """Put what cannot be used on the dead-letter topic.

        Args:
            reason: A word to count by.
            detail: What is wrong, for a person.
            idx: Which argument or invocation of the last hub message it is, from 0; None for the whole message.
            payload: What cannot be used.
        """
        self.received += 1
        self.dead_letters += 1
        self.rejected[reason] += 1
        self.rejected_in_a_row += 1
        letter = DeadLetter(
            source="ssi",
            reason=reason.value,
            detail=f"{detail} (message {self._wire_seq - 1} of the connection)",
            feed=self._feed,
            epoch=self.epoch,
            topic=None,
            partition=None,
            offset=None,
            idx=idx,
            payload=_shown(payload),
        )
        self._outbox.post(Outgoing(SSI_DLQ.name, self._feed, encode(letter)))

    def tick(self, now_us: UnixUs, health: Literal["up", "down"]) -> None:
        """Note what time it is: clock ticks that are due go into the frames, frames that are old enough go to the outbox.

        Args:
            now_us: By this machine's clock.
            health: Whether the connection to the hub is open; the clock ticks say so.
        """
        if self.epoch:
            self._tick(now_us, health)
        self._send(now_us)

    def flush(self) -> None:
        """Put every frame into the outbox, whether it is full or not."""
        for cut in self._frames.flush():
            self._outbox.put(cut)

    def report(self, state: FeedState, reason: str, now_us: UnixUs) -> None:
        """Say on ``ssi.status`` how the feed is."""
        market = self._clock.read(UnixMs(now_us // 1000))
        market_ms, day = (market.ts_ms, market.trading_day) if market else (UnixMs(0), TradingDay(0))
        status = FeedStatus(
            feed=self._feed,
            epoch=self.epoch,
            state=state,
            reason=reason,
            ts_us=now_us,
            market_ms=market_ms,
            trading_day=day,
            phase=_phase(market) if market else SessionPhase.CLOSED,
            received=self.received,
            dead_letters=self.dead_letters,
            dropped=self.dropped,
            connects=self.connects,
        )
        self._outbox.post(Outgoing(SSI_STATUS.name, self._feed, encode(status)))

    def _tick(self, now_us: UnixUs, health: Literal["up", "down"]) -> None:
        market = self._clock.read(UnixMs(now_us // 1000))
        if market is None:
            return
        second = market.ts_ms // 1000
        last = self._last_tick_s
        if last is None or second - last > CATCH_UP_S:
            last = second - 1
        for due in range(last + 1, second + 1):
            at = market._replace(ts_ms=UnixMs(due * 1000))
            tick = ClockTick(trading_day=at.trading_day, ts_ms=at.ts_ms, phase=_phase(at), health=health)
            self._frames.add_clock(tick, now_us)
        self._last_tick_s = max(second, last)

    def _add_reference(self, now_us: UnixUs) -> None:
        for record in self._reference:
            self._frames.add(record, now_us)

    def _send(self, now_us: UnixUs) -> None:
        for cut in self._frames.due(now_us):
            self._outbox.put(cut)


def _phase(market: MarketTime) -> SessionPhase:
    if not is_trading_day(market.date):
        return SessionPhase.CLOSED
    return phase_at(market.ts_ms, market.date)


def _from_the_future(record: SsiRecord, date: TradingDay) -> InvalidRecord:
    return InvalidRecord(Reason.FUTURE_DAY, f"dated {record.trading_day}, and the market is at {date}")


def _shown(payload: str | bytes) -> str:
    """``payload`` as text that any JSON reader takes: undecodable bytes and lone surrogates as backslash escapes."""
    text = payload.decode(errors="backslashreplace") if isinstance(payload, bytes) else payload
    return text.encode(errors="backslashreplace").decode()[:MAX_PAYLOAD]
