import gc
import weakref
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.board import ChannelRows
from gateway.core.selection import Audience, Selection, SymbolDirectory


def test_a_row_replaces_an_older_one(put: Any, board: Any) -> None:
    assert put(value=1) == [("px", "VNM")]
    assert put(value=2) == [("px", "VNM")]
    assert board.tables["px"].rows["VNM"].src == 2


def test_an_older_row_behind_a_newer_one_is_ignored_but_read(put: Any, board: Any) -> None:
    put(src=10, offset=5)
    assert put(src=9, offset=6) == []
    assert board.tables["px"].rows["VNM"].src == 10
    assert board.cursor("px").endswith(".0:6")


def test_the_same_row_again_is_no_change(put: Any) -> None:
    put(src=10, offset=5)
    assert put(src=10, offset=6) == []


def test_a_new_day_wins_whatever_its_source_offset(put: Any, board: Any) -> None:
    put(day=20261120, src=90_000, offset=5)
    assert put(day=20261123, src=3, offset=6) == [("px", "VNM")]
    assert put(day=20261120, src=90_001, offset=7) == []


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 20)), min_size=1))
def test_whatever_the_order_the_greatest_day_and_source_is_shown(change: Any, writes: list[tuple[int, int]]) -> None:
    table = ChannelRows()
    for offset, (day, src) in enumerate(writes):
        table.apply(change("VNM", day=day, src=src, offset=offset))
    row = table.rows["VNM"]
    assert (row.day, row.src) == max(writes)
    assert table.offsets == {0: len(writes) - 1}


def test_a_new_stream_starts_from_nothing(put: Any, board: Any) -> None:
    put()
    board.begin("ffffffff")
    assert (board.complete, board.tables["px"].rows, board.cursor("px")) == (False, {}, "ffffffff.")
    assert board.directory.exchanges == {}


def test_futures_are_a_group_of_their_own() -> None:
    directory = SymbolDirectory()
    directory.list_on("41I1GC000", "DER")
    directory.list_on("VNM", "HOSE")
    directory.join("VNM", ("VN30", "VN100"))
    assert directory.members(Selection.of(["@FUT"])) == frozenset({"41I1GC000"})
    assert directory.members(Selection.of(["@VN30", "41I1GC000"])) == frozenset({"VNM", "41I1GC000"})
    assert directory.members(Selection.of(["@HOSE"])) == frozenset({"VNM"})
    assert Audience(Selection.of(["*"]), directory).choose(["VNM", "ZZZ"]) == ["VNM", "ZZZ"]


def test_a_move_to_another_exchange_leaves_the_old_group() -> None:
    directory = SymbolDirectory()
    directory.list_on("VNM", "HNX")
    directory.join("VNM", ("VN30",))
    directory.list_on("VNM", "HOSE")
    assert directory.members(Selection.of(["@HNX"])) == frozenset()
    assert directory.members(Selection.of(["@HOSE", "@VN30"])) == frozenset({"VNM"})


def test_selections_add_up_and_are_taken_apart() -> None:
    directory = SymbolDirectory()
    both = directory.take_in(Selection.of(["VNM", "@HOSE"]), ["HPG"])
    assert directory.take_out(both, ["@HOSE", "VNM"]) == (Selection.of(["HPG"]), [])
    assert directory.take_out(both, ["*"]) == (Selection(), [])


def test_equal_selections_share_an_audience_until_nobody_has_chosen_them() -> None:
    directory = SymbolDirectory()
    audience = directory.audience(Selection.of(["VNM"]))
    assert directory.audience(Selection.of(["VNM"])) is audience
    told = weakref.ref(audience)
    del audience
    gc.collect()
    assert told() is None


def test_a_row_that_was_folded_again_after_a_lost_transaction_replaces_the_one_before(put: Any, board: Any) -> None:
    put(value=1, src=10, offset=5)
    assert put(value=2, src=10, offset=9) == [("px", "VNM")]
    assert board.tables["px"].rows["VNM"].fragment == b'["VNM",2]'
