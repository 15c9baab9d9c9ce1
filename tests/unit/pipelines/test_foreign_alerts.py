from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.foreign_alerts import LEDGER_WATCH, LedgerWatch, advance
from pipelines.core.rules import load_rules
from schemas.calendar import at
from schemas.structs import AlertEvent, LedgerEntry
from schemas.units import Side, TradingDay
from tests.builders import DAY, a_ledger_entry

OPEN_MS = at(DAY, 9, 15)
PRICE = 30_000

FASTER = load_rules("""
[[rule]]
name = "faster"
kind = "foreign_acceleration"
severity = "warning"
recent_s = 60
base_s = 300
ratio = 3.0
min_value_vnd = 1_000_000_000
warmup_s = 120
cooldown_s = 300
""").foreign
ROOM = load_rules("""
[[rule]]
name = "room"
kind = "room_exhausted"
severity = "warning"
max_shares = 0
release_shares = 1_000
""").foreign
AMBIGUOUS = load_rules("""
[[rule]]
name = "ambiguous"
kind = "ambiguous_correction"
severity = "critical"
""").foreign
ALL = (*FASTER, *ROOM, *AMBIGUOUS)


class Ledger:
    """Makes the entries of one symbol, each going on from the one before."""

    def __init__(self) -> None:
        self.counters = {Side.BUY: 0, Side.SELL: 0}
        self.generations = {Side.BUY: 0, Side.SELL: 0}

    def an_entry(self, second: float, volume: int = 1_000, side: Side = Side.BUY, **changes: Any) -> LedgerEntry:
        if changes.get("kind") == "reset":
            self.generations[side] += 1
            self.counters[side] = 0
        before = self.counters[side]
        self.counters[side] = before + volume
        ts_ms = OPEN_MS + int(second) * 1000
        fields = {"generation": self.generations[side], "counter_from": before, "volume": volume, "value": volume * PRICE}
        return a_ledger_entry(**{"ts": ts_ms, "side": side, **fields, **changes})


def fold(watch: LedgerWatch, rules: Any, entries: list[LedgerEntry]) -> list[AlertEvent]:
    return [alert for entry in entries for alert in advance(watch, rules, entry)]


@pytest.mark.parametrize("per_second", [0.5, 1, 2, 10])
def test_d8_acceleration_fires_at_any_rate_of_messages(per_second: float) -> None:
    ledger, watch = Ledger(), LedgerWatch()
    seconds = [n / per_second for n in range(int(300 * per_second))]
    # 1,000 shares a second for five minutes, then ten times as many.
    calm = [ledger.an_entry(second, round(1_000 / per_second)) for second in seconds]
    burst = [ledger.an_entry(300 + second, round(10_000 / per_second)) for second in seconds]
    assert fold(watch, FASTER, calm) == []
    alerts = fold(watch, FASTER, burst)
    assert alerts
    assert alerts[0].ts_ms < OPEN_MS + 360_000


def test_d8_acceleration_from_nothing_is_no_less_an_acceleration() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    alerts = fold(watch, FASTER, [ledger.an_entry(0, 100), ledger.an_entry(400, 40_000)])
    assert [alert.message for alert in alerts] == [
        "Foreigners are buying VNM faster: 1.20 bn VND in the last 1 minute, after 0 VND a minute in the 5 minutes before."
    ]


def test_d8_buying_and_selling_do_not_mix() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    calm = [ledger.an_entry(second, 1_000, side) for second in range(0, 400, 5) for side in (Side.BUY, Side.SELL)]
    selling = [ledger.an_entry(400 + second, 20_000, Side.SELL) for second in range(5)]
    alerts = fold(watch, FASTER, [*calm, *selling])
    assert [alert.direction for alert in alerts] == ["sell"]


def test_acceleration_waits_for_the_ledger_to_warm_up() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    assert fold(watch, FASTER, [ledger.an_entry(0, 100), ledger.an_entry(119, 100_000)]) == []
    assert len(fold(watch, FASTER, [ledger.an_entry(121, 100_000)])) == 1


def test_a_catch_up_neither_fires_nor_is_measured_against() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    calm = [ledger.an_entry(second, 1_000) for second in range(0, 300, 5)]
    caught_up = ledger.an_entry(600, 900_000, kind="catch_up", since=OPEN_MS + 295_000)
    after = [ledger.an_entry(605 + second, 30_000) for second in range(0, 100, 10)]
    assert fold(watch, FASTER, [*calm, caught_up, *after]) == []


@pytest.mark.parametrize("kind", ["room", "revaluation"])
def test_lines_without_shares_leave_the_acceleration_alone(kind: str) -> None:
    ledger, other = Ledger(), Ledger()
    steps = [(second, 1_000) for second in range(0, 300, 5)] + [(300 + second, 20_000) for second in range(0, 60, 5)]
    alone = [ledger.an_entry(second, volume) for second, volume in steps]
    among = [
        entry
        for second, volume in steps
        for entry in (other.an_entry(second, volume), other.an_entry(second, 0, kind=kind, value=-(10**9)))
    ]
    alerts = fold(LedgerWatch(), FASTER, alone)
    assert len(alerts) == 1
    assert fold(LedgerWatch(), FASTER, among) == alerts


def test_what_a_lagging_feed_adds_to_an_ended_count_is_new_once() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    before = [ledger.an_entry(0, 10_000), ledger.an_entry(10, 0, kind="reset"), ledger.an_entry(11, 50)]
    tail = a_ledger_entry(ts=OPEN_MS + 9_000, counter_from=10_000, volume=500, room=3_000)
    more = a_ledger_entry(ts=OPEN_MS + 9_000, counter_from=10_500, volume=500, room=0)
    fold(watch, ROOM, before)
    assert [alert.ts_ms for alert in fold(watch, ROOM, [tail, more])] == [OPEN_MS + 9_000]
    assert fold(watch, ROOM, [*before, tail, more]) == []


def test_what_was_traded_before_the_measuring_began_does_not_count() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    fold(watch, FASTER, [ledger.an_entry(0, 100), ledger.an_entry(300, 0, kind="reset")])
    fold(watch, FASTER, [ledger.an_entry(300 + second, 1_000) for second in range(0, 300, 5)])
    late = a_ledger_entry(ts=OPEN_MS + 299_000, counter_from=100, volume=1_000_000, value=10**12)
    assert fold(watch, FASTER, [late]) == []
    assert fold(watch, FASTER, [ledger.an_entry(600, 1_000)]) == []


def test_after_lunch_acceleration_warms_up_again() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    afternoon = (at(DAY, 13) - OPEN_MS) // 1000
    morning = [ledger.an_entry(afternoon - 5_400 - second, 1_000) for second in range(600, 0, -5)]
    busy = [ledger.an_entry(afternoon + second, 10_000) for second in range(0, 1_200, 5)]
    assert fold(watch, FASTER, [*morning, *busy]) == []
    assert len(fold(watch, FASTER, [ledger.an_entry(afternoon + 1_200 + n, 100_000) for n in range(20)])) == 1


@pytest.mark.parametrize(("clock", "fires"), [((14, 29, 59), True), ((14, 30), False), ((14, 45, 3), False), ((15, 32), False)])
def test_acceleration_is_of_the_continuous_session(clock: tuple[int, ...], fires: bool) -> None:
    ledger, watch = Ledger(), LedgerWatch()
    fold(watch, FASTER, [ledger.an_entry((at(DAY, 14) - OPEN_MS) // 1000, 100)])
    assert bool(fold(watch, FASTER, [ledger.an_entry((at(DAY, *clock) - OPEN_MS) // 1000, 900_000)])) is fires


def test_acceleration_repeats_only_after_its_cooldown() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    fold(watch, FASTER, [ledger.an_entry(0, 100)])
    alerts = fold(watch, FASTER, [ledger.an_entry(200 + n, round(2_000 * 1.02**n)) for n in range(0, 400, 2)])
    gaps = [(late.ts_ms - early.ts_ms) // 1000 for early, late in pairwise(alerts)]
    assert len(alerts) >= 2
    assert min(gaps) >= 300


def test_room_that_runs_out_alerts_once_until_there_is_room_again() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    rooms = [5_000, 0, 0, 500, 0, 1_000, 0]
    alerts = fold(watch, ROOM, [ledger.an_entry(n, room=room) for n, room in enumerate(rooms)])
    assert [(alert.ts_ms - OPEN_MS) // 1000 for alert in alerts] == [1, 6]
    assert alerts[0].message == "The foreign room of VNM is exhausted: nothing left to buy."


def test_room_that_was_never_there_is_not_exhausted() -> None:
    ledger = Ledger()
    assert fold(LedgerWatch(), ROOM, [ledger.an_entry(n, room=0) for n in range(5)]) == []


def test_an_ambiguous_correction_alerts_with_its_counters() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    doubt = [ledger.an_entry(0, 10_000), ledger.an_entry(5, -3_000, kind="correction", ambiguous=True)]
    (alert,) = fold(watch, AMBIGUOUS, doubt)
    assert (alert.direction, alert.data["counter_from"], alert.data["counter"]) == ("buy", 10_000, 7_000)
    assert alert.message.startswith("The feed took back 3,000 shares that foreigners had bought of VNM, from 10,000 to 7,000:")
    assert fold(watch, AMBIGUOUS, [ledger.an_entry(9, -50, kind="correction")]) == []


def test_a_restart_that_may_be_a_mistake_alerts() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    doubt = [ledger.an_entry(0, 1_000), ledger.an_entry(5, 998_999), ledger.an_entry(9, 1_100, kind="reset", ambiguous=True)]
    (alert,) = fold(watch, AMBIGUOUS, doubt)
    assert (alert.direction, alert.data["counter"]) == ("buy", 1_100)
    assert alert.message.startswith(
        "The feed's count of what foreigners had bought of VNM fell to 1,100, right after one record had"
    )


def test_both_sides_of_one_record_count() -> None:
    ledger, watch = Ledger(), LedgerWatch()
    assert (
        len(fold(watch, ROOM, [ledger.an_entry(0), ledger.an_entry(1, side=Side.SELL, room=0), ledger.an_entry(1, room=0)])) == 1
    )
    assert set(watch.marks) == {Side.BUY, Side.SELL}


def test_a_new_day_starts_afresh_and_an_old_one_says_nothing() -> None:
    watch = LedgerWatch()
    fold(watch, ROOM, [Ledger().an_entry(0, room=5_000)])
    tomorrow = TradingDay(20261123)
    assert fold(watch, ROOM, [Ledger().an_entry(0, room=0, day=tomorrow, ts=at(tomorrow, 9, 15))]) == []
    assert fold(watch, ROOM, [Ledger().an_entry(9, room=5_000), Ledger().an_entry(10, room=0)]) == []
    assert watch.day == tomorrow


ENTRIES = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.sampled_from([100, 5_000, 200_000]),
        st.sampled_from([Side.BUY, Side.SELL]),
        st.sampled_from(["delta", "delta", "delta", "catch_up", "correction", "reset", "revaluation", "room"]),
        st.sampled_from([0, 500, 1_000, 50_000]),
    ),
    max_size=60,
)


def history(steps: list[Any]) -> list[LedgerEntry]:
    ledger, entries, second = Ledger(), [], 0
    for pause, volume, side, kind, room in steps:
        # A counter that falls does so at a newer time: the ledger's own rule.
        second += pause if kind in ("delta", "catch_up") else max(pause, 1)
        moved = {"correction": -(ledger.counters[side] // 3), "revaluation": 0, "room": 0}.get(kind, volume)
        entries.append(ledger.an_entry(second, moved, side, kind=kind, room=room, ambiguous=kind == "correction"))
    return entries


@given(ENTRIES, st.data())
def test_a_restart_from_stored_state_changes_no_foreign_alert(steps: list[Any], data: st.DataObject) -> None:
    entries = history(steps)
    cut = data.draw(st.integers(0, len(entries)))
    undisturbed = fold(LedgerWatch(), ALL, entries)
    watch = LedgerWatch()
    before = fold(watch, ALL, entries[:cut])
    after = fold(LEDGER_WATCH.decode(LEDGER_WATCH.encode(watch)), ALL, entries[cut:])
    assert before + after == undisturbed


@given(ENTRIES, st.data())
def test_a_prefix_of_the_ledger_that_comes_again_alerts_nothing(steps: list[Any], data: st.DataObject) -> None:
    entries = history(steps)
    prefix = entries[: data.draw(st.integers(0, len(entries)))]
    watch = LedgerWatch()
    alerts = fold(watch, ALL, entries)
    assert len({alert.alert_id for alert in alerts}) == len(alerts)
    assert not {alert.alert_id for alert in fold(watch, ALL, prefix)} & {alert.alert_id for alert in alerts}
    assert fold(watch, ALL, prefix) == []
