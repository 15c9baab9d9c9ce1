import pytest

from connectors.clickhouse.core.cluster import NotForCluster, on_cluster


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "CREATE TABLE IF NOT EXISTS a\n(\n    b Int8\n)\nENGINE = ReplacingMergeTree(b)\nORDER BY b\n"
            "SETTINGS non_replicated_deduplication_window = 10000",
            "CREATE TABLE IF NOT EXISTS a ON CLUSTER `c`\n(\n    b Int8\n)\nENGINE = ReplicatedReplacingMergeTree(b)\n"
            "ORDER BY b\n"
            "SETTINGS replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800",
        ),
        (
            "CREATE MATERIALIZED VIEW IF NOT EXISTS a_mv TO a AS SELECT 1",
            "CREATE MATERIALIZED VIEW IF NOT EXISTS a_mv ON CLUSTER `c` TO a AS SELECT 1",
        ),
        ("CREATE OR REPLACE VIEW a AS SELECT 1", "CREATE OR REPLACE VIEW a ON CLUSTER `c` AS SELECT 1"),
        ("ALTER TABLE a\n    ADD COLUMN b Int8", "ALTER TABLE a ON CLUSTER `c`\n    ADD COLUMN b Int8"),
        ("DROP VIEW IF EXISTS a", "DROP VIEW IF EXISTS a ON CLUSTER `c`"),
        ("INSERT INTO a SELECT b FROM c", "INSERT INTO a SELECT b FROM c"),
    ],
    ids=lambda value: value.partition("\n")[0][:30],
)
def test_a_statement_is_run_on_all_servers_of_a_cluster(statement: str, said: str) -> None:
    assert on_cluster(statement, "c") == said


def test_a_statement_of_a_kind_that_nobody_has_thought_of_is_refused() -> None:
    with pytest.raises(NotForCluster, match="OPTIMIZE TABLE a"):
        on_cluster("OPTIMIZE TABLE a", "c")
