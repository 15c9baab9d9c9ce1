"""The sink's dead-letter limit. A window is of 20 messages here, half of which may be bad; fewer than 10 prove nothing."""

import pytest

from connectors.clickhouse.core import rows
from connectors.clickhouse.core.dead_letters import RangeWatch
from connectors.clickhouse.core.intent import Batch
from schemas import topics
from schemas.dead_letters import FEW, HOLD_S, Limit
from schemas.errors import NewerMessage, TooManyDeadLetters
from schemas.position import Partition, Position
from schemas.structs import QuotesFrame
from tests.builders import a_dead_letter, a_quote_event, changed

WINDOW = 20
TYPES = {
    "quotes": {**dict.fromkeys(("bid", "ask"), "Int32"), **dict.fromkeys(("symbol", "exchange"), "String")}
    | {"day": "Date", "ts": "DateTime64(3, 'Asia/Ho_Chi_Minh')", "bid_volume": "Int64", "ask_volume": "Int64"}
    | {"session": "Nullable(String)", "limit": "Nullable(String)", "partition": "UInt16", "offset": "UInt64", "idx": "UInt16"}
}
QUOTES, DLQ = "market.quotes", "ssi.dlq"


@pytest.fixture
def watch() -> RangeWatch:
    return RangeWatch(Limit(messages=WINDOW, records=100, percent=50))


def a_range(what: str, first: int = 0, topic: str = QUOTES, partition: int = 0) -> tuple[Batch[rows.Decoded], list[rows.Reject]]:
    """Messages from offset ``first`` on: ``.`` a good one, ``x`` one that cannot be decoded, ``o`` one of ten quotes of which
    nine do not fit.
    """
    good, misfit = a_quote_event(), changed(a_quote_event(), bid=2**40)
    values = {
        ".": topics.encode(QuotesFrame(events=[good]) if topic == QUOTES else a_dead_letter()),
        "x": b"{junk",
        "o": topics.encode(QuotesFrame(events=[good, *[misfit] * 9])),
    }
    messages = tuple(rows.decode(Position(topic, partition, first + n), 0, values[kind]) for n, kind in enumerate(what))
    _, rejects = rows.blocks(messages, TYPES)
    return Batch(Partition(topic, partition), first, first + len(what), messages, replayed=False), rejects


def must_wait(watch: RangeWatch, what: str, now_s: float = 0.0, first: int = 0, topic: str = QUOTES) -> bool:
    watch.look(*a_range(what, first, topic))
    return watch.must_wait(topic, now_s)


@pytest.mark.parametrize("what", ["." * 50, "x" * (FEW - 1) + "." * (FEW - 1), "x." * 20])
def test_a_few_bad_ones_among_good_ones_go_to_the_dead_letters(watch: RangeWatch, what: str) -> None:
    assert not must_wait(watch, what)


def test_a_few_bad_ones_alone_wait_for_what_comes_and_then_go_to_the_dead_letters_too(watch: RangeWatch) -> None:
    assert must_wait(watch, "x" * (FEW - 2))
    assert must_wait(watch, "x" * (FEW - 1), now_s=HOLD_S - 0.1)
    assert not must_wait(watch, "x" * (FEW - 1), now_s=HOLD_S)


def test_a_full_window_of_bad_ones_stops_at_once(watch: RangeWatch) -> None:
    with pytest.raises(TooManyDeadLetters, match=r"the archive could not use 11 of the last 20 messages"):
        must_wait(watch, "." * 9 + "x" * 11)


def test_a_bad_stretch_in_the_middle_of_a_large_range_stops_too(watch: RangeWatch) -> None:
    with pytest.raises(TooManyDeadLetters):
        watch.look(*a_range("." * 100 + "x" * 20 + "." * 100))


def test_bad_ones_that_do_not_fill_a_window_wait_for_what_comes_next(watch: RangeWatch) -> None:
    assert must_wait(watch, "x" * FEW)
    assert must_wait(watch, "x" * FEW + "." * (FEW - 1), now_s=HOLD_S - 0.1)
    assert not must_wait(watch, "x" * FEW + "." * FEW, now_s=HOLD_S)


def test_when_nothing_better_comes_it_stops_with_the_last_reason_and_where_it_is(watch: RangeWatch) -> None:
    assert must_wait(watch, "x" * FEW)
    with pytest.raises(TooManyDeadLetters, match=r"10 of the last 10 messages .*at market\.quotes\[0\]@9\)"):
        must_wait(watch, "x" * FEW, now_s=HOLD_S)


def test_what_has_been_looked_at_counts_once(watch: RangeWatch) -> None:
    for _ in range(5):
        assert must_wait(watch, "x" * (FEW - 1))
    assert not must_wait(watch, "x" * (FEW - 1), now_s=HOLD_S)


def test_a_quiet_hour_does_not_count_as_waiting(watch: RangeWatch) -> None:
    assert not must_wait(watch, ".")
    assert must_wait(watch, "x" * FEW, now_s=3_600.0, first=1)


def test_topics_are_judged_apart(watch: RangeWatch) -> None:
    assert not must_wait(watch, "." * 500, topic=DLQ)
    assert must_wait(watch, "x" * 11)
    assert not must_wait(watch, "." * 500, topic=DLQ, now_s=HOLD_S)


def test_partitions_of_a_topic_are_judged_together(watch: RangeWatch) -> None:
    watch.look(*a_range("x" * FEW, partition=0))
    watch.look(*a_range("." * FEW, partition=1))
    assert not watch.must_wait(QUOTES, 0.0)


def test_events_that_do_not_fit_their_columns_count_as_records(watch: RangeWatch) -> None:
    with pytest.raises(TooManyDeadLetters, match=r"90 of the last 100 records .*bid does not fit.*event 9\)"):
        must_wait(watch, "o" * 10)


def test_whoever_gets_the_partitions_anew_looks_at_them_anew(watch: RangeWatch) -> None:
    assert must_wait(watch, "x" * FEW)
    watch.forget()
    assert must_wait(watch, "x" * (FEW - 1), now_s=HOLD_S)
    assert not must_wait(watch, "x" * (FEW - 1), now_s=2 * HOLD_S)


def test_a_message_of_a_newer_release_is_no_dead_letter() -> None:
    newer = topics.encode(QuotesFrame(events=[], schema_=99))
    with pytest.raises(NewerMessage, match=r"market\.quotes \(version 99"):
        rows.decode(Position(QUOTES, 0, 0), 0, newer)
