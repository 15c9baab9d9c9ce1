from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.frames import FRAME_RECORDS, FRAME_US, Cut, FrameBuilder, partitions_of
from schemas.kinds import is_from_ssi
from schemas.position import Partition
from schemas.records import FrameRecord, SsiRecord
from schemas.shards import shard_keys, shard_of
from schemas.structs import ClockTick, ReferenceRecord
from schemas.units import UnixUs
from tests.builders import a_bar, a_foreign, a_reference, a_status, a_tick, an_index

SHARDS = 3
SYMBOLS = ["VNM", "SSI", "HPG", "SHS", "41I1GC000", "41I1H1000", "VN30", "VNINDEX"]
NOW = UnixUs(1_795_399_200_000_000)


def by_partition(cuts: list[Cut]) -> dict[Partition, list[FrameRecord]]:
    placed: dict[Partition, list[FrameRecord]] = defaultdict(list)
    for cut in cuts:
        placed[cut.partition] += cut.frame.records
    return placed


@pytest.mark.parametrize(
    ("record", "topic", "routed_by"),
    [
        (a_status("VNM"), "ssi.ticks", "VNM"),
        (a_bar("VNM"), "ssi.ticks", "VNM"),
        (a_foreign("VNM"), "ssi.foreign", "VNM"),
        (an_index("VN30"), "ssi.indices", "VN30"),
        (an_index("VNNEWINDEX"), "ssi.indices", "VNNEWINDEX"),
        (a_bar("VNINDEX"), "ssi.indices", "VNINDEX"),
        (a_status("41I1GC000"), "ssi.indices", "VN30"),
        (a_foreign("41I1GC000"), "ssi.indices", "VN30"),
        (a_bar("41I2GC000"), "ssi.indices", "VN100"),
    ],
)
def test_a_record_goes_to_the_topic_and_shard_of_its_kind(record: SsiRecord, topic: str, routed_by: str) -> None:
    assert partitions_of(record, SHARDS) == (Partition(topic, shard_of(routed_by, SHARDS)),)


def test_reference_goes_wherever_its_symbol_has_records() -> None:
    shard = shard_of("VNM", SHARDS)
    assert partitions_of(a_reference("VNM"), SHARDS) == (Partition("ssi.ticks", shard), Partition("ssi.foreign", shard))
    assert partitions_of(a_reference("41I1GC000"), SHARDS) == (Partition("ssi.indices", shard_of("VN30", SHARDS)),)


def test_a_clock_tick_goes_to_every_partition_of_the_record_topics() -> None:
    frames = FrameBuilder("a", SHARDS)
    frames.begin(1)
    frames.add_clock(a_tick(5), NOW)
    placed = by_partition(frames.flush())
    assert set(placed) == {Partition(topic, n) for topic in ("ssi.ticks", "ssi.foreign", "ssi.indices") for n in range(SHARDS)}
    assert all(records == [a_tick(5)] for records in placed.values())


def test_a_frame_is_cut_when_it_is_old_enough_or_full() -> None:
    frames = FrameBuilder("a", SHARDS)
    frames.begin(1)
    frames.add(a_status("VNM"), NOW)
    assert frames.due(UnixUs(NOW + FRAME_US - 1)) == []
    (cut,) = frames.due(UnixUs(NOW + FRAME_US))
    assert (cut.frame.recv_us, cut.frame.feed, cut.frame.epoch, cut.frame.seq) == (NOW, "a", 1, 0)
    for _ in range(FRAME_RECORDS + 1):
        frames.add(a_status("VNM"), NOW)
    (full,) = frames.due(NOW)
    assert len(full.frame.records) == FRAME_RECORDS
    assert [len(cut.frame.records) for cut in frames.flush()] == [1]
    assert frames.flush() == []


def test_a_clock_that_was_set_back_holds_no_frame_up() -> None:
    frames = FrameBuilder("a", SHARDS)
    frames.begin(1)
    frames.add(a_status("VNM"), NOW)
    (cut,) = frames.due(UnixUs(NOW - 3_600_000_000))
    assert len(cut.frame.records) == 1


def test_a_new_epoch_counts_from_0_and_leaves_the_old_one_whole() -> None:
    frames = FrameBuilder("a", SHARDS)
    frames.begin(1)
    for second in range(3):
        frames.add(a_status("VNM", second), NOW)
        frames.due(UnixUs(NOW + FRAME_US))
    frames.add(a_status("VNM", 3), NOW)
    frames.begin(2)
    frames.add(a_status("VNM", 4), NOW)
    assert [(cut.frame.epoch, cut.frame.seq) for cut in frames.flush()] == [(1, 3), (2, 0)]


Added = SsiRecord | ReferenceRecord | ClockTick
"""What a builder is handed; loss markers come after it, in the outbox."""
records = st.lists(
    st.one_of(
        st.builds(a_status, st.sampled_from(SYMBOLS), st.integers(0, 10**6)),
        st.builds(a_foreign, st.sampled_from(SYMBOLS)),
        st.builds(an_index, st.sampled_from(["VN30", "VNINDEX"])),
        st.builds(a_tick, st.integers(0, 100).map(lambda second: second * 1_000)),
        st.builds(a_reference, st.sampled_from(SYMBOLS[:6])),
    ),
    max_size=80,
)


pauses = st.lists(st.integers(0, 2 * FRAME_US), min_size=1, max_size=5)


def cut_up(added: list[Added], pauses_us: list[int]) -> list[Cut]:
    """Add records with a look at the clock after each, a pause apart."""
    frames = FrameBuilder("a", SHARDS)
    frames.begin(7)
    now, cuts = NOW, []
    for position, record in enumerate(added):
        if isinstance(record, ClockTick):
            frames.add_clock(record, now)
        else:
            frames.add(record, now)
        now = UnixUs(now + pauses_us[position % len(pauses_us)])
        cuts += frames.due(now)
    return cuts + frames.flush()


@given(
    records, st.lists(st.integers(0, 2 * FRAME_US), min_size=1, max_size=5), st.lists(st.integers(0, 2 * FRAME_US), min_size=1)
)
def test_wherever_it_is_cut_a_partition_holds_the_same_records(added: list[Added], some: list[int], others: list[int]) -> None:
    one, other = cut_up(added, some), cut_up(added, others)
    assert by_partition(one) == by_partition(other)
    assert sum(cut.records for cut in one) == sum(is_from_ssi(record) for record in added)


@given(records, pauses)
def test_every_partition_is_sequenced_without_a_hole_and_keyed_to_itself(added: list[Added], some: list[int]) -> None:
    seqs: dict[Partition, list[int]] = defaultdict(list)
    for cut in cut_up(added, some):
        seqs[cut.partition].append(cut.frame.seq)
        assert cut.key == shard_keys(SHARDS)[cut.partition.number]
        assert 0 < len(cut.frame.records) <= FRAME_RECORDS
    assert all(numbers == list(range(len(numbers))) for numbers in seqs.values())


healths = st.sampled_from(["up", "down"])


@given(
    st.lists(st.one_of(st.builds(a_status, st.sampled_from(SYMBOLS)), st.none(), healths), max_size=60),
    st.integers(1, 20),
    pauses,
)
def test_whatever_ticks_are_left_out_a_reader_knows_the_time_of_each_record_and_how_the_feed_was(
    added: list[SsiRecord | str | None], step: int, pauses_us: list[int]
) -> None:
    all_of_them: list[Added] = []
    health: Any = "up"
    for second, each in enumerate(added):
        if isinstance(each, str):
            health = each
        all_of_them += [
            a_tick(second * 1_000, health=health, step=step),
            *([each] if each is not None and not isinstance(each, str) else []),
        ]
    placed = by_partition(cut_up(all_of_them, pauses_us))
    for partition, held in placed.items():
        told, whole = (
            what_a_reader_knows(held),
            what_a_reader_knows(
                [each for each in all_of_them if isinstance(each, ClockTick) or partition in partitions_of(each, SHARDS)]
            ),
        )
        assert told == whole
        due = {each.ts_ms for each in all_of_them if isinstance(each, ClockTick) and each.ts_ms % each.step_ms == 0}
        assert due <= {each.ts_ms for each in held if isinstance(each, ClockTick)}


def what_a_reader_knows(held: list[Any]) -> list[tuple[object, ...]]:
    """Each record with the newest tick before it, and of each stretch of one health its first and last second."""
    known: list[tuple[object, ...]] = []
    ticks: list[ClockTick] = []
    for record in held:
        if isinstance(record, ClockTick):
            if ticks and ticks[-1].health != record.health:
                known += [("from", ticks[0].ts_ms), ("until", ticks[-1].ts_ms)]
                ticks = []
            ticks.append(record)
        else:
            known.append((record, ticks[-1]))
    return [*known, ("from", ticks[0].ts_ms), ("until", ticks[-1].ts_ms)] if ticks else known


@given(records)
def test_a_partition_keeps_the_order_of_arrival(added: list[Added]) -> None:
    placed = by_partition(cut_up(added, [1_000]))
    for partition, held in placed.items():
        expected = [record for record in added if isinstance(record, ClockTick) or partition in partitions_of(record, SHARDS)]
        assert held == expected
