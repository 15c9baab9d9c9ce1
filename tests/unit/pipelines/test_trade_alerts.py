from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.rules import Rules, load_rules
from pipelines.core.trade_alerts import TAPE_WATCH, Losses, TapeWatch, advance, advance_losses
from schemas.calendar import at
from schemas.structs import AlertEvent, TradeEvent
from schemas.units import Exchange, Side, TradingDay
from tests.builders import DAY, a_trade_event, changed

OPEN_MS = at(DAY, 9, 15)
CEILING, FLOOR = 30_250, 26_350


def rules(text: str) -> Rules:
    return load_rules(text)


SPIKE = rules("""
[[rule]]
name = "spike"
kind = "volume_spike"
severity = "warning"
window_s = 1200
min_prints = 10
ratio = 3.0
min_value_vnd = 1
cooldown_s = 60
""").trades
LIMIT = rules("""
[[rule]]
name = "limit"
kind = "price_limit"
severity = "critical"
limits = ["ceiling", "floor"]
release_pct = 1.0
""").trades
LOCK = rules("""
[[rule]]
name = "lock"
kind = "lock_opened"
severity = "warning"
limits = ["ceiling", "floor"]
min_held_s = 60
""").trades
LARGE = rules("""
[[rule]]
name = "large"
kind = "large_print"
severity = "info"
min_value_vnd = 1_000_000_000
cooldown_s = 300
""").trades
GAP = rules("""
[[rule]]
name = "gap"
kind = "feed_gap"
severity = "critical"
""").trades


PUT_THROUGH = rules("""
[[rule]]
name = "deal"
kind = "put_through"
severity = "info"
min_value_vnd = 100_000_000_000
""").trades
CLUSTER = rules("""
[[rule]]
name = "cluster"
kind = "print_cluster"
severity = "warning"
within_s = 1
min_prints = 20
min_value_vnd = 200_000_000
cooldown_s = 60
""").trades


class Tape:
    """Makes the events of one symbol, each print after the one before it."""

    def __init__(self, symbol: str = "HPG", exchange: Exchange = Exchange.HOSE) -> None:
        self.symbol, self.exchange = symbol, exchange
        self.total = 0

    def a_print(self, second: int, price: int = 28_300, volume: int = 100, **changes: Any) -> TradeEvent:
        self.total += volume
        fields = {"ts": OPEN_MS + second * 1000, "total": self.total, "volume": volume, "price": price}
        limit = {CEILING: "ceiling", FLOOR: "floor"}.get(price)
        return a_trade_event(self.symbol, **{"exchange": self.exchange, "limit": limit, **fields, **changes})

    def a_gap(self, second: int, epoch: int, **changes: Any) -> TradeEvent:
        return self.a_print(second, **{"kind": "gap", "epoch": epoch, "since": OPEN_MS, **changes})


def fold(watch: TapeWatch, known: Any, events: list[TradeEvent]) -> list[AlertEvent]:
    return [alert for event in events for alert in advance(watch, known, event)]


def steady(tape: Tape, prints: int = 10) -> list[TradeEvent]:
    return [tape.a_print(second) for second in range(prints)]


def test_d13_a_stock_held_at_its_ceiling_for_an_hour_alerts_once() -> None:
    tape = Tape()
    held = [tape.a_print(minute * 60, CEILING) for minute in range(61)]
    alerts = fold(TapeWatch(), LIMIT, held)
    assert [(alert.direction, alert.ts_ms) for alert in alerts] == [("up", OPEN_MS)]
    assert alerts[0].message == "HPG is at its ceiling, 30,250 VND."


def test_a_ceiling_alerts_again_only_after_the_price_really_left_it() -> None:
    tape, watch = Tape(), TapeWatch()
    assert len(fold(watch, LIMIT, [tape.a_print(0, CEILING)])) == 1
    assert fold(watch, LIMIT, [tape.a_print(1, CEILING - 50), tape.a_print(2, CEILING)]) == []
    assert len(fold(watch, LIMIT, [tape.a_print(3, CEILING - 350), tape.a_print(4, CEILING)])) == 1


def test_a_limit_within_the_cooldown_alerts_when_that_is_over() -> None:
    cooling = rules(
        '[[rule]]\nname = "limit"\nkind = "price_limit"\nseverity = "info"\n'
        'limits = ["ceiling"]\nrelease_pct = 1.0\ncooldown_s = 60'
    ).trades
    tape = Tape()
    prices = [(0, CEILING), (10, 28_300), (20, CEILING), (59, CEILING), (60, CEILING), (70, CEILING)]
    alerts = fold(TapeWatch(), cooling, [tape.a_print(second, price) for second, price in prices])
    assert [(alert.ts_ms - OPEN_MS) // 1000 for alert in alerts] == [0, 60]


def test_d13_floor_after_ceiling_within_a_minute_is_not_suppressed() -> None:
    tape = Tape()
    alerts = fold(TapeWatch(), LIMIT, [tape.a_print(0, CEILING), tape.a_print(5, FLOOR)])
    assert [alert.direction for alert in alerts] == ["up", "down"]
    assert len({alert.alert_id for alert in alerts}) == 2


def test_d13_a_new_day_starts_without_yesterdays_latch_and_window() -> None:
    tape, watch = Tape(), TapeWatch()
    fold(watch, LIMIT, [tape.a_print(0, CEILING)])
    tomorrow = TradingDay(20261123)
    again = Tape().a_print(0, CEILING, day=tomorrow, ts=at(tomorrow, 9, 15))
    assert len(fold(watch, LIMIT, [again])) == 1
    assert watch.day == tomorrow


def test_d13_the_message_says_the_exact_price() -> None:
    tape = Tape()
    (alert,) = fold(TapeWatch(), LIMIT, [tape.a_print(0, 85_800, limit="ceiling")])
    assert "85,800 VND" in alert.message
    assert alert.data["price"] == 85_800


def test_d13_a_spike_is_measured_without_itself() -> None:
    tape, watch = Tape(), TapeWatch()
    before = steady(tape)
    # 301 shares are 3.01 times the ten prints of 100; in an average with itself it would be 2.5.
    alerts = fold(watch, SPIKE, [*before, tape.a_print(20, volume=301)])
    assert [alert.data["average_volume"] for alert in alerts] == [100.0]
    assert alerts[0].message == (
        "HPG traded 301 shares at once at 28,300 VND, 3.0 times the average print "
        "of the 20 minutes before it (100 shares, 10 prints)."
    )


def test_a_spike_needs_enough_prints_in_its_window() -> None:
    tape = Tape()
    assert fold(TapeWatch(), SPIKE, [*steady(tape, 9), tape.a_print(20, volume=5000)]) == []


def test_a_window_without_volume_judges_nothing() -> None:
    tape = Tape()
    nothing = [tape.a_print(n, volume=0, total=n + 1) for n in range(10)]
    assert fold(TapeWatch(), SPIKE, [*nothing, tape.a_print(20, volume=5000)]) == []


def test_a_print_leaves_the_window_after_its_time() -> None:
    tape = Tape()
    early = [*steady(tape), *[tape.a_print(60 + n, volume=10_000) for n in range(2)]]
    assert len(fold(TapeWatch(), SPIKE, early)) == 1
    tape = Tape()
    # 21 minutes later the ten small ones are gone, and what is left is too little to compare with.
    assert fold(TapeWatch(), SPIKE, [*steady(tape), tape.a_print(21 * 60, volume=10_000)]) == []


@pytest.mark.parametrize("phase", ["ato", "atc", "post_close"])
def test_a_large_print_counts_in_the_continuous_session_only(phase: str) -> None:
    assert fold(TapeWatch(), LARGE, [Tape().a_print(0, volume=100_000, phase=phase)]) == []


@pytest.mark.parametrize("phase", ["ato", "atc", "post_close"])
def test_a_spike_neither_fires_in_an_auction_nor_remembers_it(phase: str) -> None:
    tape, watch = Tape(), TapeWatch()
    fold(watch, SPIKE, steady(tape))
    assert fold(watch, SPIKE, [tape.a_print(30, volume=90_000, phase=phase)]) == []
    (alert,) = fold(watch, SPIKE, [tape.a_print(31, volume=400)])
    assert alert.data["average_volume"] == 100.0


def test_a_spike_repeats_only_after_its_cooldown_in_event_time() -> None:
    tape, watch = Tape(), TapeWatch()
    fold(watch, SPIKE, steady(tape, 100))
    fired = [second for second in range(100, 260, 20) if fold(watch, SPIKE, [tape.a_print(second, volume=4000)])]
    assert fired == [100, 160, 220]


def test_cooldowns_of_buying_and_selling_are_apart() -> None:
    tape, watch = Tape(), TapeWatch()
    big = [tape.a_print(n, volume=100_000, side=side) for n, side in enumerate([Side.BUY, Side.SELL, Side.NEUTRAL, Side.BUY])]
    assert [alert.direction for alert in fold(watch, LARGE, big)] == ["buy", "sell", ""]


def test_a_large_print_says_its_worth() -> None:
    (alert,) = fold(TapeWatch(), LARGE, [Tape().a_print(0, volume=100_000)])
    assert alert.message == "100,000 shares of HPG were bought at once at 28,300 VND, worth 2.83 bn VND."
    assert fold(TapeWatch(), LARGE, [Tape().a_print(0, volume=35_000)]) == []


def test_13_a_put_through_deal_of_a_hundred_billion_is_told() -> None:
    tape, watch = Tape(), TapeWatch()
    deal = tape.a_print(0, 30_000, volume=4_000_000, phase="put_through", side=None)
    (alert,) = fold(watch, PUT_THROUGH, [tape.a_print(0), deal, tape.a_print(1)])
    assert alert.message == "4,000,000 shares of HPG were put through at 30,000 VND, worth 120.00 bn VND."
    assert alert.message_vi == "Thỏa thuận 4.000.000 cổ phiếu HPG giá 30.000 đồng, trị giá 120,00 tỷ đồng."
    assert (alert.direction, alert.data) == ("", {"volume": 4_000_000, "value": 120_000_000_000, "price": 30_000})


@pytest.mark.parametrize("changes", [{"anchored": False, "total": 0, "start": 0}, {"late": True}, {"total": 50}])
def test_a_put_through_deal_is_told_wherever_it_stands_in_the_counter(changes: dict[str, Any]) -> None:
    tape, watch = Tape(), TapeWatch()
    fold(watch, PUT_THROUGH, steady(tape))
    deals = [tape.a_print(20 + n, 30_000, volume=4_000_000, phase="put_through", **changes) for n in range(2)]
    alerts = fold(watch, PUT_THROUGH, deals)
    assert len({alert.alert_id for alert in alerts}) == 2


def test_a_smaller_deal_and_a_print_of_the_order_book_are_no_put_through_of_a_hundred_billion() -> None:
    tape = Tape()
    events = [tape.a_print(0, 30_000, volume=3_333_333, phase="put_through"), tape.a_print(1, 30_000, volume=4_000_000)]
    assert fold(TapeWatch(), PUT_THROUGH, events) == []


def test_13_twenty_prints_of_two_hundred_million_in_a_second_are_told() -> None:
    tape = Tape()
    sides = [Side.BUY] * 12 + [Side.SELL] * 7 + [Side.NEUTRAL]
    burst = [tape.a_print(5, 25_000, volume=8_000, side=side) for side in sides]
    (alert,) = fold(TapeWatch(), CLUSTER, burst)
    assert alert.message == (
        "HPG: 20 prints of 200.00 M VND or more within 1 second, worth 4.00 bn VND together, "
        "2.40 bn VND bought and 1.40 bn VND sold."
    )
    assert alert.data == {
        "prints": 20, "value": 4_000_000_000, "bought": 2_400_000_000, "sold": 1_400_000_000, "price": 25_000
    }  # fmt: skip


@pytest.mark.parametrize(
    "burst",
    [
        [(n % 2, 8_000, "continuous") for n in range(20)],
        [(0, 8_000 if n else 7_999, "continuous") for n in range(20)],
        [(0, 8_000, "atc") for _ in range(20)],
    ],
    ids=["over two seconds", "one is too small", "an auction"],
)
def test_what_is_no_cluster(burst: list[tuple[int, int, str]]) -> None:
    tape = Tape()
    events = [tape.a_print(second, 25_000, volume=volume, phase=phase) for second, volume, phase in sorted(burst)]
    assert fold(TapeWatch(), CLUSTER, events) == []


def test_a_cluster_that_goes_on_is_told_again_after_the_cooldown_and_only_what_lies_within_counts() -> None:
    wide = rules(
        '[[rule]]\nname = "cluster"\nkind = "print_cluster"\nseverity = "info"\n'
        "within_s = 10\nmin_prints = 3\nmin_value_vnd = 1\ncooldown_s = 60"
    ).trades
    tape = Tape()
    alerts = fold(TapeWatch(), wide, [tape.a_print(second) for second in (0, 1, 11, 12, 20, 21, 72, 73, 81, 82)])
    # At 12 only 11 and 12 lie within ten seconds; at 20 the prints of 11, 12 and 20 do; at 21 the cooldown runs.
    assert [(alert.ts_ms - OPEN_MS) // 1000 for alert in alerts] == [20, 81]


def test_a_lock_that_opens_says_how_long_it_held() -> None:
    tape, watch = Tape(), TapeWatch()
    held = [tape.a_print(second, CEILING) for second in (0, 100, 300)]
    (alert,) = fold(watch, LOCK, [*held, tape.a_print(400, CEILING - 50)])
    assert alert.direction == "down"
    assert alert.message == "HPG left its ceiling after 5 minutes: it trades at 30,200 VND."
    assert fold(watch, LOCK, [tape.a_print(401, CEILING - 100)]) == []


def test_a_touch_of_the_floor_is_no_lock() -> None:
    tape = Tape()
    assert fold(TapeWatch(), LOCK, [tape.a_print(0, FLOOR), tape.a_print(30, FLOOR), tape.a_print(90, FLOOR + 50)]) == []


@pytest.mark.parametrize(
    "changes",
    [{"late": True}, {"anchored": False, "total": 0}, {"phase": "put_through"}, {"phase": "odd_lot"}, {"day": 20261119}],
)
def test_what_does_not_stand_in_the_order_of_the_tape_moves_nothing(changes: dict[str, Any]) -> None:
    known = (*SPIKE, *LIMIT, *LOCK, *LARGE)
    tape, watch = Tape(), TapeWatch()
    fold(watch, known, [*steady(tape), tape.a_print(10, CEILING), tape.a_print(80, CEILING)])
    before = TAPE_WATCH.encode(watch)
    for price in (CEILING, FLOOR, 28_300):
        assert advance(watch, known, tape.a_print(90, price, volume=1_000_000, **changes)) == ()
    assert TAPE_WATCH.encode(watch) == before


def test_a_print_after_a_correction_counts_although_its_total_was_reached_before() -> None:
    tape, watch = Tape(), TapeWatch()
    fold(watch, LIMIT, [tape.a_print(0, volume=1000)])
    taken_back = tape.a_print(1, volume=-100, kind="correction")
    at_ceiling = tape.a_print(2, CEILING, volume=50)
    assert len(fold(watch, LIMIT, [taken_back, at_ceiling])) == 1


def test_a_print_of_the_next_generation_counts_although_its_total_is_low() -> None:
    tape, watch = Tape(), TapeWatch()
    fold(watch, LIMIT, [tape.a_print(0, volume=1000)])
    assert len(fold(watch, LIMIT, [tape.a_print(1, CEILING, generation=1, start=0, total=100)])) == 1


def test_a_lost_connection_alerts_once_however_many_symbols_show_it() -> None:
    losses = Losses()
    gaps = [Tape(symbol).a_gap(second, epoch=7) for second, symbol in enumerate(["HPG", "VNM", "SSI"])]
    alerts = [alert for gap in gaps for alert in advance_losses(losses, GAP, gap)]
    assert [(alert.symbol, alert.data["epoch"]) for alert in alerts] == [("HPG", 7)]
    assert len(advance_losses(losses, GAP, Tape().a_gap(60, epoch=8))) == 1
    assert advance_losses(losses, GAP, Tape().a_gap(61, epoch=7)) == ()


def test_a_loss_is_told_as_what_was_missed_not_as_how_long_the_feed_was_away() -> None:
    """A quiet symbol's last record may be hours older than the break, and each shard has a symbol that shows it first."""
    (alert,) = advance_losses(Losses(), GAP, Tape("HPG").a_gap(90, epoch=7))
    assert alert.message == (
        "The feed broke off and missed 100 shares of HPG, traded between 09:15:00 and 09:16:30; other symbols may miss some too."
    )
    assert alert.message_vi == (
        "Nguồn dữ liệu bị gián đoạn, sót 100 cổ phiếu HPG khớp trong khoảng từ 09:15:00 đến 09:16:30; "
        "các mã khác cũng có thể bị sót."
    )


def test_whether_a_stock_or_a_future_shows_a_loss_first_makes_no_difference() -> None:
    def ids(*gaps: TradeEvent) -> set[str]:
        losses = Losses()
        return {alert.alert_id for gap in gaps for alert in advance_losses(losses, GAP, gap)}

    stock = Tape("HPG").a_gap(0, epoch=7)
    future = changed(Tape("41I1GC000").a_gap(1, epoch=7), exchange=Exchange.DER)
    assert ids(stock, future) == ids(future, stock)
    assert len(ids(stock, future)) == 2


@pytest.mark.parametrize("cause", ["unseen", "before_start"])
def test_a_gap_that_nobody_lost_is_no_alert(cause: str) -> None:
    assert advance_losses(Losses(), GAP, Tape().a_gap(0, epoch=1, cause=cause)) == ()


def test_a_shard_forgets_its_oldest_losses_without_alerting_them_again() -> None:
    losses = Losses()
    fired = [epoch for epoch in range(100) if advance_losses(losses, GAP, Tape().a_gap(epoch, epoch=epoch))]
    assert fired == list(range(100))
    assert [epoch for epoch in range(100) if advance_losses(losses, GAP, Tape().a_gap(epoch, epoch=epoch))] == []


def test_a_rule_that_became_another_kind_starts_afresh_but_keeps_its_cooldown() -> None:
    text = '[[rule]]\nname = "one"\nseverity = "info"\n'
    large = rules(f'{text}kind = "large_print"\nmin_value_vnd = 1\ncooldown_s = 300').trades
    limit = rules(f'{text}kind = "price_limit"\nlimits = ["ceiling"]\nrelease_pct = 1.0').trades
    tape, watch = Tape(), TapeWatch()
    assert len(fold(watch, large, [tape.a_print(0)])) == 1
    assert len(fold(watch, limit, [tape.a_print(1, CEILING)])) == 1
    assert fold(watch, large, [tape.a_print(2)]) == []


def test_a_changed_window_starts_afresh_and_a_kept_one_goes_on() -> None:
    wider = rules(
        '[[rule]]\nname = "spike"\nkind = "volume_spike"\nseverity = "warning"\nwindow_s = 2400\n'
        "min_prints = 10\nratio = 3.0\nmin_value_vnd = 1\ncooldown_s = 60"
    ).trades
    tape, watch = Tape(), TapeWatch()
    fold(watch, SPIKE, steady(tape))
    assert fold(watch, wider, [tape.a_print(20, volume=5000)]) == []


PRINTS = st.lists(
    st.tuples(
        st.integers(0, 240),
        st.sampled_from([CEILING, CEILING - 50, CEILING - 400, 28_300, FLOOR + 50, FLOOR]),
        st.sampled_from([100, 300, 90_000]),
        st.sampled_from(list(Side)),
        st.sampled_from(["continuous", "continuous", "continuous", "atc", "put_through"]),
        st.booleans(),
    ),
    max_size=60,
)
ALL = (*SPIKE, *LIMIT, *LOCK, *LARGE, *CLUSTER)


def history(steps: list[Any]) -> list[TradeEvent]:
    tape, events, second = Tape(), [], 0
    for pause, price, volume, side, phase, late in steps:
        second += pause
        events.append(tape.a_print(second, price, volume, side=side, phase=phase, late=late))
    return events


@given(PRINTS, st.data())
def test_a_restart_from_stored_state_changes_no_alert(steps: list[Any], data: st.DataObject) -> None:
    events = history(steps)
    cut = data.draw(st.integers(0, len(events)))
    undisturbed = fold(TapeWatch(), ALL, events)
    watch = TapeWatch()
    before = fold(watch, ALL, events[:cut])
    after = fold(TAPE_WATCH.decode(TAPE_WATCH.encode(watch)), ALL, events[cut:])
    assert before + after == undisturbed


@given(PRINTS, st.data())
def test_a_prefix_that_comes_again_alerts_nothing(steps: list[Any], data: st.DataObject) -> None:
    events = history(steps)
    prefix = events[: data.draw(st.integers(0, len(events)))]
    watch = TapeWatch()
    alerts = fold(watch, ALL, events)
    known = TAPE_WATCH.encode(watch)
    assert fold(watch, ALL, prefix) == []
    assert TAPE_WATCH.encode(watch) == known
    assert len({alert.alert_id for alert in alerts}) == len(alerts)


@given(PRINTS)
def test_between_two_alerts_of_a_limit_the_price_was_away_from_it(steps: list[Any]) -> None:
    events = [event for event in history(steps) if not event.late and event.phase != "put_through"]
    fired = {(alert.ts_ms, alert.direction) for alert in fold(TapeWatch(), LIMIT, events)}
    last: dict[str, int] = {}
    for n, event in enumerate(events):
        direction = {"ceiling": "up", "floor": "down"}.get(event.limit or "", "")
        if (event.ts_ms, direction) not in fired:
            continue
        fired.remove((event.ts_ms, direction))
        if direction in last:
            limit = event.price or 0
            assert any(abs((each.price or 0) - limit) * 100 >= limit for each in events[last[direction] : n])
        last[direction] = n
    assert not fired
