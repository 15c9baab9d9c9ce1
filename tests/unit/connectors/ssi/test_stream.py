from collections import Counter
from collections.abc import Callable

from connectors.ssi.core.errors import Reason
from connectors.ssi.core.market_clock import ClockAnswer, FeedClock, MarketClock, SimulatedClock, WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import CATCH_UP_S, MAX_LETTERS, RecordStream
from schemas.calendar import at
from schemas.profiles import DayProfiles, VolumeProfile
from schemas.records import FrameRecord
from schemas.structs import BarRecord, ClockTick, DeadLetter, FeedStatus, Frame, ProfileRecord, ReferenceRecord, TradeRecord
from schemas.topics import RECORD_TOPICS, SSI_DLQ, SSI_REFERENCE, SSI_STATUS, SSI_WIRE
from schemas.units import SessionPhase, Symbol, TradingDay, UnixMs, UnixUs
from tests.builders import a_reference

Arguments = Callable[..., str]
DAY = TradingDay(20261123)
REFERENCE = a_reference(trading_day=DAY, groups=["VN30"])
SHARDS = 2
DECODERS = {topic.name: topic.decode for topic in RECORD_TOPICS}


def us(clock_ms: UnixMs) -> UnixUs:
    return UnixUs(clock_ms * 1000)


NINE = us(at(DAY, 9, 15, 2))


class Feed:
    """A stream on a wall clock, and what came out of it."""

    def __init__(self, clock: MarketClock | None = None, channels: str = "ALL", last_epoch: int = 0) -> None:
        self.outbox = Outbox(100_000, 10_000_000)
        self.stream = RecordStream("a", SHARDS, clock or WallClock(), self.outbox, channels, last_epoch=last_epoch)
        self.frames: list[tuple[str, Frame]] = []
        self.letters: list[DeadLetter] = []
        self.statuses: list[FeedStatus] = []
        self.others: list[str] = []

    def drain(self) -> None:
        self.stream.flush()
        while (message := self.outbox.take()) is not None:
            if message.cut is not None:
                self.frames.append((f"{message.topic}/{message.cut.partition.number}", DECODERS[message.topic](message.value)))
            elif message.topic == SSI_DLQ.name:
                self.letters.append(SSI_DLQ.decode(message.value))
            elif message.topic == SSI_STATUS.name:
                self.statuses.append(SSI_STATUS.decode(message.value))
            else:
                self.others.append(message.topic)

    def records(self, place: str) -> list[FrameRecord]:
        self.drain()
        return [record for where, frame in self.frames if where == place for record in frame.records]

    def places(self) -> set[str]:
        self.drain()
        return {where for where, _ in self.frames}


def seconds(records: list[FrameRecord]) -> list[int]:
    return [record.ts_ms // 1000 for record in records if isinstance(record, ClockTick)]


def test_an_epoch_begins_with_the_time_and_the_reference_before_its_first_record(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.refer([REFERENCE], NINE)
    assert feed.stream.begin(NINE) == NINE // 1000
    feed.stream.publish([an_argument("X-TRADE"), an_argument("R")], UnixUs(NINE + 100))
    assert len(feed.places()) == len(RECORD_TOPICS) * SHARDS
    for topic, kind in (("ssi.ticks", TradeRecord), ("ssi.foreign", object)):
        (place,) = {where for where, frame in feed.frames if where.startswith(topic) and len(frame.records) > 1}
        tick, reference, record = feed.records(place)
        assert isinstance(tick, ClockTick)
        assert (tick.ts_ms, tick.trading_day, tick.phase, tick.health) == (at(DAY, 9, 15, 2), DAY, SessionPhase.CONTINUOUS, "up")
        assert reference == REFERENCE
        assert isinstance(record, kind)
    assert feed.others == [SSI_REFERENCE.name]


def test_every_connection_is_a_later_epoch_that_counts_from_0_again(an_argument: Arguments) -> None:
    feed = Feed()
    first = feed.stream.begin(NINE)
    feed.stream.publish([an_argument("X-TRADE"), "nonsense"], NINE)
    assert (feed.stream.received, feed.stream.dead_letters) == (2, 1)
    second = feed.stream.begin(NINE)
    assert second > first
    assert (feed.stream.received, feed.stream.dead_letters, feed.stream.connects) == (0, 0, 2)
    feed.drain()
    assert [frame.seq for _, frame in feed.frames if frame.epoch == second] == [0] * len(RECORD_TOPICS) * SHARDS


def test_after_a_clock_was_set_back_epochs_go_on_from_the_last_one() -> None:
    feed = Feed(last_epoch=NINE // 1000 + 3_600_000)
    assert [feed.stream.begin(NINE) for _ in range(2)] == [NINE // 1000 + 3_600_001, NINE // 1000 + 3_600_002]


PROFILES = DayProfiles(
    day=DAY,
    profiles={Symbol("VNM"): VolumeProfile(days=20, volumes=[100, 200]), Symbol("41I1GC000"): VolumeProfile(days=3, volumes=[7])},
)


def test_what_is_usual_enters_the_stream_of_its_day_in_each_epoch_and_where_prices_are() -> None:
    feed = Feed()
    feed.stream.profile(PROFILES, us(at(DAY, 8, 30)))
    for hour in (9, 10):
        feed.stream.begin(us(at(DAY, hour)))
    feed.drain()
    told = [(place[:-2], r) for place, frame in feed.frames for r in frame.records if isinstance(r, ProfileRecord)]
    assert sorted((place, r.symbol, r.ts_ms, r.days, r.volumes) for place, r in told) == [
        (topic, symbol, at(DAY, hour), days, volumes)
        for topic, symbol, days, volumes in (("ssi.indices", "41I1GC000", 3, [7]), ("ssi.ticks", "VNM", 20, [100, 200]))
        for hour in (9, 10)
    ]


def test_what_is_usual_that_comes_late_enters_the_running_stream_and_that_of_another_day_does_not() -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    feed.stream.profile(PROFILES, NINE)
    feed.stream.profile(PROFILES.model_copy(update={"day": TradingDay(20261120)}), NINE)
    feed.drain()
    assert sum(isinstance(record, ProfileRecord) for _, frame in feed.frames for record in frame.records) == 2


def test_reference_that_comes_late_enters_the_running_stream() -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    for again in range(3):
        # Asked for again as long as it is incomplete: what is known already is not sent again.
        feed.stream.refer([REFERENCE], UnixUs(NINE + 10 + again))
    feed.drain()
    assert sum(isinstance(record, ReferenceRecord) for _, frame in feed.frames for record in frame.records) == 2


def test_every_market_second_has_its_tick() -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    for step in range(1, 30):
        feed.stream.tick(UnixUs(NINE + step * 400_000), "up")
    assert seconds(feed.records("ssi.ticks/1")) == [NINE // 1_000_000 + n for n in range(12)]


def a_fast_market(speed: float, ends: tuple[int, ...] = (10,)) -> tuple[Feed, UnixMs]:
    """A feed of a market that begins at NINE of this machine's clock, and the market's time then."""
    clock, start = SimulatedClock(), at(DAY, 9, 20)
    clock.answered(ClockAnswer(start, speed, "running", DAY, start, at(DAY, *ends)), UnixMs(NINE // 1000))
    return Feed(clock), start


def test_where_nothing_happens_a_market_that_is_played_faster_is_told_once_a_second_of_ours(an_argument: Arguments) -> None:
    feed, start = a_fast_market(240.0)
    feed.stream.begin(NINE)
    for step in range(1, 400):
        feed.stream.tick(UnixUs(NINE + step * 5_000), "up")
        if step == 101:
            feed.stream.publish([an_argument("X-TRADE", Time="09:22:01")], UnixUs(NINE + step * 5_000))
    (busy,) = places_of_trades(feed)
    for place in feed.places():
        told = [second - start // 1000 for second in seconds(feed.records(place))]
        # The last one is told because nothing follows it.
        assert told == [0, *([121] if place == busy else []), 240, 478]
    _, before, trade, *_ = feed.records(busy)
    assert isinstance(trade, TradeRecord)
    assert isinstance(before, ClockTick)
    assert before.step_ms == 240_000


def test_a_market_that_ends_is_told_to_its_end() -> None:
    feed, start = a_fast_market(100.0, ends=(9, 20, 30))
    feed.stream.begin(NINE)
    for step in range(1, 100):
        feed.stream.tick(UnixUs(NINE + step * 5_000), "up")
    told = []
    while (message := feed.outbox.take()) is not None:
        told += seconds(DECODERS[message.topic](message.value).records) if message.topic == "ssi.foreign" else []
    assert sorted(set(told)) == [start // 1000, start // 1000 + 30]


def test_a_lost_connection_is_told_at_once_and_with_it_up_to_when_it_held() -> None:
    feed, start = a_fast_market(100.0)
    feed.stream.begin(NINE)
    for step in range(1, 10):
        feed.stream.tick(UnixUs(NINE + step * 10_000), "up" if step < 5 else "down")
    ticks = [record for record in feed.records("ssi.indices/0") if isinstance(record, ClockTick)]
    assert [(tick.ts_ms // 1000 - start // 1000, tick.health) for tick in ticks] == [
        (0, "up"), (4, "up"), (5, "down"), (9, "down"),
    ]  # fmt: skip


def test_a_long_pause_is_jumped() -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    feed.stream.tick(UnixUs(NINE + CATCH_UP_S * 1_000_000), "up")
    feed.stream.tick(UnixUs(NINE + 3_600_000_000), "down")
    records = feed.records("ssi.foreign/0")
    assert len(seconds(records)) == 1 + CATCH_UP_S + 1
    assert isinstance(records[-1], ClockTick)
    assert records[-1].health == "down"


def test_nothing_ticks_before_the_first_connection() -> None:
    feed = Feed()
    feed.stream.tick(NINE, "down")
    assert feed.places() == set()


def test_with_the_feed_as_clock_the_first_record_brings_its_own_tick(an_argument: Arguments) -> None:
    feed = Feed(FeedClock())
    feed.stream.begin(NINE)
    feed.stream.publish([an_argument("X-TRADE", Time="09:20:00"), an_argument("X-TRADE", Time="09:20:02")], NINE)
    feed.stream.tick(NINE, "up")
    (place,) = places_of_trades(feed)
    records = feed.records(place)
    assert [type(record).__name__ for record in records] == ["ClockTick", "TradeRecord", "TradeRecord", "ClockTick", "ClockTick"]
    assert seconds(records) == [at(DAY, 9, 20, n) // 1000 for n in range(3)]


def test_an_earlier_day_with_the_feed_as_clock_has_the_phases_of_that_day_whatever_this_machine_s_day(
    an_argument: Arguments,
) -> None:
    feed, saturday = Feed(FeedClock()), us(at(TradingDay(20261128), 8))
    feed.stream.begin(saturday)
    for clock in ("09:05:00", "09:20:00", "14:35:00"):
        feed.stream.publish([an_argument("X-TRADE", Time=clock)], saturday)
        feed.stream.tick(saturday, "up")
        feed.stream.report("up", "", saturday)
    (place,) = places_of_trades(feed)
    told = [record.phase for record in feed.records(place) if isinstance(record, ClockTick)]
    assert list(dict.fromkeys(told)) == [SessionPhase.ATO, SessionPhase.CONTINUOUS, SessionPhase.ATC]
    assert [status.phase for status in feed.statuses] == [SessionPhase.ATO, SessionPhase.CONTINUOUS, SessionPhase.ATC]


def test_a_feed_that_is_its_own_clock_cannot_be_sent_into_the_future(an_argument: Arguments) -> None:
    feed = Feed(FeedClock())
    feed.stream.begin(NINE)
    feed.stream.publish([an_argument("X-TRADE", TradingDate="01/01/2099"), an_argument("X-TRADE")], NINE)
    assert len(places_of_trades(feed)) == 1
    assert [letter.reason for letter in feed.letters] == ["future_day"]


def places_of_trades(feed: Feed) -> set[str]:
    feed.drain()
    return {where for where, frame in feed.frames if any(isinstance(record, TradeRecord) for record in frame.records)}


def test_a_record_of_a_later_day_is_a_dead_letter_and_one_of_an_earlier_day_is_not(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    feed.stream.publish(
        [an_argument("X-TRADE", TradingDate="24/11/2026"), an_argument("X-TRADE", TradingDate="20/11/2026")], NINE
    )
    assert len(places_of_trades(feed)) == 1
    (letter,) = feed.letters
    assert (letter.reason, letter.idx, letter.feed, letter.epoch) == ("future_day", 0, "a", feed.stream.epoch)
    assert "20261124" in letter.detail


def test_a_bad_record_goes_to_the_dead_letters_alone(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    feed.stream.keep("…", NINE)
    bad = an_argument("X-TRADE", LastVol="NaN")
    feed.stream.publish([an_argument("X-TRADE"), bad, an_argument("X-TRADE")], NINE)
    (place,) = places_of_trades(feed)
    assert sum(isinstance(record, TradeRecord) for record in feed.records(place)) == 2
    (letter,) = feed.letters
    assert (letter.source, letter.reason, letter.idx, letter.payload) == ("ssi", "bad_field", 1, bad)
    assert letter.detail == "LastVol is 'NaN': expected a number (message 0 of the connection)"
    assert (letter.topic, letter.partition, letter.offset) == (None, None, None)
    assert feed.stream.rejected == {Reason.BAD_FIELD: 1}


def test_one_hub_message_makes_so_many_dead_letters_and_no_more(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    bad = MAX_LETTERS + 900
    feed.stream.keep("first", NINE)
    feed.stream.publish(["nonsense"] * bad + [an_argument("X-TRADE")], NINE)
    feed.stream.reject(Reason.BAD_MESSAGE, "more such invocations", None, "", count=50)
    feed.stream.keep("second", NINE)
    feed.stream.publish(["nonsense"], NINE)
    assert len(places_of_trades(feed)) == 1
    assert Counter(letter.reason for letter in feed.letters) == {"bad_json": MAX_LETTERS + 1, "too_many": 1}
    (rest,) = (letter for letter in feed.letters if letter.reason == "too_many")
    assert rest.detail == "950 more parts of it could not be used; ssi.wire has them (message 0 of the connection)"
    assert feed.stream.rejected == {Reason.BAD_JSON: bad + 1, Reason.BAD_MESSAGE: 50}
    assert feed.stream.dead_letters == bad + 51


def test_the_rest_of_the_last_message_is_told_without_another_one() -> None:
    tells: list[Callable[[RecordStream], None]] = [lambda stream: stream.tick(NINE, "up"), RecordStream.flush]
    for tell in tells:
        feed = Feed()
        feed.stream.begin(NINE)
        feed.stream.keep("last", NINE)
        feed.stream.publish(["nonsense"] * (MAX_LETTERS + 1), NINE)
        tell(feed.stream)
        feed.drain()
        assert [letter.reason for letter in feed.letters][-1] == "too_many"


def test_a_bar_of_an_index_goes_where_the_index_goes(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    prices = dict.fromkeys(("Open", "High", "Low", "Close"), 1746.0)
    feed.stream.publish([an_argument("B", Symbol=index, **prices) for index in ("VNINDEX", "VNNEW", "Hnx99")], NINE)
    feed.stream.publish([an_argument("MI", IndexId=index) for index in ("VNINDEX", "VNNEW", "Hnx99")], NINE)
    feed.drain()
    places = {(record.symbol, where) for where, frame in feed.frames for record in frame.records if hasattr(record, "symbol")}
    assert len(places) == 3
    assert all(where.startswith("ssi.indices") for _, where in places)


def test_what_rest_lists_decides_where_bars_go_and_in_which_unit(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    feed.stream.publish([an_argument("B", Symbol="VNODD", Close=1746.0)], NINE)
    feed.stream.refer([a_reference("VNODD", trading_day=DAY)], NINE)
    feed.stream.name_indices(["OddOne"])
    feed.stream.publish([an_argument("B", Symbol="VNODD", Close=1746.0), an_argument("B", Symbol="OddOne", Close=1746.0)], NINE)
    feed.drain()
    bars = [
        (where.partition("/")[0], record.symbol, record.close)
        for where, frame in feed.frames
        for record in frame.records
        if isinstance(record, BarRecord)
    ]
    assert sorted(bars) == [
        ("ssi.indices", "ODDONE", 174_600), ("ssi.indices", "VNODD", 174_600), ("ssi.ticks", "VNODD", 1_746),
    ]  # fmt: skip


def test_hostile_payloads_are_text_in_the_dead_letters() -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    feed.stream.reject(Reason.BAD_MESSAGE, "no message", None, b"\xff{<script>")
    feed.stream.reject(Reason.BAD_JSON, "no JSON", 0, "\ud800\x00")
    feed.drain()
    assert [letter.payload for letter in feed.letters] == ["\\xff{<script>", "\\ud800\x00"]


def test_hub_messages_are_kept_as_they_came_and_numbered() -> None:
    feed = Feed()
    feed.stream.begin(NINE)
    for text in ("{}", b"\xff", "\ud800"):
        feed.stream.keep(text, NINE)
    kept = [message for message in iter(feed.outbox.take, None) if message.topic == SSI_WIRE.name]
    assert [message.value for message in kept] == [b"{}", b"\xff", b"\xed\xa0\x80"]
    assert [dict(message.headers)["seq"] for message in kept] == ["0", "1", "2"]
    epoch = str(feed.stream.epoch)
    assert dict(kept[0].headers) == {"feed": "a", "epoch": epoch, "seq": "0", "recv_us": str(NINE)}


def test_the_status_says_how_the_feed_is(an_argument: Arguments) -> None:
    feed = Feed()
    feed.stream.report("connecting", "connecting to SSI", NINE)
    feed.stream.begin(NINE)
    feed.stream.publish([an_argument("X-TRADE"), "nonsense"], NINE)
    feed.stream.report("up", "", NINE)
    feed.drain()
    before, now = feed.statuses
    assert (before.state, before.epoch, before.connects) == ("connecting", 0, 0)
    assert (now.state, now.epoch, now.connects, now.received, now.dead_letters, now.dropped) == (
        "up", feed.stream.epoch, 1, 2, 1, 0,
    )  # fmt: skip
    assert (now.market_ms, now.trading_day, now.phase, now.ts_us) == (at(DAY, 9, 15, 2), DAY, SessionPhase.CONTINUOUS, NINE)
