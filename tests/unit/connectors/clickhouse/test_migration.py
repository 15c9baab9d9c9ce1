from connectors.clickhouse.core.migration import Migration

FILE = """
-- Where a trade was made.
-- not additive: venues were told apart by exchange before

CREATE TABLE IF NOT EXISTS venues
(
    venue String COMMENT 'a semicolon; in a comment'
)
ENGINE = MergeTree ORDER BY venue;

ALTER TABLE trades
    ADD COLUMN IF NOT EXISTS venue String DEFAULT '' COMMENT 'V',
    ADD COLUMN IF NOT EXISTS `desk` String DEFAULT '' COMMENT 'D';
"""


def test_a_file_is_cut_where_a_line_ends_with_a_semicolon() -> None:
    create, alter = Migration(7, "venues", FILE).statements
    assert create.startswith("CREATE TABLE IF NOT EXISTS venues")
    assert create.endswith("ENGINE = MergeTree ORDER BY venue")
    assert alter.endswith("COMMENT 'D'")


def test_a_file_says_why_it_does_more_than_add() -> None:
    assert Migration(7, "venues", FILE).not_additive == "venues were told apart by exchange before"
    assert Migration(7, "venues", FILE.replace("-- not additive", "-- not quite additive")).not_additive == ""


def test_a_file_says_which_tables_it_makes_and_which_columns_it_adds() -> None:
    migration = Migration(7, "venues", FILE)
    assert (migration.makes("venues"), migration.makes("venue"), migration.makes("trades")) == (True, False, False)
    added = [column for column in ("venue", "desk", "ven", "des") if migration.adds("trades", column)]
    assert added == ["venue", "desk"]
    assert not migration.adds("venues", "venue")


def test_it_is_called_by_its_file() -> None:
    assert str(Migration(7, "venues", FILE)) == "007_venues.sql"
