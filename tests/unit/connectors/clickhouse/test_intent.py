"""Exactly once: whatever is killed, lost or moved between two sinks, ClickHouse ends with each message once."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.clickhouse.core.errors import UnknownIntent
from connectors.clickhouse.core.intent import BEHIND, Batch, Commit, Intents, Scope, drained, scope_of
from schemas.position import Partition

P = Partition("market.trades", 0)
BATCH_MS = 100
SCOPE = Scope("d-1", "t-1")


def an_owner(offset: int | None = None, metadata: str | None = None, batch_rows: int = 10) -> Intents[str]:
    intents = Intents[str](batch_rows, BATCH_MS)
    intents.assigned(P, offset, metadata)
    return intents


def test_a_range_is_declared_before_it_is_inserted() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    intents.received(P, 1, 1, "b", 0)
    assert intents.batches() == []
    assert intents.commits(BATCH_MS - 1) == []
    assert intents.commits(BATCH_MS) == [Commit(P, 0, 2)]
    assert intents.batches() == []
    intents.declared([Commit(P, 0, 2)])
    assert intents.batches() == [Batch(P, 0, 2, ("a", "b"), replayed=False)]
    assert intents.commits(10 * BATCH_MS) == []


def test_a_full_batch_does_not_wait_and_ends_with_the_message_that_fills_it() -> None:
    intents = an_owner(batch_rows=10)
    for offset, rows in ((0, 6), (1, 6), (2, 6)):
        intents.received(P, offset, rows, str(offset), 0)
    assert intents.commits(0) == [Commit(P, 0, 2)]


def test_a_batch_grows_for_longer_while_much_more_is_to_be_read() -> None:
    intents = an_owner(batch_rows=10)
    intents.received(P, 0, 1, "a", 0)
    intents.behind([P])
    assert intents.commits(BEHIND * BATCH_MS - 1) == []
    intents.received(P, 1, 1, "b", BEHIND * BATCH_MS - 1)
    assert intents.commits(BEHIND * BATCH_MS) == [Commit(P, 0, 2)]
    full = an_owner(batch_rows=10)
    full.behind([P])
    full.received(P, 0, 10, "a", 0)
    assert full.commits(0) == [Commit(P, 0, 1)]


def test_the_next_range_begins_where_the_last_one_ended_across_a_hole() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    declare_and_insert(intents, BATCH_MS)
    intents.received(P, 7, 1, "b", BATCH_MS)
    assert intents.commits(2 * BATCH_MS) == [Commit(P, 1, 8)]


def test_an_open_range_is_repeated_exactly_before_anything_else() -> None:
    intents = an_owner(3, "next=6")
    assert intents.positions() == {P: 3}
    for offset in (3, 5):
        intents.received(P, offset, 1, str(offset), 0)
    intents.received(P, 6, 1, "6", 0)
    assert intents.commits(10 * BATCH_MS) == []
    assert intents.batches() == [Batch(P, 3, 6, ("3", "5"), replayed=True)]


def test_an_open_range_waits_until_all_of_it_is_read_again() -> None:
    intents = an_owner(3, "next=6")
    intents.received(P, 3, 1, "3", 0)
    assert intents.batches() == []
    intents.reached(P, 6, 0)
    assert intents.batches() == [Batch(P, 3, 6, ("3",), replayed=True)]


def test_what_must_be_read_again_is_named_until_it_has_been() -> None:
    intents = an_owner(3, "next=6")
    other = Partition("market.trades", 1)
    intents.assigned(other, 0, None)
    intents.received(other, 0, 1_000, "much", 0)
    assert list(intents.rereading) == [P]
    intents.received(P, 3, 1_000, "3", 0)
    assert list(intents.rereading) == [P]
    intents.received(P, 5, 1, "5", 0)
    assert intents.rereading == ()
    intents.inserted(intents.batches()[0], 0)
    assert intents.rereading == ()


def test_a_quiet_partition_is_closed_at_its_end() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    intents.reached(P, 2, 0)
    declare_and_insert(intents, BATCH_MS)
    assert intents.commits(2 * BATCH_MS) == [Commit(P, 2, None)]
    intents.declared([Commit(P, 2, None)])
    assert intents.commits(10 * BATCH_MS) == []


def test_an_empty_partition_is_closed_too() -> None:
    intents = an_owner()
    intents.reached(P, 0, 0)
    assert intents.commits(BATCH_MS) == [Commit(P, 0, None)]


def test_a_commit_without_an_answer_is_asked_for_again_unchanged() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    asked = intents.commits(BATCH_MS)
    intents.received(P, 1, 1, "b", BATCH_MS)
    assert intents.commits(2 * BATCH_MS) == asked == [Commit(P, 0, 1)]


def test_what_is_about_to_be_declared_can_be_looked_at_and_held_back() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    assert intents.undeclared(BATCH_MS - 1) == []
    assert intents.undeclared(BATCH_MS) == [Batch(P, 0, 1, ("a",), replayed=False)]
    assert intents.commits(BATCH_MS, held={P.topic}) == []
    intents.received(P, 1, 1, "b", BATCH_MS)
    assert intents.undeclared(BATCH_MS) == [Batch(P, 0, 2, ("a", "b"), replayed=False)]
    assert intents.commits(BATCH_MS) == [Commit(P, 0, 2)]


def test_what_kafka_may_have_taken_does_not_grow_when_it_is_held_back() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    asked = intents.commits(BATCH_MS)
    intents.received(P, 1, 1, "b", BATCH_MS)
    assert intents.commits(BATCH_MS, held={P.topic}) == []
    assert intents.undeclared(BATCH_MS) == [Batch(P, 0, 1, ("a",), replayed=False)]
    assert intents.commits(BATCH_MS) == asked


def test_holding_a_topic_back_leaves_the_others_their_turn() -> None:
    intents, other = an_owner(), Partition("market.quotes", 0)
    intents.assigned(other, 0, None)
    for partition in (P, other):
        intents.received(partition, 0, 1, "a", 0)
    assert intents.commits(BATCH_MS, held={P.topic}) == [Commit(other, 0, 1)]


def test_what_was_taken_before_or_is_not_ours_is_ignored() -> None:
    intents = an_owner(5, "")
    intents.received(P, 4, 1, "old", 0)
    intents.received(Partition("market.trades", 1), 9, 1, "other", 0)
    assert intents.rows == 0


def test_giving_back_closes_what_is_done_and_drops_what_waits() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    declare_and_insert(intents, BATCH_MS)
    intents.received(P, 1, 1, "b", BATCH_MS)
    assert intents.released([P]) == [Commit(P, 1, None)]
    assert intents.partitions == ()
    assert intents.rows == 0


def test_giving_back_leaves_a_range_open_that_is_not_inserted() -> None:
    intents = an_owner()
    intents.received(P, 0, 1, "a", 0)
    intents.declared(intents.commits(BATCH_MS))
    assert intents.released([P]) == []


@pytest.mark.parametrize(
    ("offset", "metadata", "end", "is_drained"),
    [
        (None, None, 0, True),
        (None, None, 3, False),
        (3, "", 3, True),
        (3, None, 3, True),
        (2, "", 3, False),
        (3, "next=4", 3, False),
    ],
)
def test_drained_is_told_from_the_commit_alone(offset: int | None, metadata: str | None, end: int, is_drained: bool) -> None:
    assert drained(offset, metadata, end) is is_drained


def test_a_commit_says_of_what_it_is_true() -> None:
    assert Commit(P, 3, 9).metadata(SCOPE) == "next=9 db=d-1 topic=t-1"
    assert Commit(P, 9, None).metadata(SCOPE) == "db=d-1 topic=t-1"
    for commit in (Commit(P, 3, 9), Commit(P, 9, None)):
        assert scope_of(commit.metadata(SCOPE)) == SCOPE
        assert drained(commit.offset, commit.metadata(SCOPE), commit.offset) is (commit.next is None)
    # Releases before 0.4.0 did not say so.
    assert [scope_of(metadata) for metadata in (None, "", "next=9")] == [Scope(None, None)] * 3


def test_what_kafka_deleted_before_it_was_read_is_counted() -> None:
    intents = an_owner(5)
    intents.received(P, 5, 1, "a", 0)
    assert intents.deleted(P, 6) == 0
    assert intents.deleted(P, 9) == 3
    assert intents.deleted(P, 9) == 0
    assert intents.positions() == {P: 9}
    intents.received(P, 9, 1, "b", 0)
    assert intents.commits(BATCH_MS) == [Commit(P, 5, 10)]


def test_a_declared_range_whose_messages_kafka_deleted_is_closed() -> None:
    intents = an_owner(5, "next=8")
    assert intents.rereading == (P,)
    intents.deleted(P, 9)
    assert intents.batches() == [Batch(P, 5, 8, (), replayed=True)]


def test_offsets_that_have_been_read_before_may_be_in_clickhouse() -> None:
    intents = Intents[str](2, BATCH_MS)
    intents.assigned(P, None, None, doubted=3)
    replayed = []
    for offset in range(6):
        intents.received(P, offset, 1, str(offset), 0)
    for _ in range(3):
        (looked_at,) = intents.undeclared(0)
        intents.declared(intents.commits(0))
        (batch,) = intents.batches()
        assert batch == looked_at
        replayed.append((batch.first, batch.replayed))
        intents.inserted(batch, 0)
    assert replayed == [(0, True), (2, True), (4, False)]


@pytest.mark.parametrize("metadata", ["something else", "next=", "next=x", "next=-1", "next=7;rows=3", "v2:7"])
def test_metadata_of_another_release_stops_the_sink_before_it_inserts_anything(metadata: str) -> None:
    with pytest.raises(UnknownIntent, match="which a newer release wrote"):
        an_owner().assigned(P, 3, metadata)


def declare_and_insert(intents: Intents[str], now_ms: int) -> None:
    intents.declared(intents.commits(now_ms))
    for batch in intents.batches():
        intents.inserted(batch, now_ms)


@dataclass
class ClickHouse:
    """Stores rows once a token, as its deduplication does, and insists that a token always means the same rows."""

    tokens: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)

    def insert(self, batch: Batch[int]) -> None:
        token = (batch.first, batch.next)
        if token in self.tokens:
            assert self.tokens[token] == batch.messages, "same token, other rows: they would be dropped"
            return
        self.tokens[token] = batch.messages
        self.rows += batch.messages


@dataclass
class Kafka:
    """One partition with holes, and its commits, which only the current generation may write."""

    offsets: list[int]
    end: int
    commit: tuple[int | None, str | None] = (None, None)
    generation: int = 0


class Sink:
    """Carries out what the intents say; may stop short anywhere."""

    def __init__(self, kafka: Kafka, clickhouse: ClickHouse, batch_rows: int) -> None:
        kafka.generation += 1
        self.kafka, self.clickhouse, self.generation, self.now = kafka, clickhouse, kafka.generation, 0
        self.intents = Intents[int](batch_rows, BATCH_MS)
        self.intents.assigned(P, *kafka.commit)
        self.read_to = self.intents.positions()[P] or 0

    def read(self, count: int) -> None:
        self.now += 40
        for offset in [o for o in self.kafka.offsets if o >= self.read_to][:count]:
            self.intents.received(P, offset, 1, offset, self.now)
            self.read_to = offset + 1
        if not [o for o in self.kafka.offsets if o >= self.read_to]:
            self.intents.reached(P, self.kafka.end, self.now)

    def declare(self, taken: bool = True, answered: bool = True) -> None:
        """A commit may be refused, or taken without our hearing of it."""
        commits = self.intents.commits(self.now)
        if self.generation != self.kafka.generation:
            return
        for commit in commits if taken else ():
            self.kafka.commit = (commit.offset, commit.metadata(SCOPE))
        if taken and answered:
            self.intents.declared(commits)

    def insert(self, stored: bool = True, answered: bool = True) -> None:
        for batch in self.intents.batches():
            if stored:
                self.clickhouse.insert(batch)
                if answered:
                    self.intents.inserted(batch, self.now)

    def give_back(self) -> None:
        for commit in self.intents.released([P]):
            if self.generation == self.kafka.generation:
                self.kafka.commit = (commit.offset, commit.metadata(SCOPE))


steps = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 9)),
    st.tuples(st.just("declare"), st.tuples(st.booleans(), st.booleans())),
    st.tuples(st.just("insert"), st.tuples(st.booleans(), st.booleans())),
    st.tuples(st.just("kill"), st.none()),
    st.tuples(st.just("hand over"), st.none()),
    st.tuples(st.just("steal"), st.none()),
    st.tuples(st.just("zombie inserts"), st.none()),
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=40),
    st.integers(0, 2),
    st.integers(1, 7),
    st.lists(steps, max_size=60),
)
def test_every_message_is_stored_once_whatever_happens(gaps: list[int], tail: int, batch_rows: int, happening: list[Any]) -> None:
    offsets = [sum(gaps[:n]) for n in range(len(gaps))]
    kafka, clickhouse = Kafka(offsets, offsets[-1] + 1 + tail), ClickHouse()
    sink = Sink(kafka, clickhouse, batch_rows)
    zombies: list[Sink] = []
    for what, how in happening:
        match what:
            case "read":
                sink.read(how)
            case "declare":
                sink.declare(*how)
            case "insert":
                sink.insert(*how)
            case "kill":
                sink = Sink(kafka, clickhouse, batch_rows)
            case "hand over":
                sink.give_back()
                sink = Sink(kafka, clickhouse, batch_rows)
            case "steal":
                # The old one has not noticed: it may insert what it has declared, and declare nothing.
                zombies.append(sink)
                sink = Sink(kafka, clickhouse, batch_rows)
            case "zombie inserts":
                for zombie in zombies:
                    zombie.declare()
                    zombie.insert()
    for _ in range(200):
        if drained(*kafka.commit, kafka.end):
            break
        sink.read(9)
        sink.declare()
        sink.insert()
    assert drained(*kafka.commit, kafka.end)
    assert sorted(clickhouse.rows) == offsets
