from connectors.ssi.simulator.core.playback_clock import PlaybackClock


def test_a_held_market_stands_and_goes_on_where_it_stood() -> None:
    clock = PlaybackClock(start_ms=0, end_ms=100_000, speed=10.0)
    clock.hold(1.0, 9.0)
    assert not clock.held
    clock.begin(1.0)
    clock.hold(2.0, 20.0)
    clock.hold(3.0, 10.0)
    assert [clock.at(s) for s in (2.0, 5.0)] == [10_000, 10_000]
    clock.resume(7.0)
    clock.resume(8.0)
    assert [clock.at(s) for s in (7.0, 8.0)] == [10_000, 20_000]


def test_a_market_whose_holder_died_goes_on_by_itself() -> None:
    clock = PlaybackClock(start_ms=0, end_ms=100_000, speed=10.0)
    clock.begin(0.0)
    clock.hold(1.0, 4.0)
    clock.look(3.9, hold_s=3.0)
    assert clock.held
    clock.look(4.0, hold_s=3.0)
    assert not clock.held
    assert clock.at(5.0) == 20_000


def test_a_market_stands_at_the_very_time_that_it_was_told_to_however_late_it_is_looked_at() -> None:
    clock = PlaybackClock(start_ms=1_000, end_ms=100_000, speed=10.0)
    clock.begin(0.0)
    clock.hold(1.0, 90.0)
    clock.resume(2.0, stand_ms=51_000)
    assert [clock.at(s) for s in (3.0, 6.0, 7.0, 60.0)] == [21_000, 51_000, 51_000, 51_000]
    clock.look(5.9, hold_s=10.0)
    assert not clock.held
    clock.look(60.0, hold_s=10.0)
    assert clock.held
    assert clock.at(65.0) == 51_000
    clock.resume(66.0)
    assert clock.at(67.0) == 61_000


def test_a_market_that_is_past_the_time_to_stand_at_stands_where_it_is() -> None:
    clock = PlaybackClock(start_ms=0, end_ms=100_000, speed=10.0)
    clock.begin(0.0)
    clock.resume(5.0, stand_ms=20_000)
    clock.look(6.0, hold_s=2.0)
    assert (clock.held, clock.at(6.0)) == (True, 50_000)
    clock.look(8.0, hold_s=2.0)
    assert (clock.held, clock.at(9.0)) == (False, 60_000)


def test_a_market_that_is_to_stand_may_go_no_further_without_a_speed_either() -> None:
    clock = PlaybackClock(start_ms=0, end_ms=100_000, speed=None)
    clock.begin(0.0)
    clock.resume(0.0, stand_ms=30_000)
    assert clock.limit_ms == 30_000
    clock.reach(30_000)
    clock.look(1.0, hold_s=5.0)
    assert (clock.held, clock.at(1.0)) == (True, 30_000)
    clock.look(6.0, hold_s=5.0)
    assert (clock.held, clock.limit_ms) == (False, 100_000)


def test_a_market_that_is_held_once_it_stands_by_itself_goes_no_further() -> None:
    clock = PlaybackClock(start_ms=0, end_ms=100_000, speed=10.0)
    clock.begin(0.0)
    clock.resume(0.0, stand_ms=50_000)
    # Somebody holds it at 5.2 s, before anybody has looked that it stands since 5.0 s.
    clock.hold(5.2, 90.0)
    assert clock.at(5.2) == 50_000
    clock.look(5.3, hold_s=10.0)
    assert (clock.held, clock.at(5.3)) == (True, 50_000)
    clock.resume(60.0)
    assert clock.at(61.0) == 60_000


def test_a_market_that_is_held_on_its_way_still_says_where_it_was_to_stand() -> None:
    clock = PlaybackClock(start_ms=0, end_ms=100_000, speed=10.0)
    clock.begin(0.0)
    clock.resume(0.0, stand_ms=50_000)
    clock.hold(2.0, 90.0)
    clock.look(30.0, hold_s=10.0)
    assert (clock.at(30.0), clock.stand_ms) == (20_000, 50_000)
    clock.look(92.0, hold_s=10.0)
    assert (clock.held, clock.at(94.0), clock.at(99.0)) == (False, 40_000, 50_000)
