from stock_tracker.verify.core.numbers import NotJudged
from stock_tracker.verify.core.verdict import by_reason, compared_anything


def test_what_was_left_out_is_counted_by_topic_and_reason() -> None:
    left_out = [NotJudged("market.daily", f"S{number}", "its day is not over") for number in range(7)]
    daily, trades = by_reason([*left_out, NotJudged("market.trades", "VNM", "unclear")])
    assert (daily.topic, daily.reason, daily.count, daily.symbols) == (
        "market.daily", "its day is not over", 7, ("S0", "S1", "S2", "S3", "S4")
    )  # fmt: skip
    assert str(daily) == "market.daily, 7 × (S0, S1, S2, S3, S4, …): its day is not over"
    assert str(trades) == "market.trades, 1 × (VNM): unclear"


def test_a_run_without_a_print_proves_nothing_and_says_what_to_do() -> None:
    assert list(compared_anything(1, 1)) == []
    for prints, records in ((0, 1), (0, 0)):
        (found,) = compared_anything(prints, records)
        assert found.kind == "nothing_compared"
        assert "let the market play for longer" in found.detail
