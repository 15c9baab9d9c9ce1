"""What the sink needs of tables that another release, or a person, has changed."""

import pytest

from connectors.clickhouse.core.layout import NEEDED, Described, missing, unknown, unwritable
from connectors.clickhouse.core.migration import Migration

KNOWN = (
    Migration(1, "trades", "CREATE TABLE IF NOT EXISTS trades\n(\n    price Int32\n)\nENGINE = MergeTree ORDER BY price;\n"),
    Migration(2, "venue", "ALTER TABLE trades ADD COLUMN IF NOT EXISTS venue String DEFAULT 'main';\n"),
)
TRADES = {"trades": ("price", "venue")}
PRICE = Described("Int32", "")
VENUE = Described("String", "DEFAULT")


def test_nothing_is_missing_where_every_needed_column_is() -> None:
    assert missing({"trades": {"venue": VENUE, "price": PRICE}, "other": {}}, TRADES, KNOWN) == []


@pytest.mark.parametrize(
    ("trades", "said"),
    [
        (None, "there is no table trades, which 001_trades.sql makes: run `stock-tracker archive migrate --again 1`"),
        ({"price": PRICE}, "trades has no venue, which 002_venue.sql adds: run `stock-tracker archive migrate --again 2`"),
        ({"venue": VENUE}, "trades has no price, with which 001_trades.sql makes it: add it by hand as it stands there"),
    ],
)
def test_what_is_missing_is_named_with_the_file_that_brings_it(trades: dict[str, Described] | None, said: str) -> None:
    assert missing({} if trades is None else {"trades": trades}, TRADES, KNOWN) == [said]


@pytest.mark.parametrize(
    ("column", "is_in_the_way"),
    [
        (Described("String", ""), True),
        (Described("String", "DEFAULT"), False),
        (Described("UInt64", "MATERIALIZED"), False),
        (Described("LowCardinality(Nullable(String))", ""), False),
    ],
)
def test_a_column_that_nobody_fills_is_in_the_way(column: Described, is_in_the_way: bool) -> None:
    found = {"trades": {"price": PRICE, "venue": VENUE, "desk": column}, "other": {"desk": column}}
    assert (unknown(found, TRADES) == ["trades.desk"]) is is_in_the_way


@pytest.mark.parametrize(("type_", "is_written"), [("Int64", True), ("Nullable(UInt16)", True), ("Int128", False)])
def test_a_type_that_the_sink_does_not_write_is_told(type_: str, is_written: bool) -> None:
    found = {"trades": {"price": Described(type_, ""), "symbol": Described("String", "")}}
    said = unwritable(found, {"trades": ("price", "symbol")})
    assert said == ([] if is_written else [f"trades.price {type_}"])


def test_the_sink_needs_a_table_for_each_topic_and_that_of_the_dead_letters() -> None:
    assert {"trades_state", "prices_daily_state", "dlq"} < NEEDED.keys()
    assert NEEDED["trades_state"][-3:] == ("partition", "offset", "idx")
