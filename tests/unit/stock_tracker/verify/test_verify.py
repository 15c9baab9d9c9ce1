from collections.abc import Iterable
from typing import Literal, TypeVar

import pytest

from connectors.ssi.simulator.core.truth import ConnectionStatus, Ending, SimulatorStatus
from schemas.position import Position
from schemas.structs import DeadLetter, LedgerEntry, TradeEvent
from schemas.units import Side, UnixMs
from stock_tracker.verify.core.archive import compare_rows, repeated_alerts
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.intervals import subtract, union
from stock_tracker.verify.core.ledger import LedgerReport, TrueCounters, compare_ledger
from stock_tracker.verify.core.records import compare_records
from stock_tracker.verify.core.tape import (
    ClosedConnections,
    ConnectionTimes,
    DeliveredPrint,
    PrintKey,
    TapeReport,
    TruePrint,
    compare_tape,
)
from tests.builders import a_dead_letter, a_ledger_entry, a_trade_event, changed

E = TypeVar("E")

NOBODY = ClosedConnections({}, 0)


def a_print(total: int, volume: int = 100, *, on: tuple[int, ...] = (1,), ts_ms: int = 1000) -> TruePrint:
    return TruePrint("VNM", ts_ms, ts_ms, 68500, volume, total, on)


def an_event(kind: Literal["print", "gap", "fill"], start: int, total: int, *, price: int | None = 68500) -> TradeEvent:
    value = None if kind == "print" else 0
    return a_trade_event(ts=1000, kind=kind, start=start, total=total, volume=total - start, price=price, value=value)


def an_entry(start: int, counter: int, side: Side = Side.BUY) -> LedgerEntry:
    return a_ledger_entry(ts=1000, since=0, side=side, counter_from=start, volume=counter - start, value=0)


def saved(*prints: TruePrint) -> dict[PrintKey, DeliveredPrint]:
    """Each from the last connection that it was put on; epochs count in tens."""
    return {
        true.key: DeliveredPrint(EventPosition(Position("ssi.ticks", 0, true.total_volume), 0), 10 * max(true.connections))
        for true in prints
    }


def placed(events: Iterable[E]) -> list[tuple[EventPosition, E]]:
    return [(EventPosition(Position("market.trades", 0, offset), 0), event) for offset, event in enumerate(events)]


def kinds(report: TapeReport | LedgerReport) -> list[str]:
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


def test_a_print_lost_with_a_dying_connection_is_in_flight_but_not_one_before_a_saved_one() -> None:
    ended = ClosedConnections({1: ConnectionTimes(0, 5000)}, grace_ms=2000)
    truth = [a_print(100, ts_ms=4000), a_print(200, ts_ms=4000), a_print(300, on=(2,), ts_ms=9000)]
    delivered = saved(truth[0], truth[2])
    events = [an_event("print", 0, 100), an_event("gap", 100, 200), an_event("print", 200, 300)]
    for event, true in ((0, truth[0]), (2, truth[2])):
        assert events[event].total_volume == true.total_volume
    fixed = [e if e.kind == "gap" else _at(e, t.ts_ms) for e, t in zip(events, truth, strict=True)]
    report = compare_tape(truth, delivered, placed(fixed), ended)
    assert (report.differences, report.in_flight) == ([], 1)

    swapped = [truth[0]._replace(total_volume=100), truth[1]._replace(connections=(1,)), truth[2]._replace(connections=(1,))]
    assert kinds(compare_tape(swapped, delivered, placed(fixed), ended)) == ["missing_print"]

    long_before = [t._replace(due_ms=1000) if t.total_volume == 200 else t for t in truth]
    assert kinds(compare_tape(long_before, delivered, placed(fixed), ended)) == ["missing_print"]


def test_a_print_that_only_the_next_snapshot_saved_says_nothing_of_the_connection_that_lost_it() -> None:
    ended = ClosedConnections({1: ConnectionTimes(0, 5000)}, grace_ms=2000)
    truth = [a_print(100, ts_ms=4000), a_print(200, ts_ms=4000), a_print(300, on=(1, 2), ts_ms=4000), a_print(400, on=(2,))]
    events = [an_event("print", 0, 100), an_event("gap", 100, 200), an_event("print", 200, 300), an_event("print", 300, 400)]
    fixed = [_at(event, 1000 if event.total_volume == 400 else 4000) for event in events]
    report = compare_tape(truth, saved(truth[0], truth[2], truth[3]), placed(fixed), ended)
    assert (report.differences, report.in_flight) == ([], 1)

    from_the_first = saved(truth[0], truth[3]) | {
        truth[2].key: DeliveredPrint(EventPosition(Position("ssi.ticks", 0, 300), 0), 10)
    }
    assert kinds(compare_tape(truth, from_the_first, placed(fixed), ended)) == ["missing_print"]


def _at(event: TradeEvent, ts_ms: int) -> TradeEvent:
    return changed(event, ts_ms=ts_ms)


def test_a_ledger_that_reaches_the_simulator_s_counters_without_a_hole_reconciles() -> None:
    truth = [TrueCounters("VNM", 1, 100, 0, 0, 0, (1,)), TrueCounters("VNM", 2, 300, 50, 0, 0, (1,))]
    events = placed([an_entry(0, 100), an_entry(100, 300), an_entry(0, 50, Side.SELL)])
    report = compare_ledger(truth, {"VNM": (300, 50)}, events, NOBODY)
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
    assert kinds(compare_ledger(truth, {"VNM": (300, 0)}, placed(entries), NOBODY)) == [kind]


def a_connection(number: int, records: int, *, malformed: int = 0, ended: Ending | None = None) -> ConnectionStatus:
    return ConnectionStatus(
        id=number, connection_id=str(number), opened_ms=UnixMs(1), upgraded_ms=UnixMs(1), subscribed_ms=UnixMs(1), channels="ALL",
        closed_ms=UnixMs(2) if ended else None, ended=ended,
        sent={}, records=records, put=records + malformed, read=0, skipped=0, malformed=malformed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("connections", "received", "found"),
    [
        ([a_connection(1, 100)], 100, []),
        ([a_connection(1, 100)], 99, ["lost_records"]),
        ([a_connection(1, 100)], 101, ["doubled_records"]),
        ([a_connection(1, 100, ended="reset"), a_connection(2, 50)], 140, []),
        ([a_connection(1, 100, ended="reset"), a_connection(2, 50)], 49, ["lost_records"]),
        ([a_connection(1, 100, ended="reset"), a_connection(2, 50)], 151, ["doubled_records"]),
    ],
)
def test_every_record_that_an_open_connection_carried_must_have_arrived_once(
    connections: list[ConnectionStatus], received: int, found: list[str]
) -> None:
    status = SimulatorStatus(state="finished", market_ms=UnixMs(1), connections=connections, records=0)
    assert [d.kind for d in compare_records(status, received, [])] == found


def test_a_dead_letter_that_no_fault_explains_is_named() -> None:
    def found(letters: list[DeadLetter], malformed: int) -> list[Difference]:
        status = SimulatorStatus(
            state="finished", market_ms=UnixMs(1), connections=[a_connection(1, 100, malformed=malformed)], records=100
        )
        return list(compare_records(status, 100 + malformed, letters))

    assert found([a_dead_letter("ssi")] * 2, malformed=2) == []
    assert [d.kind for d in found([a_dead_letter("ssi")] * 3, malformed=2)] == ["dead_letter"]
    (named,) = found([a_dead_letter("prices")], malformed=0)
    assert (named.kind, named.position) == ("dead_letter", EventPosition(Position("ssi.ticks", 0, 7), 2))
    assert "prices, bad_field" in named.detail


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
    report = compare_ledger(truth, {"VNM": (300, 0)}, placed([an_entry(0, 300)]), NOBODY)
    assert kinds(report) == ["wrong_value"]


def test_an_alert_that_is_told_twice_is_named() -> None:
    here = EventPosition(Position("market.alerts", 0, 7), 0)
    events = [(here, {"alert_id": "x", "symbol": "VNM"}), (here._replace(idx=1), {"alert_id": "x", "symbol": "VNM"})]
    assert [d.position for d in repeated_alerts(events)] == [here._replace(idx=1)]
