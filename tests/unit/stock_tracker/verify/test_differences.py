from schemas.position import Position
from stock_tracker.verify.core.differences import Difference, EventPosition, each_kind_first

HERE = EventPosition(Position("market.trades", 2, 7), 1)


def test_a_difference_says_where_it_is_whose_and_in_which_fields() -> None:
    said = Difference("wrong_row", "VNM", "price is 1, not 2", HERE, fields=("price",)).as_json()
    assert said == {
        "kind": "wrong_row", "symbol": "VNM", "fields": ["price"], "detail": "price is 1, not 2", "topic": "market.trades",
        "partition": 2, "position": {"topic": "market.trades", "partition": 2, "offset": 7, "idx": 1},
    }  # fmt: skip


def test_what_is_missing_has_a_topic_and_a_partition_though_no_offset() -> None:
    missing = Difference("missing_candle", "VNM", "none", None, "market.candles", 1)
    assert str(missing) == "missing_candle VNM: none (market.candles[1])"
    assert (missing.as_json()["topic"], missing.as_json()["partition"]) == ("market.candles", 1)


def test_a_kind_that_is_everywhere_hides_no_other() -> None:
    rows = [Difference("missing_row", f"S{number}", "", None) for number in range(3)]
    prints = [Difference("missing_print", f"S{number}", "", None) for number in range(2)]
    assert each_kind_first([*rows, *prints]) == [rows[0], prints[0], rows[1], prints[1], rows[2]]
