from typing import Any

import pytest

from gateway.core.ages import AGED_CHANNELS, STALE_MS
from gateway.core.status import MISSED_MS, SILENT_MS, Connectors
from schemas.structs import FeedStatus
from schemas.units import SessionPhase
from tests.builders import a_feed_status

FRESH = dict.fromkeys(AGED_CHANNELS, 900)


def said(feed: str = "a", **fields: Any) -> FeedStatus:
    defaults = {"ts_us": 0, "market_ms": 5, "received": 0}
    return a_feed_status(feed, **{**defaults, **fields})


@pytest.fixture
def connectors() -> Connectors:
    connectors = Connectors()
    connectors.hear(said(), 100_000)
    return connectors


def test_a_feed_is_shown_once_until_it_changes(connectors: Connectors) -> None:
    (row,) = connectors.judge(FRESH, 100_001)
    assert row.fragment.startswith(b'["a","up",""')
    assert connectors.judge(FRESH, 100_002) == []
    connectors.hear(said(received=7), 101_000)
    assert len(connectors.judge(FRESH, 101_000)) == 1


def test_a_feed_that_says_nothing_for_five_seconds_is_silent_and_says_how_to_look(connectors: Connectors) -> None:
    assert connectors.state_of("a", 100_000 + SILENT_MS)[0] == "up"
    state, reason = connectors.state_of("a", 100_001 + SILENT_MS)
    assert state == "silent"
    assert "stock-tracker status" in reason
    connectors.hear(said(), 106_000)
    assert connectors.state_of("a", 106_001) == ("up", "")


def test_while_data_is_stale_a_feed_that_misses_its_words_is_silent_at_once(connectors: Connectors) -> None:
    def shown(px_age_ms: int, silent_ms: int) -> str:
        connectors.judge(FRESH | {"px": px_age_ms}, 100_000 + silent_ms)
        return connectors.state_of("a", 100_000 + silent_ms, is_stale=px_age_ms > STALE_MS)[0]

    assert shown(STALE_MS, MISSED_MS + 1) == "up"
    assert shown(STALE_MS + 1, MISSED_MS) == "up"
    assert shown(STALE_MS + 1, MISSED_MS + 1) == "silent"
    (row,) = connectors.judge(FRESH | {"px": STALE_MS + 1}, 100_002 + SILENT_MS)
    assert row.fragment.startswith(b'["a","silent","connector a has said nothing for 5 s')


def test_a_feed_that_was_stopped_is_not_called_silent(connectors: Connectors) -> None:
    connectors.hear(said(state="stopped", reason="the day is over"), 100_000)
    assert connectors.state_of("a", 900_000) == ("stopped", "the day is over")


def test_old_data_is_stale_while_the_market_trades_and_so_is_data_of_which_nobody_can_say_how_old_it_is(
    connectors: Connectors,
) -> None:
    assert connectors.stale(FRESH | {"px": STALE_MS}, 100_000) == []
    assert connectors.stale(FRESH | {"px": STALE_MS + 1, "index": None}, 100_000) == ["index", "px"]


def test_the_skew_of_two_clocks_is_what_the_quickest_of_the_last_words_took(connectors: Connectors) -> None:
    assert connectors.skews_ms() == {}
    for on_the_way in (40, 12, 900):
        connectors.hear(said(ts_us=200_000_000), 0, now_ms=200_000 - 7_000 + on_the_way)
    assert connectors.skews_ms() == {"a": -6_988}


def test_words_that_have_just_been_written_are_as_old_as_the_gateways_own_clock_says(connectors: Connectors) -> None:
    connectors.hear(said(), 5, now_ms=300_000)
    assert connectors.state_of("a", 300_001) == ("up", "")


@pytest.mark.parametrize("phase", [SessionPhase.PRE_OPEN, SessionPhase.BREAK, SessionPhase.POST_CLOSE, SessionPhase.CLOSED])
def test_nothing_is_stale_while_the_market_rests(connectors: Connectors, phase: SessionPhase) -> None:
    connectors.hear(said(phase=phase), 899_000)
    assert connectors.stale(dict.fromkeys(AGED_CHANNELS, 800_000), 900_000) == []


def test_a_connector_that_fell_silent_at_lunch_leaves_everything_stale(connectors: Connectors) -> None:
    connectors.hear(said(phase=SessionPhase.BREAK), 100_000)
    assert len(connectors.stale(FRESH, 900_000)) > 1
    connectors.hear(said(phase=SessionPhase.BREAK, state="stopped", reason="the day is over"), 100_000)
    assert connectors.stale(FRESH, 900_000) == []


def test_without_a_feed_that_is_up_everything_is_stale(connectors: Connectors) -> None:
    assert connectors.stale(FRESH, 100_001 + SILENT_MS) == sorted(AGED_CHANNELS)
    connectors.hear(said("b"), 105_000)
    assert connectors.stale(FRESH, 100_001 + SILENT_MS) == []


def test_the_clock_is_that_of_the_feed_that_is_furthest(connectors: Connectors) -> None:
    connectors.hear(said("b", market_ms=9, phase=SessionPhase.ATC), 100_000)
    clock = connectors.clock()
    assert clock is not None
    assert (clock.phase, clock.market_ms) == (SessionPhase.ATC, 9)
