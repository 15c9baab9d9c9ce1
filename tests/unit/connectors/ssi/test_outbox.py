from hypothesis import given
from hypothesis import strategies as st

from connectors.ssi.core.frames import Cut
from connectors.ssi.core.outbox import Outbox, Outgoing
from schemas.position import Partition
from schemas.records import FrameRecord
from schemas.structs import Frame, LossMarker, StatusRecord
from schemas.topics import SSI_TICKS
from tests.builders import a_frame, a_loss, a_profile, a_reference, a_status, a_tick

ROOM = 10_000_000


def a_record(number: int) -> StatusRecord:
    return a_status(ts=number, session=None, status=None)


def a_cut(seq: int, records: list[FrameRecord], partition: int = 0) -> Cut:
    return Cut(Partition(SSI_TICKS.name, partition), f"s{partition}", a_frame(*records, seq=seq))


def taken(outbox: Outbox) -> list[Frame]:
    frames = []
    while (message := outbox.take()) is not None:
        frames.append(SSI_TICKS.decode(message.value))
    return frames


REFERENCE = a_reference(groups=["VN30"])
TICK = a_tick(0)


def test_what_fits_comes_out_as_it_went_in() -> None:
    outbox = Outbox(100, ROOM)
    cuts = [a_cut(n, [a_record(n), TICK]) for n in range(10)]
    for cut in cuts:
        outbox.put(cut)
    assert outbox.records == 20
    assert taken(outbox) == [cut.frame for cut in cuts]
    assert (outbox.records, outbox.dropped_records, len(outbox)) == (0, 0, 0)


def test_what_is_too_much_is_dropped_oldest_first_and_the_next_frame_says_so() -> None:
    outbox = Outbox(4, ROOM)
    for seq in range(5):
        outbox.put(a_cut(seq, [a_record(10 * seq), a_record(10 * seq + 1)]))
    assert outbox.dropped_records == 6
    survivor, last = taken(outbox)
    assert survivor.seq == 3
    assert survivor.records == [a_loss(21, records=6), a_record(30), a_record(31)]
    assert last.records == [a_record(40), a_record(41)]


def test_a_loss_is_told_in_its_own_partition_only() -> None:
    outbox = Outbox(2, ROOM)
    outbox.put(a_cut(0, [a_record(0)], partition=0))
    outbox.put(a_cut(0, [a_record(1)], partition=1))
    outbox.put(a_cut(1, [a_record(2)], partition=1))
    assert [len(frame.records) for frame in taken(outbox)] == [1, 1]
    outbox.put(a_cut(1, [a_record(3)], partition=0))
    (frame,) = taken(outbox)
    assert frame.records == [a_loss(0, records=1), a_record(3)]


def test_reference_records_of_a_dropped_frame_are_kept_and_clock_ticks_are_no_loss() -> None:
    outbox = Outbox(2, ROOM)
    outbox.put(a_cut(0, [TICK, REFERENCE, a_profile()]))
    outbox.put(a_cut(1, [a_record(1), a_record(2)]))
    (frame,) = taken(outbox)
    assert frame.records == [REFERENCE, a_profile(), a_record(1), a_record(2)]
    assert outbox.dropped_records == 0


def test_a_frame_that_kafka_refuses_is_a_loss_too() -> None:
    outbox = Outbox(100, ROOM)
    outbox.lose(a_cut(0, [a_loss(5, records=4), a_record(6)]))
    outbox.put(a_cut(1, [a_record(7)]))
    (frame,) = taken(outbox)
    assert frame.records[0] == a_loss(6, records=5)


def test_other_messages_are_bounded_by_bytes_and_counted_by_topic() -> None:
    outbox = Outbox(100, 1_000)
    for number in range(12):
        outbox.post(Outgoing("ssi.wire", None, bytes([number]) * 100))
    assert outbox.dropped_messages == {"ssi.wire": 2}
    first = outbox.take()
    assert first is not None
    assert first.value[0] == 2


def test_what_comes_once_is_dropped_after_what_is_evidence_only() -> None:
    outbox = Outbox(100, 1_000)
    outbox.post(Outgoing("ssi.reference", "VNM", b"r" * 100))
    outbox.post(Outgoing("ssi.dlq", "a", b"d" * 100))
    for _ in range(50):
        outbox.post(Outgoing("ssi.wire", None, b"w" * 100))
    assert outbox.dropped_messages == {"ssi.wire": 42}
    topics = [message.topic for message in iter(outbox.take, None)]
    assert topics == ["ssi.reference", "ssi.dlq", *["ssi.wire"] * 8]


def test_what_is_put_back_goes_next() -> None:
    outbox = Outbox(100, ROOM)
    for seq in range(2):
        outbox.put(a_cut(seq, [a_record(seq)]))
        outbox.post(Outgoing("ssi.wire", None, bytes([seq])))
    for _ in range(4):
        message = outbox.take()
        assert message is not None
        outbox.put_back(message)
        assert outbox.take() == message
    assert (outbox.records, outbox.bytes, len(outbox)) == (0, 0, 0)


def test_frames_go_before_the_rest() -> None:
    outbox = Outbox(100, ROOM)
    outbox.post(Outgoing("ssi.wire", None, b"{}"))
    outbox.put(a_cut(0, [a_record(0)]))
    topics = [message.topic for message in (outbox.take(), outbox.take()) if message]
    assert topics == ["ssi.ticks", "ssi.wire"]


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9), st.booleans()), max_size=60),
)
def test_every_record_comes_out_or_is_counted_in_its_partition(limit: int, steps: list[tuple[int, int, bool]]) -> None:
    outbox = Outbox(limit, ROOM)
    put = [0, 0, 0]
    accounted = [0, 0, 0]
    number = 0

    def account() -> bool:
        message = outbox.take()
        if message is None:
            return False
        assert message.cut is not None
        for record in SSI_TICKS.decode(message.value).records:
            told = record.records if isinstance(record, LossMarker) else 1
            accounted[message.cut.partition.number] += told
        return True

    for partition, count, take in steps:
        outbox.put(a_cut(0, [a_record(number + n) for n in range(count)], partition))
        put[partition] += count
        number += count
        if take:
            account()
    while account():
        pass
    untold = sum(put) - sum(accounted)
    assert 0 <= untold <= outbox.dropped_records
    # Whatever is not told yet is told by the next frame of each partition.
    for partition in range(3):
        outbox.put(a_cut(9, [a_record(0)], partition))
        put[partition] += 1
        account()
    assert accounted == put
