"""A day's events under a set of rules: what would have fired, and what prices did then."""

from typing import Any

import pytest

from pipelines.core.backtest import Backtest, as_json
from pipelines.core.rules import load_rules
from schemas.position import Position
from schemas.structs import CandlesFrame, TradeEvent, TradesFrame
from schemas.topics import MARKET_CANDLES, MARKET_TRADES
from schemas.units import TradingDay
from tests.builders import DAY, a_candle_event, a_trade_event

RULES = load_rules("""
[[rule]]
name = "large"
kind = "large_print"
severity = "info"
min_value_vnd = 1_000_000_000
cooldown_s = 60

[[rule]]
name = "gap"
kind = "open_gap"
severity = "info"
min_pct = 3.0

[[rule]]
name = "limit"
kind = "price_limit"
severity = "critical"
limits = ["floor"]
release_pct = 1.0
""")
BIG = 20_000


class Tape:
    """Makes the prints of a symbol, each after the one before it."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.total = 0

    def at(self, ts: str, price: int, volume: int = 100, **changes: Any) -> TradeEvent:
        self.total += volume
        return a_trade_event(self.symbol, ts, **({"price": price, "volume": volume, "total": self.total} | changes))


def run(*events: TradeEvent, day: TradingDay = DAY) -> Any:
    backtest = Backtest(RULES, day)
    for offset, event in enumerate(events):
        backtest.take(Position(MARKET_TRADES.name, 0, offset), TradesFrame(events=[event]))
    return backtest.report()


def test_a_report_says_how_often_each_rule_fired_and_what_the_price_did() -> None:
    vnm, fpt = Tape("VNM"), Tape("FPT")
    report = run(
        vnm.at("10:00:00", 60_000, BIG),
        vnm.at("10:00:59", 60_300),
        vnm.at("10:04:00", 60_600),
        fpt.at("10:05:00", 100_000, BIG),
        fpt.at("10:05:30", 99_000),
        vnm.at("10:20:30", 59_400),
    )
    large, gap, limit = (next(line for line in report.lines if line.rule == rule) for rule in ("large", "gap", "limit"))
    assert (large.direction, large.fired, large.symbols) == ("buy", 2, 2)
    assert [(after.minutes, after.known, after.rose, after.fell) for after in large.after] == [
        (1, 2, 1, 1),
        (5, 2, 1, 1),
        (15, 2, 1, 1),
    ]
    assert [after.mean_pct for after in large.after] == [pytest.approx((0.5 - 1) / 2), pytest.approx(0.0), pytest.approx(0.0)]
    assert [(line.fired, line.direction) for line in (gap, limit)] == [(0, ""), (0, "")]
    assert report.events == 6


def test_a_price_after_the_last_print_of_the_day_is_not_known() -> None:
    tape = Tape("VNM")
    report = run(tape.at("14:43:00", 60_000, BIG), tape.at("14:45:05", 60_600))
    (outcome,) = report.outcomes
    assert outcome.price == 60_000
    assert outcome.change_pct == {1: 0.0, 5: None, 15: None}


def test_a_late_print_counts_at_its_own_time_and_deals_outside_the_book_do_not_count() -> None:
    tape = Tape("VNM")
    report = run(
        tape.at("10:00:00", 60_000, BIG),
        tape.at("10:10:00", 61_200),
        tape.at("10:00:50", 60_600, late=True),
        tape.at("10:00:55", 70_000, phase="put_through"),
    )
    assert report.outcomes[0].change_pct[1] == pytest.approx(1.0)


def test_events_of_other_days_are_left_out() -> None:
    monday = TradingDay(20261123)
    report = run(Tape("VNM").at("10:00:00", 60_000, BIG), Tape("FPT").at("10:00:00", 60_000, BIG, day=monday), day=monday)
    assert [outcome.alert.symbol for outcome in report.outcomes] == ["FPT"]
    assert report.events == 1


def test_shards_and_topics_do_not_mix_and_alerts_are_in_the_order_of_the_market() -> None:
    backtest = Backtest(RULES, DAY)
    opening = a_candle_event("VNM", "09:15", open=62_000, opens=True)
    backtest.take(Position(MARKET_CANDLES.name, 1, 0), CandlesFrame(events=[opening]))
    for shard in (0, 1):
        backtest.take(Position(MARKET_TRADES.name, shard, 0), TradesFrame(events=[Tape(f"S{shard}").at("09:15:20", 60_000, BIG)]))
    report = backtest.report()
    assert [(outcome.alert.rule, outcome.alert.symbol, outcome.price) for outcome in report.outcomes] == [
        ("large", "S0", 60_000),
        ("large", "S1", 60_000),
        ("gap", "VNM", None),
    ]


def test_as_json_it_has_every_alert() -> None:
    tape = Tape("VNM")
    said = as_json(run(tape.at("10:00:00", 60_000, BIG), tape.at("10:02:00", 60_600)))
    assert [(line["rule"], line["fired"], line["after"][0]["minutes"]) for line in said["rules"]] == [
        ("large", 1, 1),
        ("limit", 0, 1),
        ("gap", 0, 1),
    ]
    assert said["alerts"][0]["change_pct"] == {"1": 0.0, "5": None, "15": None}
    assert (said["day"], said["events"]) == (DAY, 2)
