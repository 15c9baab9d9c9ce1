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
    clock.look(3.9)
    assert clock.held
    clock.look(4.0)
    assert not clock.held
    assert clock.at(5.0) == 20_000
