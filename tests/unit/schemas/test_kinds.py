from schemas.kinds import FRAME_KINDS, SSI_KINDS, is_from_ssi
from schemas.structs import ClockTick, LossMarker, ProfileRecord, ReferenceRecord
from tests.builders import (
    a_bar,
    a_foreign,
    a_loss,
    a_profile,
    a_quote,
    a_reference,
    a_snapshot,
    a_status,
    a_tick,
    a_trade,
    an_index,
    an_odd_lot,
)


def test_what_ssi_says_and_what_the_connector_says_are_told_apart() -> None:
    theirs = (a_trade(), a_quote(), a_snapshot(), a_bar(), an_odd_lot(), a_status(), a_foreign(), an_index())
    ours = (a_tick(), a_loss(), a_reference(), a_profile())
    assert [is_from_ssi(record) for record in theirs] == [True] * len(theirs)
    assert [is_from_ssi(record) for record in ours] == [False] * len(ours)
    assert {type(record) for record in theirs} == SSI_KINDS
    assert {type(record) for record in (*theirs, *ours)} == FRAME_KINDS
    assert {ClockTick, LossMarker, ProfileRecord, ReferenceRecord} == FRAME_KINDS - SSI_KINDS
