import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.market_clock import TRUSTED_MS, ClockAnswer, FeedClock, MarketTime, SimulatedClock, WallClock, make_clock
from connectors.ssi.simulator.core.truth import PlayState
from schemas.calendar import at
from schemas.units import TradingDay, UnixMs

MONDAY, FRIDAY = TradingDay(20261123), TradingDay(20261120)
OPEN = at(MONDAY, 9)


def an_answer(market_ms: int, state: PlayState = "running", speed: float | None = 20.0) -> ClockAnswer:
    return ClockAnswer(market_ms, speed, state, MONDAY, OPEN, at(MONDAY, 10))


def test_the_wall_is_the_market_and_never_goes_backwards() -> None:
    clock = WallClock()
    assert clock.read(OPEN) == MarketTime(OPEN, MONDAY, MONDAY)
    assert clock.read(UnixMs(OPEN - 5_000)) == MarketTime(OPEN, MONDAY, MONDAY)


def test_that_market_time_stands_still_is_told_until_the_clock_has_caught_up() -> None:
    clock = WallClock()
    clock.read(OPEN)
    assert clock.trouble is None
    clock.read(UnixMs(OPEN - 100))
    assert clock.trouble is None
    clock.read(UnixMs(OPEN - 3_600_000))
    assert "market time stands still for another 3600 s" in str(clock.trouble)
    clock.read(UnixMs(OPEN + 1))
    assert clock.trouble is None


def test_on_a_saturday_the_market_is_still_at_friday() -> None:
    clock = WallClock()
    assert clock.read(at(TradingDay(20261121), 10))[1:3] == (FRIDAY, 20261121)


def test_a_record_of_today_proves_that_today_is_traded() -> None:
    # 24 November 2026 may or may not be a trading holiday; our calendar says it is.
    tuesday = TradingDay(20261124)
    clock = WallClock()
    assert clock.read(at(tuesday, 8))[1:3] == (MONDAY, tuesday)
    clock.observe(tuesday, at(tuesday, 9))
    assert clock.read(at(tuesday, 9))[1:3] == (tuesday, tuesday)


def test_the_feed_is_the_market_from_its_first_record_on() -> None:
    clock = FeedClock()
    assert clock.read(OPEN) is None
    clock.observe(FRIDAY, at(FRIDAY, 14, 45))
    clock.observe(FRIDAY, at(FRIDAY, 14, 30))
    assert clock.read(OPEN) == MarketTime(at(FRIDAY, 14, 45), FRIDAY, MONDAY)


def test_a_simulator_is_extrapolated_at_its_speed_up_to_its_end() -> None:
    clock = SimulatedClock()
    assert clock.read(UnixMs(0)) is None
    clock.answered(an_answer(OPEN), UnixMs(1_000))
    assert clock.read(UnixMs(1_500)) == MarketTime(UnixMs(OPEN + 10_000), MONDAY, MONDAY, step_ms=20_000)
    clock.answered(an_answer(at(MONDAY, 9, 59, 50)), UnixMs(2_000))
    assert clock.read(UnixMs(4_000)) == MarketTime(at(MONDAY, 10), MONDAY, MONDAY)


def test_a_simulator_that_waits_or_keeps_no_pace_stands_between_its_answers() -> None:
    for answer in (an_answer(OPEN, "waiting"), an_answer(OPEN, "running", None), an_answer(OPEN, "finished")):
        clock = SimulatedClock()
        clock.answered(answer, UnixMs(1_000))
        assert clock.read(UnixMs(3_000)) == MarketTime(OPEN, MONDAY, MONDAY)


def test_a_simulator_that_is_not_heard_of_is_not_trusted_for_long() -> None:
    clock = SimulatedClock()
    clock.answered(an_answer(OPEN), UnixMs(0))
    assert clock.read(UnixMs(600_000)) == MarketTime(UnixMs(OPEN + 20 * TRUSTED_MS), MONDAY, MONDAY)


@pytest.mark.parametrize(("speed", "step_ms"), [(0.5, 1_000), (1.0, 1_000), (1.5, 2_000), (240.0, 240_000)])
def test_a_simulators_step_is_what_passes_there_in_a_second_of_ours_and_a_second_at_least(speed: float, step_ms: int) -> None:
    clock = SimulatedClock()
    clock.answered(an_answer(OPEN, speed=speed), UnixMs(0))
    assert clock.read(UnixMs(100)) == MarketTime(UnixMs(OPEN + int(100 * speed)), MONDAY, MONDAY, step_ms)


def test_a_simulator_that_does_not_answer_is_asked_often_until_it_runs() -> None:
    clock = SimulatedClock()
    often = clock.poll_s
    clock.answered(an_answer(OPEN, "waiting"), UnixMs(0))
    assert clock.poll_s == often
    clock.answered(an_answer(OPEN), UnixMs(0))
    assert clock.poll_s > often


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3_600_000), st.sampled_from(["waiting", "running", "finished"])))
)
def test_no_answer_turns_a_simulator_back(answers: list[tuple[int, int, PlayState]]) -> None:
    clock = SimulatedClock()
    seen = 0
    for wall_ms, market_ms, state in answers:
        clock.answered(an_answer(OPEN + market_ms, state), UnixMs(wall_ms))
        market = clock.read(UnixMs(wall_ms + 100))
        assert market is not None
        assert market.ts_ms >= seen
        seen = market.ts_ms


def test_the_setting_chooses_the_clock() -> None:
    assert isinstance(make_clock("wall"), WallClock)
    assert isinstance(make_clock("feed"), FeedClock)
    assert isinstance(make_clock("http://127.0.0.1:8181/sim/clock"), SimulatedClock)
