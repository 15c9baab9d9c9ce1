"""What one feed says, in order: records, dead letters, clock ticks, reference records. Pure: time is an argument.

It gets Broadcast arguments from the hub client, decodes them, and puts what Kafka shall get into the outbox.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from connectors.ssi.core.channels import SubscribedChannels
from connectors.ssi.core.decode import DATA_TYPE_OF, DATA_TYPES, Decoder
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.frames import FrameBuilder
from connectors.ssi.core.health import FeedState
from connectors.ssi.core.market_clock import STEP_MS, MarketClock, MarketTime
from connectors.ssi.core.outbox import Outbox, Outgoing
from connectors.ssi.core.quality import FeedQuality, TypeTally
from connectors.ssi.core.snapshot_trades import SnapshotTrades
from connectors.ssi.core.symbols import Symbols
from schemas.calendar import HOLIDAYS, day_of, is_trading_day
from schemas.profiles import DayProfiles
from schemas.records import SsiRecord
from schemas.session import phase_at
from schemas.structs import ClockTick, DeadLetter, FeedStatus, ProfileRecord, ReferenceMessage, ReferenceRecord, SnapshotRecord
from schemas.topics import SSI_DLQ, SSI_REFERENCE, SSI_STATUS, SSI_WIRE, encode
from schemas.units import SessionPhase, TradingDay, UnixMs, UnixUs

CATCH_UP_S: Final = 60
"""Seconds of a pause after which the missed clock ticks still follow; those of a longer pause are left out."""
MAX_PAYLOAD: Final = 100_000
"""A dead letter's payload is cut to this many characters: Kafka takes a megabyte, and ``ssi.wire`` has the whole."""
MAX_LETTERS: Final = 100
"""Dead letters that one hub message can cause, besides a last one that says how much more of it could not be used."""


class RecordStream:
    """The stream of one feed through all its epochs: there is one for each connection to the hub."""

    def __init__(
        self,
        feed: str,
        shards: int,
        clock: MarketClock,
        outbox: Outbox,
        channels: str,
        holidays: frozenset[TradingDay] = HOLIDAYS,
        last_epoch: int = 0,
    ) -> None:
        """Begin before the first epoch.

        Args:
            feed: ``a`` or ``b``.
            shards: How many partitions a record topic has.
            clock: Tells the market time.
            outbox: Gets what Kafka shall get.
            channels: What is subscribed, as SwitchChannels takes it. Records of anything else are left out.
            holidays: Weekdays on which the exchanges do not open.
            last_epoch: That of this feed's last connection in an earlier run, 0 if there was none. Those of this run are later.
        """
        subscription = SubscribedChannels(channels)
        self._subscription = subscription
        self._holidays = holidays
        self._whole_kinds = frozenset(kind for data_type, kind in DATA_TYPES.items() if data_type in subscription.whole)
        """The kinds of record that are subscribed for all symbols."""
        self._feed = feed
        self._clock = clock
        self._outbox = outbox
        self._symbols = Symbols()
        self._decoder = Decoder(self._symbols)
        self._snapshot_trades = SnapshotTrades(subscription)
        self._frames = FrameBuilder(feed, shards, self._symbols.is_index)
        self._reference: tuple[ReferenceRecord, ...] = ()
        self._profiles: DayProfiles | None = None
        self._last_tick_s: int | None = None
        self._wire_seq = 0
        self._last_epoch = last_epoch
        self.epoch = 0
        """When the connection began that is open now or was last, in Unix milliseconds; 0 before the first."""
        self.connects = 0
        """Connections since the start."""
        self.received = 0
        """Records received in this epoch, those that could not be decoded included."""
        self.dead_letters = 0
        """Dead letters of this epoch."""
        self.unwanted: Counter[str] = Counter()
        """Records left out since the start because nobody asked for them, by DataType."""
        self.rejected: Counter[Reason] = Counter()
        """What could not be used since the start, by reason."""
        self.tallies = {data_type: TypeTally() for data_type in DATA_TYPES}
        """What became of the records since the start, by DataType."""
        self._tally_of = {kind: self.tallies[data_type] for data_type, kind in DATA_TYPES.items()}
        self._quality = FeedQuality(subscription)
        self._letters_left = MAX_LETTERS
        """How many dead letters the last hub message may still cause."""
        self._untold = 0
        """What of the last hub message could not be used and has no dead letter."""
        self.last_ts_ms = UnixMs(0)
        """Exchange time of the last record."""
        self._dropped_before = 0

    @property
    def records(self) -> Counter[str]:
        """Records published since the start, by type."""
        published = Counter({kind.__name__: tally.taken for kind, tally in self._tally_of.items()})
        published["TradeRecord"] += self._snapshot_trades.made
        return published

    @property
    def left_out(self) -> Counter[tuple[str, str]]:
        """Fields since the start that could not be read though their record could: by DataType and SSI's name of the field."""
        return self._decoder.left_out

    @property
    def undecodable(self) -> str:
        """What of the feed cannot be used although it is connected, as one sentence; empty when all is well."""
        return self._quality.trouble

    @property
    def dropped(self) -> int:
        """Records thrown away in this epoch, because Kafka did not take them in time."""
        return self._outbox.dropped_records - self._dropped_before

    def begin(self, now_us: UnixUs) -> int:
        """Start the epoch of a new connection and return it. A clock tick and the reference records come first in it."""
        self.epoch = self._last_epoch = max(now_us // 1000, self._last_epoch + 1)
        self.connects += 1
        self.received = self.dead_letters = self._wire_seq = 0
        self._dropped_before = self._outbox.dropped_records
        self._frames.begin(self.epoch)
        self._snapshot_trades.begin()
        self._last_tick_s = None
        self._tick(now_us, "up")
        self._add_reference(now_us)
        self._add_profiles(now_us)
        return self.epoch

    def refer(self, records: Sequence[ReferenceRecord], now_us: UnixUs) -> None:
        """Publish reference data, in the stream and on ``ssi.reference``, unless it is the same as last time."""
        if tuple(records) == self._reference:
            return
        self._reference = tuple(records)
        self._symbols.list_instruments((record.symbol, record.exchange) for record in self._reference)
        self._frames.forget_places()
        for record in self._reference:
            self._outbox.post(Outgoing(SSI_REFERENCE.name, record.symbol, encode(ReferenceMessage(record=record))))
        if self.epoch:
            self._add_reference(now_us)

    def name_indices(self, ids: Iterable[str]) -> None:
        """Take note of the indices that REST lists, by their ids as SSI writes them: their prices are in points."""
        self._symbols.name_indices(ids)
        self._frames.forget_places()

    def judge(self, now_s: float, state: FeedState, now_us: UnixUs) -> None:
        """Look at what became of the records of each type. To be called about once a second.

        Args:
            now_s: By a clock that never goes back.
            state: How the connection to SSI is.
            now_us: By this machine's clock.
        """
        market = self._clock.read(UnixMs(now_us // 1000))
        trading = state == "up" and market is not None and self._phase(market) is SessionPhase.CONTINUOUS
        self._quality.note(now_s, self.tallies, self.rejected.total(), self.left_out, trading=trading)

    def profile(self, profiles: DayProfiles, now_us: UnixUs) -> None:
        """Publish what symbols usually trade, now and in each epoch of the day that it is for."""
        self._profiles = profiles
        if self.epoch:
            self._add_profiles(now_us)

    def keep(self, text: str | bytes, now_us: UnixUs) -> None:
        """Put a hub message on ``ssi.wire`` as it came. What is published and rejected from here on was in it."""
        self._tell_the_rest()
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
        decode, tally_of, add, observe = self._decoder.decode, self._tally_of, self._frames.add, self._clock.observe
        for idx, argument in enumerate(arguments):
            try:
                record = decode(argument)
                if record.trading_day > date:
                    raise _from_the_future(record, date)
            except InvalidRecord as error:
                self.reject(error.reason, error.detail, idx, argument, data_type=error.data_type)
                continue
            kind = type(record)
            if kind not in self._whole_kinds and self._is_unwanted(record):
                continue
            observe(record.trading_day, record.ts_ms)
            if market is None:
                # The feed itself is the clock, and this record is the first to set it: the clock tick has to go ahead of it.
                market = self._clock.read(UnixMs(now_us // 1000))
                self._tick(now_us, "up")
            tally = tally_of[kind]
            tally.taken += 1
            tally.run = 0
            self.received += 1
            self.last_ts_ms = record.ts_ms
            if isinstance(record, SnapshotRecord) and (trade := self._snapshot_trades.trade_in(record)) is not None:
                # Ahead of the snapshot: who made the match is told by the book as it was before.
                add(trade, now_us)
            add(record, now_us)
        self._send(now_us)

    def _is_unwanted(self, record: SsiRecord) -> bool:
        """Whether nobody asked for ``record``: the hub seems to send every type that is named for every symbol that is named."""
        data_type = DATA_TYPE_OF[type(record)]
        if self._subscription.covers(data_type, record.symbol):
            return False
        self.unwanted[data_type] += 1
        return True

    def reject(
        self,
        reason: Reason,
        detail: str,
        idx: int | None,
        payload: str | bytes,
        *,
        data_type: str | None = None,
        count: int = 1,
    ) -> None:
        """Put what cannot be used on the dead-letter topic. Of one hub message that is done only so often; the rest is counted.

        Args:
            reason: A word to count by.
            detail: What is wrong, for a person.
            idx: Which argument or invocation of the last hub message it is, from 0; None for the whole message.
            payload: What cannot be used.
            data_type: Of the record, where it has one that is known.
            count: How many of the message's parts it stands for.
        """
        self.received += count
        self.dead_letters += count
        self.rejected[reason] += count
        if data_type is not None:
            tally = self.tallies[data_type]
            tally.rejected += count
            tally.run += count
            tally.why = f"{reason}: {detail}"
        if self._letters_left <= 0 or count > 1:
            self._untold += count
            return
        self._letters_left -= 1
        self._post_letter(reason, detail, idx, payload)

    def _tell_the_rest(self) -> None:
        """Say in one dead letter how much more of the last hub message could not be used."""
        if self._untold:
            self._post_letter(Reason.TOO_MANY, f"{self._untold} more parts of it could not be used; ssi.wire has them", None, "")
        self._untold, self._letters_left = 0, MAX_LETTERS

    def _post_letter(self, reason: Reason, detail: str, idx: int | None, payload: str | bytes) -> None:
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
        self._tell_the_rest()
        if self.epoch:
            self._tick(now_us, health)
        self._send(now_us)

    def flush(self) -> None:
        """Put everything into the outbox, frames whether they are full or not."""
        self._tell_the_rest()
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
            phase=self._phase(market) if market else SessionPhase.CLOSED,
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
            tick = ClockTick(
                trading_day=at.trading_day, ts_ms=at.ts_ms, phase=self._phase(at), health=health, step_ms=market.step_ms
            )
            self._frames.add_clock(tick, now_us)
        self._last_tick_s = max(second, last)
        if market.step_ms == STEP_MS:
            self._frames.tell_time(now_us)

    def _add_reference(self, now_us: UnixUs) -> None:
        for record in self._reference:
            self._frames.add(record, now_us)

    def _add_profiles(self, now_us: UnixUs) -> None:
        market = self._clock.read(UnixMs(now_us // 1000))
        if self._profiles is None or market is None or market.trading_day != self._profiles.day:
            return
        for symbol, profile in self._profiles.profiles.items():
            record = ProfileRecord(
                symbol=symbol,
                trading_day=market.trading_day,
                ts_ms=market.ts_ms,
                days=profile.days,
                volumes=profile.volumes,
            )
            self._frames.add(record, now_us)

    def _send(self, now_us: UnixUs) -> None:
        for cut in self._frames.due(now_us):
            self._outbox.put(cut)

    def _phase(self, market: MarketTime) -> SessionPhase:
        # Not that of this machine's date: with the feed as clock the market may be on any earlier day.
        day = day_of(market.ts_ms)
        return phase_at(market.ts_ms, day) if is_trading_day(day, self._holidays) else SessionPhase.CLOSED


def _from_the_future(record: SsiRecord, date: TradingDay) -> InvalidRecord:
    error = InvalidRecord(Reason.FUTURE_DAY, f"dated {record.trading_day}, and the market is at {date}")
    error.data_type = DATA_TYPE_OF[type(record)]
    return error


def _shown(payload: str | bytes) -> str:
    """``payload`` as text that any JSON reader takes: undecodable bytes and lone surrogates as backslash escapes."""
    text = payload.decode(errors="backslashreplace") if isinstance(payload, bytes) else payload
    return text.encode(errors="backslashreplace").decode()[:MAX_PAYLOAD]
