from connectors.clickhouse.core import repair
from connectors.clickhouse.core.repair import DERIVED
from connectors.clickhouse.core.rows import Block

NAMES = ("symbol", "day", "ts", "partition", "offset", "idx")
BLOCK = Block(
    "trades_state",
    202611,
    NAMES,
    (["VNM", "O'N", "VNM"], [20_777, 20_777, 20_778], [60_005, 119_999, 180_000], [2, 2, 2], [7, 7, 9], [0, 1, 0]),
)


def test_rows_are_looked_for_where_an_index_finds_them() -> None:
    assert repair.question(BLOCK) == (
        "SELECT offset, idx FROM `trades_state` WHERE partition = 2 AND offset BETWEEN 7 AND 9"
        " AND ts >= fromUnixTimestamp64Milli(60005) AND ts <= fromUnixTimestamp64Milli(180000) AND symbol IN ('O\\'N', 'VNM')"
    )


def test_what_a_table_does_not_have_is_what_lacks() -> None:
    assert repair.lacking(BLOCK, [(9, 0), (7, 0), (7, 1)], None) is None
    lacking = repair.lacking(BLOCK, [(7, 0), (9, 1)], None)
    assert lacking is not None
    assert repair.positions(lacking) == [(7, 1), (9, 0)]
    assert lacking.columns[0] == ["O'N", "VNM"]


def test_rows_that_would_be_deleted_again_do_not_lack() -> None:
    lacking = repair.lacking(BLOCK, [], 20_778)
    assert lacking is not None
    assert repair.positions(lacking) == [(9, 0)]
    assert repair.lacking(BLOCK, [(9, 0)], 20_778) is None


def test_how_long_rows_are_kept_is_what_the_engine_says() -> None:
    assert repair.kept_days("MergeTree PARTITION BY x ORDER BY y TTL day + toIntervalDay(90) SETTINGS z = 1") == 90
    assert repair.kept_days("MergeTree PARTITION BY x ORDER BY y SETTINGS z = 1") is None


def test_derived_rows_are_computed_of_whole_minutes() -> None:
    (candles,) = DERIVED["trades_state"]
    symbols = "symbol IN ('O\\'N', 'VNM')"
    conditions = repair.filters(BLOCK, candles, "market")
    assert conditions == {
        f"market.{table}": f"{column} >= fromUnixTimestamp64Milli(60000) AND {column} < fromUnixTimestamp64Milli(240000)"
        f" AND {symbols}"
        for table, column in (("trades_state", "ts"), ("candles_1m_state", "t"))
    }
    assert repair.filter_setting({"a.b": "c = 'd'"}) == "{'a.b': 'c = \\'d\\''}"
