"""A log is folded again with the terms that held, from where its shard began, or not at all where that cannot be."""

from typing import Literal

import pytest

from schemas.position import Partition, Position
from schemas.structs import Terms, TermsAdopted
from schemas.topics import SSI_TICKS
from schemas.units import TradingDay
from stock_tracker.verify.core.refold import TermsThatHeld, history_of, why_not
from tests.builders import DAY, offers

PLACE = Partition(SSI_TICKS.name, 0)


def adopted(
    offset: int,
    percent: int,
    reason: Literal["first", "next_day", "release", "forced"] = "next_day",
    *,
    day: int = DAY,
    release: str = "0.3.0",
    partition: int = 0,
) -> TermsAdopted:
    terms = Terms(release=release, correction_percent=percent, reset_percent=50, sectors=None, rules=None)
    return TermsAdopted(
        pipeline="prices",
        topic=SSI_TICKS.name,
        partition=partition,
        offset=offset,
        day=TradingDay(day),
        reason=reason,
        terms=terms,
    )


def percents(history: list[TermsAdopted], *offsets: int, partition: int = 0) -> list[int | None]:
    held = TermsThatHeld("prices", SSI_TICKS.name, history, offers(SSI_TICKS))
    return [held.at(Position(SSI_TICKS.name, partition, offset)).terms.terms.correction_percent for offset in offsets]


def test_each_message_is_folded_with_what_held_there() -> None:
    history = history_of([adopted(30, 30, day=DAY + 2), adopted(0, 10, "first"), adopted(20, 20, day=DAY + 1)])
    assert percents(history, 0, 19, 20, 29, 30, 31, 5) == [10, 10, 20, 20, 30, 30, 10]


def test_what_was_adopted_before_a_pipeline_was_begun_anew_does_not_count() -> None:
    before = [adopted(0, 10, "first"), adopted(20, 20, day=DAY + 1)]
    history = history_of([*before, adopted(0, 40, "first", day=DAY + 2)])
    assert percents(history, 0, 25) == [40, 40]


def test_a_shard_that_never_came_to_a_day_is_folded_with_whatever_is_set() -> None:
    assert percents(history_of([adopted(0, 40, "first")]), 7, partition=1) == [10]


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([adopted(0, 10, "first")], ""),
        ([adopted(0, 10, "first"), adopted(50, 10, "forced")], ""),
        ([adopted(0, 10, "first"), adopted(40, 10, "forced")], "an operator forced terms at ssi.ticks[0]@40"),
        ([adopted(0, 10, "first", release="0.2.0")], "release 0.2.0 folded it from ssi.ticks[0]@0 on, and this is 0.3.0"),
        ([adopted(0, 10, "first", release="0.2.0", partition=1)], ""),
    ],
)
def test_why_a_partition_cannot_be_folded_again(history: list[TermsAdopted], reason: str) -> None:
    assert why_not(history, "prices", PLACE, 50, "0.3.0").partition(", and what")[0] == reason
