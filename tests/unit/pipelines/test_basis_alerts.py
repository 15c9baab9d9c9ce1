from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.basis_alerts import BASIS_WATCH, BasisWatch, advance
from pipelines.core.rules import load_rules
from schemas.calendar import at
from schemas.structs import AlertEvent, BasisEvent
from schemas.units import TradingDay
from tests.builders import DAY, FRONT, INDEX, a_basis_event

OPEN_MS = at(DAY, 9, 15)
SECOND = "41I1H1000"

FLIP = load_rules("""
[[rule]]
name = "flip"
kind = "basis_flip"
severity = "warning"
contracts = "all"
min_points = 1.0
cooldown_s = 0
""").basis
COOLING_FLIP = load_rules("""
[[rule]]
name = "flip"
kind = "basis_flip"
severity = "warning"
contracts = "all"
min_points = 1.0
cooldown_s = 20
""").basis
BAND = load_rules("""
[[rule]]
name = "band"
kind = "basis_band"
severity = "warning"
contracts = "all"
enter_pct = 1.0
leave_pct = 0.5
""").basis
FRONT_ONLY = load_rules("""
[[rule]]
name = "front"
kind = "basis_band"
severity = "warning"
contracts = "front"
enter_pct = 1.0
leave_pct = 0.5
""").basis


def an_event(second: int, basis: int, symbol: str = FRONT, **changes: Any) -> BasisEvent:
    return a_basis_event(symbol, **{"ts": OPEN_MS + second * 1000, "price": INDEX + basis, **changes})


def fold(watch: BasisWatch, rules: Any, events: list[BasisEvent]) -> list[AlertEvent]:
    return [alert for event in events for alert in advance(watch, rules, event)]


def test_d9_two_contracts_on_either_side_of_the_index_never_flip() -> None:
    watches = {FRONT: BasisWatch(), SECOND: BasisWatch()}
    interleaved = [an_event(n, -500 if n % 2 else 500, SECOND if n % 2 else FRONT) for n in range(22)]
    assert [alert for event in interleaved for alert in advance(watches[event.symbol], FLIP, event)] == []


def test_a_flip_names_both_figures_and_the_direction() -> None:
    (alert,) = fold(BasisWatch(), FLIP, [an_event(0, 310), an_event(5, -118)])
    assert (alert.direction, alert.kind, alert.symbol) == ("down", "basis_flip", FRONT)
    assert alert.message == (
        "41I1GC000 went from a premium to a discount: 1,998.82 against VN30 at 2,000.00, -1.18 points with 27 days to expiry."
    )


def test_inside_the_dead_band_a_basis_has_no_sign() -> None:
    assert fold(BasisWatch(), FLIP, [an_event(n, basis) for n, basis in enumerate([300, -99, 99, -50, 120])]) == []


def test_the_first_sign_of_a_day_is_no_flip() -> None:
    watch = BasisWatch()
    assert fold(watch, FLIP, [an_event(0, -300)]) == []
    tomorrow = TradingDay(20261123)
    assert fold(watch, FLIP, [an_event(0, 300, day=tomorrow, ts=at(tomorrow, 9, 15))]) == []


def test_a_stale_basis_neither_alerts_nor_moves_a_latch() -> None:
    watch = BasisWatch()
    fold(watch, (*FLIP, *BAND), [an_event(0, 300)])
    before = BASIS_WATCH.encode(watch)
    assert fold(watch, (*FLIP, *BAND), [an_event(1, -5_000, stale=True)]) == []
    assert BASIS_WATCH.encode(watch) == before


def test_a_band_alerts_once_until_the_basis_has_come_back() -> None:
    steps = [1_000, 2_000, 1_900, 2_500, 1_001, 1_000, 2_000, -2_000]
    alerts = fold(BasisWatch(), BAND, [an_event(n, basis) for n, basis in enumerate(steps)])
    assert [((alert.ts_ms - OPEN_MS) // 1000, alert.direction) for alert in alerts] == [(1, "up"), (6, "up"), (7, "down")]
    assert alerts[0].message.startswith("The premium of 41I1GC000 over VN30 reached 1.00%: 2,020.00 against VN30 at 2,000.00")
    assert alerts[2].message.startswith("The discount of 41I1GC000 to VN30 reached 1.00%")


def test_a_rule_for_the_front_month_leaves_the_others_alone() -> None:
    assert fold(BasisWatch(), FRONT_ONLY, [an_event(0, 3_000, SECOND)]) == []
    assert len(fold(BasisWatch(), FRONT_ONLY, [an_event(0, 3_000)])) == 1


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 30),
        st.sampled_from([-3_000, -1_000, -150, -50, 0, 50, 150, 1_000, 3_000]),
        st.booleans(),
    ),
    max_size=60,
)


def history(steps: list[Any]) -> list[BasisEvent]:
    events, second = [], 0
    for pause, basis, stale in steps:
        second += pause
        events.append(an_event(second, basis, stale=stale))
    return events


@given(EVENTS, st.data())
def test_a_restart_from_stored_state_changes_no_basis_alert(steps: list[Any], data: st.DataObject) -> None:
    events, rules = history(steps), (*FLIP, *BAND)
    cut = data.draw(st.integers(0, len(events)))
    undisturbed = fold(BasisWatch(), rules, events)
    watch = BasisWatch()
    before = fold(watch, rules, events[:cut])
    after = fold(BASIS_WATCH.decode(BASIS_WATCH.encode(watch)), rules, events[cut:])
    assert before + after == undisturbed


@given(EVENTS, st.data())
def test_a_prefix_of_the_basis_that_comes_again_repeats_no_alert(steps: list[Any], data: st.DataObject) -> None:
    events, rules = history(steps), (*FLIP, *BAND)
    prefix = events[: data.draw(st.integers(0, len(events)))]
    watch = BasisWatch()
    alerts = fold(watch, rules, events) + fold(watch, rules, prefix)
    assert len({alert.alert_id for alert in alerts}) == len(alerts)


@given(EVENTS)
def test_two_flips_in_a_row_are_opposite_and_a_cooldown_apart(steps: list[Any]) -> None:
    alerts = fold(BasisWatch(), COOLING_FLIP, history(steps))
    assert all(early.direction != late.direction for early, late in pairwise(alerts))
    assert all(late.ts_ms - early.ts_ms >= 20_000 for early, late in zip(alerts, alerts[2:], strict=False))


def test_a_flip_within_the_cooldown_is_told_later_if_it_lasts() -> None:
    watch = BasisWatch()
    quick = [(0, 300), (1, -300), (2, 300), (3, -300), (10, -300), (21, -300)]
    alerts = fold(watch, COOLING_FLIP, [an_event(second, basis) for second, basis in quick])
    assert [((alert.ts_ms - OPEN_MS) // 1000, alert.direction) for alert in alerts] == [(1, "down"), (2, "up"), (21, "down")]
