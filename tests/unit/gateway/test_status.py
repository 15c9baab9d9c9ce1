from typing import Any

import pytest

from gateway.core.status import SILENT_MS, STALE_MS, Feeds
from schemas.structs import FeedStatus
from schemas.units import SessionPhase
from tests.builders import a_feed_status

FRESH = dict.fromkeys(STALE_MS, 100_000)


def said(feed: str = "a", **fields: Any) -> FeedStatus:
    defaults = {"ts_us": 0, "market_ms": 5, "received": 0}
    return a_feed_status(feed, **{**defaults, **fields})


@pytest.fixture
def feeds() -> Feeds:
    feeds = Feeds()
    feeds.hear(said(), 100_000)
    return feeds


def test_a_feed_is_shown_once_until_it_changes(feeds: Feeds) -> None:
    (row,) = feeds.judge(100_001)
    assert row.fragment.startswith(b'["a","up",""')
    assert feeds.judge(100_002) == []
    feeds.hear(said(received=7), 101_000)
    assert len(feeds.judge(101_000)) == 1


def test_a_feed_that_says_nothing_for_five_seconds_is_silent_and_says_how_to_look(feeds: Feeds) -> None:
    assert feeds.state_of("a", 100_000 + SILENT_MS)[0] == "up"
    state, reason = feeds.state_of("a", 100_001 + SILENT_MS)
    assert state == "silent"
    assert "stock-tracker status" in reason
    feeds.hear(said(), 106_000)
    assert feeds.state_of("a", 106_001) == ("up", "")


def test_a_feed_that_was_stopped_is_not_called_silent(feeds: Feeds) -> None:
    feeds.hear(said(state="stopped", reason="the day is over"), 100_000)
    assert feeds.state_of("a", 900_000) == ("stopped", "the day is over")


def test_channels_that_do_not_move_while_the_market_trades_are_stale(feeds: Feeds) -> None:
    feeds.hear(said(), 106_000)
    assert feeds.stale(FRESH, 105_000) == []
    assert feeds.stale(FRESH, 105_001) == ["px"]
    assert feeds.stale({**FRESH, "px": 105_000, "index": None}, 105_001) == ["index"]


@pytest.mark.parametrize("phase", [SessionPhase.PRE_OPEN, SessionPhase.BREAK, SessionPhase.POST_CLOSE, SessionPhase.CLOSED])
def test_nothing_is_stale_while_the_market_rests(feeds: Feeds, phase: SessionPhase) -> None:
    feeds.hear(said(phase=phase), 899_000)
    assert feeds.stale(FRESH, 900_000) == []


def test_a_connector_that_fell_silent_at_lunch_leaves_everything_stale(feeds: Feeds) -> None:
    feeds.hear(said(phase=SessionPhase.BREAK), 100_000)
    assert len(feeds.stale(FRESH, 900_000)) > 1
    feeds.hear(said(phase=SessionPhase.BREAK, state="stopped", reason="the day is over"), 100_000)
    assert feeds.stale(FRESH, 900_000) == []


def test_without_a_feed_that_is_up_everything_is_stale(feeds: Feeds) -> None:
    assert feeds.stale(FRESH, 100_001 + SILENT_MS) == sorted(STALE_MS)
    feeds.hear(said("b"), 105_000)
    assert feeds.stale(FRESH | {"px": 105_000}, 100_001 + SILENT_MS) == []


def test_the_clock_is_that_of_the_feed_that_is_furthest(feeds: Feeds) -> None:
    feeds.hear(said("b", market_ms=9, phase=SessionPhase.ATC), 100_000)
    session = feeds.session()
    assert session is not None
    assert (session.phase, session.market_ms) == (SessionPhase.ATC, 9)
