"""The ledger of a symbol whose counters a fault altered: what is always true of it is asked for, and the rest is listed."""

from collections.abc import Iterable

import pytest

from schemas.position import Position
from schemas.structs import LedgerEntry
from schemas.units import Side
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.ledger import AlteredCounters, LedgerReport, TrueCounters, compare_ledger
from tests.builders import a_ledger_entry

NOBODY: frozenset[tuple[int, tuple[str, int, int]]] = frozenset()


def a_step(ts_ms: int, bought: int, on: tuple[int, ...] = (1,)) -> TrueCounters:
    return TrueCounters("VNM", ts_ms, bought, 0, 10 * bought, 0, on)


def altered_to(ts_ms: int, bought: int, on: int = 1) -> AlteredCounters:
    return AlteredCounters("VNM", ts_ms, on, bought, 0)


def a_line(kind: str, start: int, counter: int, *, generation: int = 0, side: Side = Side.BUY) -> LedgerEntry:
    return a_ledger_entry(
        ts=1000, since=0, kind=kind, side=side, generation=generation, counter_from=start, volume=counter - start,  # type: ignore[arg-type]
        value=10 * (counter - start),
    )  # fmt: skip


def compared(
    truth: Iterable[TrueCounters],
    highest: int,
    entries: Iterable[LedgerEntry],
    altered: Iterable[AlteredCounters],
    lost: frozenset[tuple[int, tuple[str, int, int]]] = NOBODY,
) -> LedgerReport:
    events = [(EventPosition(Position("market.foreign", 0, offset), 0), entry) for offset, entry in enumerate(entries)]
    return compare_ledger(truth, {"VNM": (highest, 0)}, events, lost, altered)


def kinds(report: LedgerReport) -> list[str]:
    return [difference.kind for difference in report.differences]


TRUTH = [a_step(1, 4_500), a_step(2, 5_000), a_step(3, 5_200), a_step(4, 14_029)]
RESTART = [altered_to(2, 0), altered_to(3, 200), altered_to(4, 9_029)]
"""The record of the second 2 began the counter again."""
AFTER_RESTART = [
    a_line("catch_up", 0, 4_500), a_line("reset", 0, 0, generation=1), a_line("delta", 0, 200, generation=1),
    a_line("delta", 200, 9_029, generation=1),
]  # fmt: skip


def test_a_ledger_that_follows_a_fault_s_restart_is_no_difference_and_is_listed() -> None:
    report = compared(TRUTH, 9_029, AFTER_RESTART, RESTART)
    assert report.differences == []
    assert [(one.topic, one.symbol) for one in report.not_judged] == [("market.foreign", "VNM")]
    assert report.not_judged[0].reason.startswith("buy: a fault lowered its counter")


def test_the_same_ledger_of_a_symbol_that_no_fault_struck_is_not_excused() -> None:
    report = compared(TRUTH, 14_029, AFTER_RESTART, [altered_to(2, 0)._replace(symbol="FPT")])
    assert set(kinds(report)) == {"unexpected_reset", "doubled_entry", "missing_entry"}
    assert report.not_judged == []


def test_a_counter_that_a_fault_lowers_once_is_a_glitch_and_its_total_stays_exact() -> None:
    truth = [a_step(1, 900), a_step(2, 1_200), a_step(3, 1_300)]
    back = [altered_to(2, 800)]
    entries = [a_line("catch_up", 0, 900), a_line("delta", 900, 1_300)]
    report = compared(truth, 1_300, entries, back)
    assert (report.differences, report.not_judged, report.bought) == ([], [], 1_300)

    # Two in a row are taken for a correction, and the next record puts the total right.
    twice = [altered_to(2, 800), altered_to(3, 866)]
    entries = [
        a_line("catch_up", 0, 900), a_line("correction", 900, 800), a_line("delta", 800, 866), a_line("delta", 866, 1_400),
    ]  # fmt: skip
    report = compared([*truth, a_step(4, 1_400)], 1_400, entries, twice)
    assert (report.differences, report.not_judged) == ([], [])


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ([a_line("catch_up", 0, 900)], "missing_entry"),
        ([a_line("catch_up", 0, 900), a_line("delta", 900, 1_200), a_line("delta", 1_200, 1_250)], "unknown_entry"),
        ([a_line("catch_up", 0, 900), a_line("delta", 1_200, 1_300)], "missing_entry"),
        ([a_line("catch_up", 0, 900), a_line("delta", 800, 1_300)], "doubled_entry"),
        ([a_line("catch_up", 0, 900), a_line("reset", 0, 800, generation=1)], "unexpected_reset"),
    ],
)
def test_a_wrong_ledger_of_a_counter_that_was_lowered_once_is_named(entries: list[LedgerEntry], kind: str) -> None:
    truth = [a_step(1, 900), a_step(2, 1_200), a_step(3, 1_300)]
    assert kind in kinds(compared(truth, 1_300, entries, [altered_to(2, 800)]))


def test_a_lowered_counter_s_value_is_exact_too() -> None:
    truth = [a_step(1, 900), a_step(2, 1_200), a_step(3, 1_300)._replace(bought_value=13_001)]
    entries = [a_line("catch_up", 0, 900), a_line("delta", 900, 1_300)]
    assert kinds(compared(truth, 1_300, entries, [altered_to(2, 800)])) == ["wrong_value"]


@pytest.mark.parametrize(
    ("entries", "kinds_found"),
    [
        (AFTER_RESTART[:1] + AFTER_RESTART[2:], []),
        (AFTER_RESTART[:3], ["missing_entry"]),
        ([*AFTER_RESTART[:2], a_line("delta", 200, 9_029, generation=1)], ["missing_entry"]),
        ([*AFTER_RESTART[:3], a_line("delta", 0, 9_029, generation=1)], ["doubled_entry"]),
        ([*AFTER_RESTART, a_line("reset", 0, 9_029, generation=2)], ["unknown_entry"]),
        ([*AFTER_RESTART, a_line("delta", 9_029, 9_100, generation=1)], ["unknown_entry"]),
    ],
)
def test_of_a_ledger_after_a_restart_only_what_cannot_be_is_named(entries: list[LedgerEntry], kinds_found: list[str]) -> None:
    assert kinds(compared(TRUTH, 9_029, entries, RESTART)) == kinds_found


def test_the_last_record_counts_as_it_was_sent_and_not_at_all_if_it_was_lost_with_its_connection() -> None:
    # A fault lowered the last record: whether it is a glitch nobody knows.
    truth = [a_step(1, 900), a_step(2, 1_200)]
    report = compared(truth, 900, [a_line("catch_up", 0, 900)], [altered_to(2, 800)])
    assert (report.differences, len(report.not_judged)) == ([], 1)
    # The restarted counter had come to 9,029 on a connection that took the record with it.
    lost = frozenset({(1, ("VNM", 9_029, 0))})
    assert kinds(compared(TRUTH, 4_500, AFTER_RESTART[:3], RESTART, lost)) == []


def test_a_side_that_a_restart_found_at_0_stays_exact() -> None:
    truth = [a_step(1, 100)._replace(sold=0), a_step(2, 200)._replace(sold=70, sold_value=700)]
    altered = [AlteredCounters("VNM", 1, 1, 0, 0), AlteredCounters("VNM", 2, 1, 100, 70)]
    entries = [a_line("catch_up", 0, 100), a_line("catch_up", 0, 70, side=Side.SELL)]
    report = compared(truth, 100, entries, altered)
    assert (report.differences, [one.reason[:4] for one in report.not_judged]) == ([], ["buy:"])
    assert kinds(compared(truth, 100, entries[:1], altered)) == ["missing_entry"]
