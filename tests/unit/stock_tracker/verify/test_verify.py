from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.position import Position
from schemas.structs import LedgerEntry, TradeEvent
from schemas.units import Side
from stock_tracker.verify.core.archive import RepeatedAlerts, RowsInOrder, compare_rows
from stock_tracker.verify.core.deals import DealsReport, compare_deals, sharing
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.intervals import subtract, union
from stock_tracker.verify.core.ledger import LedgerReport, TrueCounters, compare_ledger
from stock_tracker.verify.core.tape import Lost, PrintKey, TapeReport, TruePrint
from stock_tracker.verify.core.tape import compare_tape as compare_any_tape
from tests.builders import a_ledger_entry, a_trade_event, an_alert, changed

E = TypeVar("E")

NOBODY: frozenset[tuple[int, PrintKey]] = frozenset()
"""Nothing was lost with a connection."""


def a_print(total: int, volume: int = 100, *, on: tuple[int, ...] = (1,), ts_ms: int = 1000) -> TruePrint:
    return TruePrint("VNM", ts_ms, ts_ms, 68500, volume, total, on)


def an_event(
    kind: Literal["print", "gap", "fill"], start: int, total: int, *, price: int | None = 68500, deal: bool = False
) -> TradeEvent:
    value = None if kind == "print" else 0
    made = a_trade_event(ts=1000, kind=kind, start=start, total=total, volume=total - start, price=price, value=value)
    return changed(made, phase="put_through") if deal else made


def an_entry(start: int, counter: int, side: Side = Side.BUY) -> LedgerEntry:
    return a_ledger_entry(ts=1000, since=0, side=side, counter_from=start, volume=counter - start, value=0)


def saved(*prints: TruePrint) -> dict[PrintKey, EventPosition]:
    return {true.key: EventPosition(Position("ssi.ticks", 0, true.total_volume), 0) for true in prints}


def compare_tape(
    truth: Iterable[TruePrint],
    delivered: dict[PrintKey, EventPosition],
    events: Iterable[tuple[EventPosition, TradeEvent]],
    lost: Lost,
) -> TapeReport:
    """On a day without put-through deals."""
    return compare_any_tape(truth, delivered, events, lost, {})


def placed(events: Iterable[E]) -> list[tuple[EventPosition, E]]:
    return [(EventPosition(Position("market.trades", 0, offset), 0), event) for offset, event in enumerate(events)]


def kinds(report: TapeReport | LedgerReport | DealsReport) -> list[str]:
    return [difference.kind for difference in report.differences]


def test_a_tape_that_has_every_print_once_reconciles() -> None:
    truth = [a_print(100), a_print(200)]
    report = compare_tape(truth, saved(*truth), placed([an_event("print", 0, 100), an_event("print", 100, 200)]), NOBODY)
    assert (report.differences, report.sent, report.booked, report.missed_volume) == ([], 2, 2, 0)


def test_a_dropped_print_is_named_with_the_record_that_told_of_it() -> None:
    truth = [a_print(100), a_print(200), a_print(300)]
    report = compare_tape(truth, saved(*truth), placed([an_event("print", 0, 100), an_event("print", 200, 300)]), NOBODY)
    assert kinds(report) == ["missing_print", "missing_gap"]
    assert "total 200, volume 100" in report.differences[0].detail
    assert report.differences[0].position == EventPosition(Position("ssi.ticks", 0, 200), 0)


def test_a_doubled_a_wrong_and_an_unknown_print_are_named() -> None:
    truth = [a_print(100), a_print(200)]
    events = [
        an_event("print", 0, 100),
        an_event("print", 0, 100),
        an_event("print", 100, 200, price=1),
        an_event("print", 200, 250),
    ]
    report = compare_tape(truth, saved(*truth), placed(events), NOBODY)
    assert sorted(kinds(report)) == ["doubled_print", "unknown_print", "wrong_print"]


@pytest.mark.parametrize("wrong", [{"value": 1}, {"start": 50}])
def test_a_print_of_another_value_or_interval_is_wrong(wrong: dict[str, int]) -> None:
    truth = [a_print(100)]
    report = compare_tape(truth, saved(*truth), placed([changed(an_event("print", 0, 100), **wrong)]), NOBODY)
    assert kinds(report) == ["wrong_print"]


def test_a_gap_that_is_told_twice_is_named() -> None:
    truth = [a_print(100), a_print(200, on=()), a_print(300)]
    events = [an_event("print", 0, 100), *[an_event("gap", 100, 200)] * 2, an_event("print", 200, 300)]
    report = compare_tape(truth, saved(truth[0], truth[2]), placed(events), NOBODY)
    assert kinds(report) == ["doubled_gap"]
    assert "100 shares are in more than one gap" in report.differences[0].detail


def test_a_withheld_print_must_be_in_a_gap_share_for_share() -> None:
    truth = [a_print(100), a_print(200, on=()), a_print(300)]
    delivered = saved(truth[0], truth[2])
    whole = [an_event("print", 0, 100), an_event("gap", 100, 200), an_event("print", 200, 300)]
    report = compare_tape(truth, delivered, placed(whole), NOBODY)
    assert (report.differences, report.withheld, report.missed_volume) == ([], 1, 100)

    short = [an_event("print", 0, 100), an_event("gap", 100, 150), an_event("print", 200, 300)]
    assert kinds(compare_tape(truth, delivered, placed(short), NOBODY)) == ["missing_gap"]

    wide = [an_event("gap", 0, 200), an_event("print", 0, 100), an_event("print", 200, 300)]
    assert kinds(compare_tape(truth, delivered, placed(wide), NOBODY)) == ["wrong_gap"]

    filled = [*wide, an_event("fill", 0, 100)]
    assert kinds(compare_tape(truth, delivered, placed(filled), NOBODY)) == []


def test_a_withheld_print_after_the_last_record_is_in_no_gap_yet() -> None:
    truth = [a_print(100), a_print(200, on=())]
    assert kinds(compare_tape(truth, saved(truth[0]), placed([an_event("print", 0, 100)]), NOBODY)) == []


def test_a_print_is_excused_if_it_was_lost_on_every_connection_on_which_it_was_put() -> None:
    truth = [a_print(100), a_print(200, on=(1, 2)), a_print(300, on=(2,))]
    delivered = saved(truth[0], truth[2])
    events = placed([an_event("print", 0, 100), an_event("gap", 100, 200), an_event("print", 200, 300)])
    report = compare_tape(truth, delivered, events, {(1, truth[1].key), (2, truth[1].key)})
    assert (report.differences, report.lost, report.missed_volume) == ([], 1, 100)
    assert kinds(compare_tape(truth, delivered, events, {(1, truth[1].key)})) == ["missing_print"]
    assert kinds(compare_tape(truth, delivered, events, NOBODY)) == ["missing_print"]


def test_put_through_deals_are_booked_once_or_excused_as_prints_are() -> None:
    truth = [a_print(100), a_print(200, on=()), a_print(300), a_print(400, on=(3,))]
    first, third = an_event("print", 0, 100, deal=True), an_event("print", 200, 300, deal=True)
    delivered = saved(truth[0], truth[2])
    report = compare_deals(truth, delivered, placed([first, third, an_event("print", 0, 100)]), {(3, truth[3].key)})
    assert (report.differences, report.sent, report.booked, report.withheld, report.lost) == ([], 3, 2, 1, 1)

    assert kinds(compare_deals(truth, delivered, placed([first]), {(3, truth[3].key)})) == ["missing_deal"]
    assert kinds(compare_deals(truth, delivered, placed([first, third]), NOBODY)) == ["missing_deal"]
    wrong = [first, first, changed(third, price=1), an_event("print", 500, 700, deal=True)]
    assert sorted(kinds(compare_deals(truth[:3], delivered, placed(wrong), NOBODY))) == [
        "doubled_deal", "unknown_deal", "wrong_deal",
    ]  # fmt: skip


def test_deals_that_are_counted_with_the_prints_are_holes_in_their_tape() -> None:
    prints, deals = [a_print(100), a_print(300)], [a_print(200)]
    assert sharing(deals, prints) == {"VNM": deals}
    assert sharing([a_print(100)], prints) == {}
    tape = [an_event("print", 0, 100), an_event("print", 200, 300)]
    gap, fill = an_event("gap", 100, 200), an_event("fill", 100, 200, deal=True)
    for told in ([], [gap], [gap, fill]):
        report = compare_any_tape(prints, saved(*prints), placed([*tape, *told]), NOBODY, {"VNM": deals})
        assert report.differences == []

    withheld = {"VNM": [a_print(200, on=())]}
    assert kinds(compare_any_tape(prints, saved(*prints), placed(tape), NOBODY, withheld)) == ["missing_gap"]
    assert kinds(compare_any_tape(prints, saved(*prints), placed([*tape, gap]), NOBODY, withheld)) == []
    assert kinds(compare_any_tape(prints, saved(*prints), placed([*tape, gap]), NOBODY, {})) == ["wrong_gap"]


def test_a_step_of_foreigners_that_was_lost_with_its_connection_is_not_asked_for() -> None:
    truth = [TrueCounters("VNM", 1, 100, 0, 0, 0, (1,)), TrueCounters("VNM", 2, 300, 0, 0, 0, (1,))]
    events = placed([an_entry(0, 100)])
    assert kinds(compare_ledger(truth, {"VNM": (100, 0)}, events, {(1, ("VNM", 300, 0))}, ())) == []
    assert kinds(compare_ledger(truth, {"VNM": (100, 0)}, events, NOBODY, ())) == ["missing_entry"]
    # Another record said the same, and that came.
    assert kinds(compare_ledger(truth, {"VNM": (300, 0)}, events, {(1, ("VNM", 300, 0))}, ())) == ["missing_entry"]


def test_a_ledger_that_reaches_the_simulator_s_counters_without_a_hole_reconciles() -> None:
    truth = [TrueCounters("VNM", 1, 100, 0, 0, 0, (1,)), TrueCounters("VNM", 2, 300, 50, 0, 0, (1,))]
    events = placed([an_entry(0, 100), an_entry(100, 300), an_entry(0, 50, Side.SELL)])
    report = compare_ledger(truth, {"VNM": (300, 50)}, events, NOBODY, ())
    assert (report.differences, report.entries, report.bought, report.sold) == ([], 3, 300, 50)


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ([an_entry(0, 100), an_entry(200, 300)], "missing_entry"),
        ([an_entry(0, 100), an_entry(100, 200)], "missing_entry"),
        ([an_entry(0, 100), an_entry(0, 100), an_entry(100, 300)], "doubled_entry"),
        ([an_entry(0, 400)], "unknown_entry"),
    ],
)
def test_a_ledger_with_a_hole_a_double_or_too_much_is_named(entries: list[LedgerEntry], kind: str) -> None:
    truth = [TrueCounters("VNM", 2, 300, 0, 0, 0, (1,))]
    assert kinds(compare_ledger(truth, {"VNM": (300, 0)}, placed(entries), NOBODY, ())) == [kind]


def test_rows_that_are_missing_doubled_unknown_or_wrong_are_named() -> None:
    here = EventPosition(Position("market.trades", 0, 7), 0)
    event = {"symbol": "VNM", "volume": 100}
    assert list(compare_rows("trades", [(here, event)], {here: event | {"extra": 1}}, [])) == []
    assert [d.kind for d in compare_rows("trades", [(here, event)], {}, [])] == ["missing_row"]
    assert [d.kind for d in compare_rows("trades", [(here, event)], {here: event | {"volume": 1}}, [])] == ["wrong_row"]
    assert [d.kind for d in compare_rows("trades", [], {here: event}, [])] == ["unknown_row"]
    assert [d.kind for d in compare_rows("trades", [(here, event)], {here: event}, [here])] == ["doubled_row"]


def test_intervals_are_sets() -> None:
    assert union([(5, 7), (0, 2), (2, 3), (4, 4)]) == [(0, 3), (5, 7)]
    assert subtract([(0, 10)], [(2, 3), (5, 20)]) == [(0, 2), (3, 5)]


def test_a_ledger_whose_value_is_not_the_simulator_s_is_named() -> None:
    truth = [TrueCounters("VNM", 2, 300, 0, 20_550_000, 0, (1,))]
    report = compare_ledger(truth, {"VNM": (300, 0)}, placed([an_entry(0, 300)]), NOBODY, ())
    assert kinds(report) == ["wrong_value"]


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), unique=True),
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.booleans())),
)
def test_rows_that_are_compared_in_order_differ_as_those_that_are_compared_all_at_once(
    told: list[tuple[int, int]], stored: list[tuple[int, int, bool]]
) -> None:
    def at(offset: int, idx: int) -> EventPosition:
        return EventPosition(Position("market.trades", 0, offset), idx)

    events = [(at(*place), {"symbol": "VNM", "price": 1}) for place in sorted(told)]
    # Of rows that are there twice the values are the same.
    rows = [(at(offset, idx), {"symbol": "VNM", "price": 1 + (offset + idx) % 2}) for offset, idx, _ in sorted(stored)]
    doubled = [here for (here, _), (after, _) in pairwise(rows) if here == after]
    compared = RowsInOrder("trades")
    found = list(compared.compare(events, rows))
    assert Counter(map(str, found)) == Counter(map(str, compare_rows("trades", events, dict(rows), doubled)))
    assert compared.rows == len(rows)


def test_an_alert_that_is_told_twice_is_named() -> None:
    here = EventPosition(Position("market.alerts", 0, 7), 0)
    seen = RepeatedAlerts()
    alert = an_alert(alert_id="x")
    assert list(seen.see([(here, alert), (here._replace(idx=2), an_alert(alert_id="y"))])) == []
    assert [d.position for d in seen.see([(here._replace(idx=1), alert)])] == [here._replace(idx=1)]
    assert seen.count == 3
