from collections.abc import Callable

from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.quality import FEW, MAX_RUN, OTHERS, SILENT_S, WINDOW_S
from connectors.ssi.core.stream import RecordStream
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs, UnixUs

Arguments = Callable[..., str]
DAY = TradingDay(20261123)
TEN = at(DAY, 10)


class Feed:
    """A feed that is judged each second, as the connector does it."""

    def __init__(self, channels: str = "ALL", begins_ms: UnixMs = TEN) -> None:
        self.stream = RecordStream("a", 1, WallClock(), Outbox(1_000, 10_000_000), channels)
        self._begins_ms = begins_ms
        self.second = 0
        self.stream.begin(self._now())
        self.judge()

    def _now(self) -> UnixUs:
        return UnixUs((self._begins_ms + self.second * 1000) * 1000)

    def judge(self) -> str:
        self.stream.judge(float(self.second), "up", self._now())
        return self.stream.undecodable

    def say(self, *arguments: str, seconds: int = 1) -> str:
        """What is wrong after ``arguments`` came in each of so many seconds."""
        for _ in range(seconds):
            self.second += 1
            self.stream.keep("", self._now())
            self.stream.publish(arguments, self._now())
            self.judge()
        return self.stream.undecodable


def test_a_type_that_no_longer_decodes_is_told_however_good_the_others_are(an_argument: Arguments) -> None:
    renamed = an_argument("X-TRADE", LastPrice=..., MatchPrice=62100.0)
    feed = Feed()
    wrong = feed.say(*[an_argument("R")] * 9, renamed, seconds=FEW - 1)
    assert wrong == ""
    wrong = feed.say(*[an_argument("R")] * 9, renamed)
    assert wrong.startswith("100 % of the last minute's 10 X-TRADE records could not be used (bad_field: LastPrice is missing")
    assert "ssi.dlq" in wrong


def test_a_tenth_of_a_type_in_the_last_minute_is_too_much_and_less_is_not(an_argument: Arguments) -> None:
    good, bad = an_argument("X-TRADE"), an_argument("X-TRADE", LastVol="NaN")
    feed = Feed()
    assert feed.say(*[good] * 91, *[bad] * 9, seconds=70) == ""
    assert feed.say(*[good] * 80, *[bad] * 20, seconds=int(WINDOW_S)).startswith("20 % of the last minute's 6000 X-TRADE records")
    assert feed.say(good, seconds=int(WINDOW_S)) == ""


def test_many_in_a_row_are_told_at_once(an_argument: Arguments) -> None:
    good, bad = an_argument("X-QUOTE"), an_argument("X-QUOTE", AskPrice1="NaN")
    feed = Feed()
    for _ in range(20):
        feed.say(*[good] * MAX_RUN)
    assert feed.say(*[bad] * (MAX_RUN - 1)) == ""
    assert feed.say(bad).startswith(f"the last {MAX_RUN} X-QUOTE records could not be used (bad_field: AskPrice1 is 'NaN'")
    assert feed.say(good) == ""


def test_a_rare_type_is_told_after_a_minute_of_nothing_else(an_argument: Arguments) -> None:
    bad = an_argument("F", Exchange="MOON")
    feed = Feed()
    for _ in range(FEW - 1):
        assert feed.say(bad) == ""
        assert feed.say(seconds=14) == ""
    assert feed.say(bad).startswith(f"the last {FEW} F records could not be used (unknown_exchange")


def test_a_new_name_for_a_type_is_told(an_argument: Arguments) -> None:
    renamed = an_argument("X-TRADE").replace("X-TRADE", "TRADE")
    feed = Feed()
    assert feed.say(*[an_argument("X-QUOTE")] * 8, renamed, seconds=20).startswith("11 % of the last minute's 180 records")


def test_a_field_that_can_no_longer_be_read_is_told_though_its_records_can(an_argument: Arguments) -> None:
    odd = an_argument("X-TRADE", RefPrice=..., Reference=62000.0)
    feed = Feed()
    assert feed.say(odd, seconds=FEW - 1) == ""
    assert feed.say(odd).startswith("RefPrice could not be read in 10 of the last minute's 10 X-TRADE records")
    feed = Feed()
    assert feed.say(odd, *[an_argument("X-TRADE")] * 10, seconds=30) == ""


def test_a_type_that_should_come_and_does_not_is_told(an_argument: Arguments) -> None:
    feed = Feed("X-TRADE:ALL,X-QUOTE:ALL,F:ALL,B:VNM")
    assert feed.say(an_argument("X-QUOTE"), seconds=int(SILENT_S) - 1) == ""
    wrong = feed.say(an_argument("X-QUOTE"))
    assert wrong.startswith(f"no X-TRADE record came for {SILENT_S:.0f} s of trading, and 300 others did")
    assert feed.say(an_argument("X-TRADE")) == ""


def test_a_still_market_misses_nothing(an_argument: Arguments) -> None:
    feed = Feed()
    assert feed.say(*[an_argument("R")] * (OTHERS - 1)) == ""
    assert feed.say(seconds=2 * int(SILENT_S)) == ""


def test_outside_of_continuous_trading_nothing_is_missed(an_argument: Arguments) -> None:
    feed = Feed(begins_ms=at(DAY, 11, 30))
    assert feed.say(an_argument("X-QUOTE"), seconds=2 * int(SILENT_S)) == ""
