"""Alerts from ``market.candles``."""

from typing import Any

import pytest

from pipelines.core.alert_shard import fold_candles
from pipelines.core.frames import Shard
from pipelines.core.rules import load_rules
from schemas.position import Position
from schemas.structs import AlertEvent, CandleEvent, CandlesFrame
from schemas.topics import MARKET_ALERTS, MARKET_CANDLES
from schemas.units import TradingDay
from tests.builders import a_candle_event, offers

MONDAY = TradingDay(20261123)
GAP = load_rules("""
[[rule]]
name = "gap"
kind = "open_gap"
severity = "info"
min_pct = 3.0
""").candles


class Alerts:
    """One shard, as long as it lasts."""

    def __init__(self, rules: Any = GAP) -> None:
        self.state: dict[bytes, bytes] = {}
        self._offers = offers(MARKET_CANDLES, rules=rules)

    def fold(self, *events: CandleEvent) -> list[AlertEvent]:
        position, shard = Position("market.candles", 0, 0), Shard.of("alerts", 0, 1)
        folded = fold_candles(CandlesFrame(events=list(events)), position, shard, self.state, offers=self._offers)
        return [alert for output in folded.outputs for alert in MARKET_ALERTS.decode(output.value).events]


def opening(price: int, **changes: Any) -> CandleEvent:
    fields: dict[str, Any] = {"minute": "09:15", "open": price, "reference": 60_000, "opens": True}
    return a_candle_event("VNM", **(fields | changes))


@pytest.mark.parametrize(
    ("price", "direction", "message"),
    [
        (61_800, "up", "VNM opened at 61,800 VND, 3.00% above its reference of 60,000 VND."),
        (57_000, "down", "VNM opened at 57,000 VND, 5.00% below its reference of 60,000 VND."),
    ],
)
def test_13_an_open_far_from_the_reference_is_told_once(price: int, direction: str, message: str) -> None:
    alerts = Alerts()
    (alert,) = alerts.fold(opening(price))
    assert (alert.direction, alert.message, alert.data["reference"]) == (direction, message, 60_000)
    assert alerts.fold(opening(price, revision=1), opening(price + 100, revision=2), a_candle_event("VNM", "09:16")) == []


def test_a_gap_that_an_amended_minute_shows_is_told_then() -> None:
    alerts = Alerts()
    assert alerts.fold(opening(61_700)) == []
    assert len(alerts.fold(opening(62_000, revision=1))) == 1


@pytest.mark.parametrize(
    "event",
    [opening(61_799), opening(64_000, opens=False), opening(64_000, reference=0)],
    ids=["too near", "not the open", "no reference"],
)
def test_what_is_no_gap_at_the_open(event: CandleEvent) -> None:
    assert Alerts().fold(event) == []


UNUSUAL = load_rules("""
[[rule]]
name = "unusual"
kind = "unusual_volume"
severity = "warning"
ratio = 3.0
min_value_vnd = 1_000_000_000
min_days = 5
cooldown_s = 1800
""").candles


def minute(ts: str, volume: int, **changes: Any) -> CandleEvent:
    fields: dict[str, Any] = {"volume": volume, "open": 50_000, "usual_volume": 10_000, "usual_days": 20}
    return a_candle_event("VNM", ts, **(fields | changes))


def test_13_what_is_usual_at_its_time_is_no_spike_and_what_is_not_is_one() -> None:
    busy = [minute("09:15", 900_000, usual_volume=1_000_000), minute("14:30", 600_000, usual_volume=700_000)]
    assert Alerts(UNUSUAL).fold(*busy) == []
    alerts = Alerts(UNUSUAL)
    assert alerts.fold(minute("10:35", 12_000), minute("10:36", 17_999)) == []
    (alert,) = alerts.fold(minute("10:38", 1))
    assert alert.message == (
        "VNM traded 30,000 shares since 10:35:00, 3.0 times what it usually trades in those 5 minutes "
        "(10,000 shares, over 20 days)."
    )
    assert (alert.data["volume"], alert.data["usual_volume"]) == (30_000, 10_000)


@pytest.mark.parametrize(
    "changes",
    [{"usual_volume": None, "usual_days": None}, {"usual_days": 4}, {"value": 999_999_999}, {"usual_volume": 10_001}],
    ids=["no profile", "too few days", "too little", "nearly"],
)
def test_what_is_not_unusual(changes: dict[str, Any]) -> None:
    assert Alerts(UNUSUAL).fold(minute("10:35", 30_000, **changes)) == []


def test_minutes_count_in_their_own_five_and_as_they_are_now() -> None:
    alerts = Alerts(UNUSUAL)
    assert alerts.fold(minute("10:34", 29_999), minute("10:35", 20_000), minute("10:34", 60_000, revision=1)) == []
    assert len(alerts.fold(minute("10:35", 30_000, revision=1))) == 1
    assert alerts.fold(minute("10:36", 90_000)) == []


def test_a_symbol_that_usually_does_not_trade_then_is_unusual_too() -> None:
    (alert,) = Alerts(UNUSUAL).fold(minute("10:35", 20_000, usual_volume=0))
    assert (
        alert.message == "VNM traded 20,000 shares since 10:35:00, when it usually trades nothing for 5 minutes (over 20 days)."
    )


def test_each_day_opens_anew_and_an_earlier_one_no_more() -> None:
    alerts = Alerts()
    assert len(alerts.fold(opening(62_000))) == 1
    assert len(alerts.fold(opening(62_000, day=MONDAY))) == 1
    assert alerts.fold(opening(57_000)) == []
