"""A member of a group is the same as before as long as it reads the same."""

from schemas.members import static_member


def test_a_member_is_named_by_what_it_reads_and_not_by_its_order() -> None:
    assert static_member("archive-0", ["a", "b"]) == static_member("archive-0", ["b", "a"])


def test_one_that_reads_more_is_another_member() -> None:
    assert static_member("archive-0", ["a", "b"]) != static_member("archive-0", ["a", "b", "c"])
    assert static_member("archive-0", ["a"]) != static_member("archive-1", ["a"])


def test_its_name_is_one_that_kafka_takes() -> None:
    assert static_member("t1.archive-0", ["market.trades"]).replace("-", "").replace(".", "").isalnum()
