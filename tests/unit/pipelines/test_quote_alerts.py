"""Alerts from ``market.quotes``: books that are locked at a limit."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.alert_shard import fold_quotes
from pipelines.core.frames import Shard
from pipelines.core.rules import load_rules
from schemas.position import Position
from schemas.structs import AlertEvent, QuoteEvent, QuotesFrame
from schemas.topics import MARKET_ALERTS, MARKET_QUOTES
from schemas.units import TradingDay
from tests.builders import DAY, a_quote_event, moment, offers

MONDAY = TradingDay(20261123)
CEILING, FLOOR = 64_200, 55_800
LOCK = load_rules("""
[[rule]]
name = "lock"
kind = "limit_lock"
severity = "warning"
exchanges = ["HOSE"]
limits = ["ceiling", "floor"]
min_queue_vnd = 10_000_000_000
release_queue_vnd = 2_000_000_000
release_pct = 0.5
""").quotes


class Alerts:
    """One shard, as long as it lasts."""

    def __init__(self, rules: Any = LOCK) -> None:
        self.state: dict[bytes, bytes] = {}
        self._offers = offers(MARKET_QUOTES, rules=rules)

    def fold(self, *events: QuoteEvent) -> list[AlertEvent]:
        position, shard = Position("market.quotes", 0, 0), Shard.of("alerts", 0, 1)
        folded = fold_quotes(QuotesFrame(events=list(events)), position, shard, self.state, offers=self._offers)
        return [alert for output in folded.outputs for alert in MARKET_ALERTS.decode(output.value).events]


def at_ceiling(ts: str | int, queue: int = 200_000, **changes: Any) -> QuoteEvent:
    fields: dict[str, Any] = {"bid": CEILING, "bid_volume": queue, "ask": 0, "ask_volume": 0, "limit": "ceiling"}
    return a_quote_event("VNM", ts, **(fields | changes))


def at_floor(ts: str | int, queue: int = 200_000, **changes: Any) -> QuoteEvent:
    fields: dict[str, Any] = {"bid": 0, "bid_volume": 0, "ask": FLOOR, "ask_volume": queue, "limit": "floor"}
    return a_quote_event("VNM", ts, **(fields | changes))


def test_13_a_lock_at_the_ceiling_is_told_once_with_the_size_of_its_queue() -> None:
    alerts = Alerts()
    (alert,) = alerts.fold(at_ceiling("10:00:00"), at_ceiling("10:00:01", 300_000))
    assert alert.message == (
        "VNM is locked at its ceiling, 64,200 VND: buyers wait for 200,000 shares, worth 12.84 bn VND, and nobody sells."
    )
    assert alert.message_vi == "VNM trắng bên bán ở giá trần 64.200 đồng: dư mua 200.000 cổ phiếu, trị giá 12,84 tỷ đồng."
    assert (alert.direction, alert.data["queue"]) == ("up", 200_000)
    assert alerts.fold(at_ceiling("10:30:00", 900_000)) == []


def test_a_lock_at_the_floor_is_another() -> None:
    assert [alert.direction for alert in Alerts().fold(at_ceiling("10:00:00"), at_floor("10:00:01"))] == ["up", "down"]


@pytest.mark.parametrize(
    "event",
    [
        at_ceiling("10:00:00", 155_000),
        at_ceiling("09:05:00"),
        at_ceiling("14:40:00"),
        at_ceiling("10:00:00", limit=None),
        at_ceiling("10:00:00", exchange="HNX"),
    ],
    ids=["a short queue", "the opening auction", "the closing auction", "not at the limit", "not covered"],
)
def test_what_is_no_lock(event: QuoteEvent) -> None:
    assert Alerts().fold(event) == []


@pytest.mark.parametrize(
    ("between", "again"),
    [
        (at_ceiling("10:05:00", 40_000), False),
        (at_ceiling("10:05:00", 30_000), True),
        (at_ceiling("10:05:00", ask=CEILING, ask_volume=100, limit=None), False),
        (at_ceiling("10:05:00", bid=CEILING - 300, ask=CEILING, ask_volume=100, limit=None), False),
        (at_ceiling("10:05:00", bid=CEILING - 400, ask=CEILING, ask_volume=100, limit=None), True),
        (at_ceiling("10:05:00", bid=0, limit=None), True),
    ],
    ids=["the queue shrank", "it nearly went", "an offer came", "three ticks away", "four ticks away", "nobody waits"],
)
def test_a_lock_is_told_again_only_after_it_was_none(between: QuoteEvent, again: bool) -> None:
    alerts = Alerts()
    assert len(alerts.fold(at_ceiling("10:00:00"))) == 1
    assert len(alerts.fold(between, at_ceiling("10:10:00"))) == again


def test_an_older_quote_and_one_of_an_earlier_day_change_nothing_and_a_new_day_starts_afresh() -> None:
    alerts = Alerts()
    alerts.fold(at_ceiling("10:00:00"))
    assert alerts.fold(at_ceiling("09:59:00", bid=0, limit=None), at_ceiling("10:01:00")) == []
    assert alerts.fold(at_ceiling("10:02:00", day=TradingDay(20261119), bid=0, limit=None), at_ceiling("10:03:00")) == []
    assert len(alerts.fold(at_ceiling("10:00:00", day=MONDAY))) == 1


def test_quotes_that_were_never_at_a_limit_leave_nothing_in_the_state() -> None:
    alerts = Alerts()
    alerts.fold(a_quote_event("VNM", "10:00:00"), a_quote_event("FPT", "10:00:00"), at_ceiling("10:00:00"))
    kept = set(alerts.state)
    assert {key for key in kept if key.isupper()} == {b"VNM"}
    alerts.fold(a_quote_event("FPT", "10:00:01"), a_quote_event("HPG", "10:00:02"))
    assert set(alerts.state) == kept


BOOKS = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from(["ceiling", "floor", None]), st.sampled_from([30_000, 60_000, 200_000])),
    max_size=30,
)


@given(BOOKS, st.data())
def test_any_cut_into_frames_and_any_restart_give_the_same_alerts(
    books: list[tuple[int, Literal["ceiling", "floor"] | None, int]], data: st.DataObject
) -> None:
    events, ts_ms = [], int(moment("10:00", DAY))
    for pause, limit, queue in books:
        ts_ms += pause * 1_000
        events.append((at_floor if limit == "floor" else at_ceiling)(ts_ms, queue, limit=limit))
    whole = Alerts().fold(*events)
    cut = data.draw(st.integers(0, len(events)))
    shard = Alerts()
    assert shard.fold(*events[:cut]) + shard.fold(*events[cut:]) == whole
    assert len({alert.alert_id for alert in whole}) == len(whole)
