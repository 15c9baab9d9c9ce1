"""How old ticks were when a client saw them."""

import pytest

from stock_tracker.bench.clients import offsets_of
from stock_tracker.bench.core.ages import MarketLog, RowsSeen, SeenTick, ShownRow, ages_of_client, quantile

LOG = MarketLog(
    ticks={"VNM": [SeenTick(1, 1_000), SeenTick(2, 2_000), SeenTick(2, 2_000), SeenTick(5, 9_000)]},
    rows={"VNM": [ShownRow(10, 1, 1_100), ShownRow(20, 2, 2_100), ShownRow(30, 5, 9_100)]},
    partitions={"VNM": 0},
)


def test_a_row_shows_every_tick_up_to_its_frame() -> None:
    seen = ages_of_client(LOG, [RowsSeen(5_000, {0: 25}, ["VNM"]), RowsSeen(9_500, {0: 30}, ["VNM"])], 0, 10_000)
    assert [age.age_us for age in seen.seen] == [4_000, 3_000, 3_000, 500]
    assert seen.missing == 0


def test_a_row_that_never_came_is_a_gap() -> None:
    assert ages_of_client(LOG, [RowsSeen(5_000, {0: 25}, ["VNM"])], 0, 10_000).missing == 1


def test_another_symbol_s_message_shows_nothing_of_it() -> None:
    seen = ages_of_client(LOG, [RowsSeen(9_500, {0: 30}, ["FPT"])], 0, 10_000)
    assert seen.seen == []
    assert seen.missing == 4


def test_ticks_of_another_time_are_left_out() -> None:
    seen = ages_of_client(LOG, [RowsSeen(9_500, {0: 30}, ["VNM"])], 1_500, 8_000)
    assert [age.age_us for age in seen.seen] == [7_500, 7_500]
    assert seen.missing == 0


def test_ticks_that_no_row_shows_are_no_gap() -> None:
    log = MarketLog(ticks={"VNM": [SeenTick(9, 1_000)]}, rows={"VNM": [ShownRow(10, 1, 900)]}, partitions={"VNM": 0})
    assert ages_of_client(log, [], 0, 10_000).missing == 0


def test_a_row_that_came_after_the_end_is_no_gap() -> None:
    log = MarketLog({"VNM": [SeenTick(2, 2_000)]}, {"VNM": [ShownRow(20, 2, 9_000)]}, {"VNM": 0})
    assert ages_of_client(log, [], 0, 8_000).missing == 0
    assert ages_of_client(log, [], 0, 10_000).missing == 1


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    with pytest.raises(ValueError, match="nothing was seen"):
        quantile([], 0.5)


def test_a_cursor_says_where_partitions_are() -> None:
    assert offsets_of("97445159.0:17,2:91") == {0: 17, 2: 91}
    assert offsets_of("97445159.") == {}
