from types import SimpleNamespace
from typing import Any

from schemas.position import Position
from stock_tracker.verify.core.boards import Book, NewestRecords, compare_foreign, compare_indices, compare_prices, latest
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.tape import TruePrint
from tests.builders import DAY, a_foreign, a_quote, an_index

BIDS, ASKS = [68_400, 500], [68_500, 300]
PRINTS = [TruePrint("VNM", 1_000, 1_000, 68_400, 100, 100, (1,)), TruePrint("VNM", 2_000, 2_000, 68_500, 50, 200, (1,))]
"""Between them 50 shares traded that no record told of."""
KEYS = {true.key: None for true in PRINTS}
BOOKS = {"VNM": Book(1, BIDS, ASKS)}


def rows(*found: Any) -> dict[str, tuple[EventPosition, Any]]:
    return latest((EventPosition(Position("state.prices", 0, offset), 0), row) for offset, row in enumerate(found))


def a_row(**changes: Any) -> Any:
    """The board line after both prints; other rows have other fields, of which it is enough to name those that count."""
    shown = {
        "symbol": "VNM", "day": DAY, "src": 7, "last": 68_500, "last_volume": 50, "total_volume": 200, "prints": 2,
        "missed_volume": 50, "bids": BIDS, "asks": ASKS,
    }  # fmt: skip
    return SimpleNamespace(**shown | changes)


def test_a_board_that_shows_what_was_delivered_is_right() -> None:
    assert list(compare_prices(DAY, PRINTS, KEYS, BOOKS, rows(a_row()))) == []


def test_each_wrong_field_is_named_with_the_place_of_its_row() -> None:
    (found,) = compare_prices(DAY, PRINTS, KEYS, BOOKS, rows(a_row(src=1), a_row(last=68_400, prints=1)))
    assert (found.kind, found.symbol) == ("wrong_state", "VNM")
    assert found.detail == "last is 68400, not 68500, prints is 1, not 2"
    assert found.position == EventPosition(Position("state.prices", 0, 1), 0)


def test_a_book_that_is_not_the_newest_is_named() -> None:
    (found,) = compare_prices(DAY, [], {}, {"VNM": Book(1, [1, 2], ASKS)}, rows(a_row()))
    assert found.detail == f"bids is {BIDS}, not [1, 2]"


def test_what_was_never_delivered_is_not_expected_on_the_board() -> None:
    only_first = {PRINTS[0].key: None}
    shown = a_row(last=68_400, last_volume=100, total_volume=100, prints=1, missed_volume=0)
    assert list(compare_prices(DAY, PRINTS, only_first, BOOKS, rows(shown))) == []


def test_a_symbol_without_a_row_is_named() -> None:
    (found,) = compare_prices(DAY, PRINTS, KEYS, {}, {})
    assert (found.kind, found.symbol, found.position) == ("missing_state", "VNM", None)


def test_a_late_row_of_an_older_frame_does_not_stay() -> None:
    stays = rows(a_row(src=8), a_row(src=7, last=1), a_row(src=9, day=DAY - 1))["VNM"]
    assert stays == (EventPosition(Position("state.prices", 0, 0), 0), a_row(src=8))


def test_foreign_rows_are_compared_with_the_highest_counters() -> None:
    newest = NewestRecords()
    for bought, sold in ((100, 0), (300, 40), (200, 40)):
        newest.see(a_foreign(bought=bought, sold=sold))
    right = a_row(bought=300, sold=40, net_volume=260)
    assert list(compare_foreign(DAY, newest.foreign, rows(right))) == []
    (found,) = compare_foreign(DAY, newest.foreign, rows(a_row(bought=200, sold=40, net_volume=160)))
    assert found.detail == "bought is 200, not 300, net_volume is 160, not 260"


def test_a_counter_that_began_again_says_nothing_of_the_whole_day_by_its_height() -> None:
    newest = NewestRecords()
    for ts, bought in (("10:00:00", 300), ("10:00:05", 20), ("10:00:04", 10)):
        newest.see(a_foreign(ts=ts, bought=bought))
    for ts, bought in (("10:00:05", 300), ("10:00:00", 20)):
        # This one only came out of order.
        newest.see(a_foreign("FPT", ts, bought=bought))
    assert newest.steady_foreign == {"FPT": (300, 0)}


def test_the_newest_book_and_index_are_the_last_of_the_newest_second() -> None:
    newest = NewestRecords()
    for ts_ms, bid in ((1_000, 1), (2_000, 2), (2_000, 3), (1_500, 4)):
        newest.see(a_quote(ts=ts_ms, bids=[bid, 100], asks=[]))
    assert newest.books == {"VNM": Book(2_000, [3, 100], [])}
    for ts_ms, volume in ((2_000, 50), (2_000, 40), (1_000, 60)):
        newest.see(an_index(ts=ts_ms, value=190_000, prior_value=189_000, volume=volume, traded_value=5))
    shown = a_row(
        symbol="VN30", value=190_000, prior_value=189_000, volume=50, traded_value=5, advances=None, no_changes=None,
        declines=None, ceilings=None, floors=None,
    )  # fmt: skip
    assert list(compare_indices(DAY, newest.indices, rows(shown))) == []
