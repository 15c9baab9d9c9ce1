"""Every record on the topics against every record that was put on a connection."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import pytest

from connectors.ssi.core.frames import FrameBuilder
from connectors.ssi.simulator.core.journal import SentLine
from connectors.ssi.simulator.core.truth import ConnectionStatus, Ending, SimulatorStatus
from connectors.ssi.simulator.core.wire import broadcast
from schemas.instruments import routing_key
from schemas.position import Partition
from schemas.records import SsiRecord
from schemas.shards import shard_of
from schemas.structs import Frame
from schemas.units import Symbol, UnixMs, UnixUs
from stock_tracker.verify.core.marks import SentReader
from stock_tracker.verify.core.published import Epoch, Published
from stock_tracker.verify.core.records import RecordsReport, compare_records, refused
from tests.builders import a_bar, a_dead_letter, changed
from tests.proof import usually

SHARDS = 2
MANY = usually(900, proving=90_000)
"""Records on a connection that ended."""


def a_line(n: int, data_type: str = "X-QUOTE", symbol: str = "VNM", *, at: int | None = None, state: str = "good") -> SentLine:
    """A record as the simulator tells that it put it on a connection; no two are equal unless ``at`` is the same."""
    at = n if at is None else at
    time = f"{10 + at // 3600 % 4:02}:{at // 60 % 60:02}:{at % 60:02}"
    content: dict[str, str | float] = {
        "TradingDate": "20/11/2026",
        "Time": time,
        "Exchange": "HOSE",
        "MarketId": "HOSE",
        "Symbol": symbol,
    }
    fields: dict[str, dict[str, str | float]] = {
        "X-TRADE": {"LastPrice": 6e4, "LastVol": 100.0, "TotalVol": 100.0 * (at + 1), "TotalVal": 6e6 * (at + 1)},
        "X-QUOTE": {"BidPrice1": 60000.0, "BidVol1": float(at + 1), "AskPrice1": 60100.0, "AskVol1": 5.0},
        "R": {"BuyVol": 100.0 * at, "SellVol": 0.0, "BuyVal": 6e6 * at, "SellVal": 0.0, "CurrentRoom": 1e6, "TotalRoom": 1e7},
        "F": {"TradingSession": "LO", "TradingStatus": f"N{at}"[:16]},
    }
    content |= fields[data_type]
    argument = broadcast(data_type, json.dumps(content))
    return SentLine(n=n, place=n, state=state, argument=argument)  # type: ignore[arg-type]


def a_bar_after(line: SentLine, n: int) -> SentLine:
    """The ``B`` that follows a match."""
    return SentLine(n=n, place=line.place, state="good", argument=None, derived="B", follows=line.argument)


def garbled(n: int) -> SentLine:
    return SentLine(n=n, place=n, state="garbled", argument=None)


def a_connection(
    number: int, lines: Sequence[SentLine], *, ended: Ending | None = None, read: int | None = None
) -> ConnectionStatus:
    """Connections are opened at 1,000, 2,000, …, and the epochs of the connector follow 5 ms later."""
    return ConnectionStatus(
        id=number, connection_id=str(number), opened_ms=UnixMs(1), upgraded_ms=UnixMs(1_000 * number), subscribed_ms=UnixMs(1),
        channels="ALL", closed_ms=UnixMs(2) if ended else None, ended=ended,
        sent={}, records=len(lines), put=len(lines), read=len(lines) if read is None else read, skipped=0, malformed=0,
    )  # fmt: skip


def epoch_of(number: int, feed: str = "a") -> Epoch:
    return Epoch(feed, 1_000 * number + 5)


def records_of(lines: Iterable[SentLine]) -> list[SsiRecord]:
    """What a connector makes of what was put on a connection."""
    reader = SentReader()
    records = list[SsiRecord]()
    for line in lines:
        if line.derived == "B":
            assert line.follows is not None
            (match,) = records_of([SentLine(n=0, place=0, state="good", argument=line.follows)])
            records.append(changed(a_bar(symbol=match.symbol), trading_day=match.trading_day, ts_ms=match.ts_ms))
        elif line.state == "good":
            _, record = reader.read(line)
            assert record is not None
            records.append(record)
    return records


class Topics:
    """The topics, filled as the connector fills them."""

    def __init__(self) -> None:
        self.published = Published()
        self._frames: dict[Partition, list[Frame]] = {}

    def publish(self, epoch: Epoch, records: Iterable[SsiRecord], letters: int = 0) -> None:
        builder = FrameBuilder(epoch.feed, SHARDS)
        builder.begin(epoch.ms)
        for record in records:
            builder.add(record, UnixUs(0))
        for cut in builder.flush():
            frames = self._frames.setdefault(cut.partition, [])
            self.published.see(cut.partition, len(frames), cut.frame)
            frames.append(cut.frame)
        for offset in range(letters):
            self.published.reject(a_dead_letter("ssi", feed=epoch.feed, epoch=epoch.ms), offset)

    def again(self, partition: Partition) -> Iterator[tuple[int, Frame]]:
        return iter(enumerate(self._frames.get(partition, [])))


def compared(
    topics: Topics,
    sent: Mapping[int, Sequence[SentLine]],
    connections: Sequence[ConnectionStatus],
    connects: Mapping[Epoch, int] | None = None,
) -> RecordsReport:
    status = SimulatorStatus(state="held", market_ms=UnixMs(1), told_ms=UnixMs(9_000), connections=list(connections), records=0)
    return compare_records(status, topics.published, lambda number: sent[number], topics.again, connects or {})


def shard(symbol: str) -> int:
    return shard_of(routing_key(Symbol(symbol)), SHARDS)


def kinds(report: RecordsReport) -> list[str]:
    return sorted(difference.kind for difference in report.differences)


MIXED = [
    a_line(0, "X-TRADE"), a_bar_after(a_line(0, "X-TRADE"), 1), a_line(2), a_line(3, "R"), garbled(4),
    a_line(5, "X-TRADE", "HPG"), a_line(6, "F", "HPG"), a_line(7), a_line(8, "X-QUOTE", "HPG"),
    a_bar_after(a_line(9, "X-TRADE"), 9), a_line(10, "R", "HPG"),
]  # fmt: skip
"""Of several kinds and symbols."""


def test_what_was_put_on_open_connections_is_published_whole() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of(MIXED), letters=1)
    report = compared(topics, {1: MIXED}, [a_connection(1, MIXED)])
    assert (report.differences, report.excused, report.put, report.published) == ([], [], 11, 11)


@pytest.mark.parametrize("ended", ["dropped", "server_closed", "client_closed"])
def test_records_that_a_client_read_and_that_never_came_are_lost_however_many_came_of_another_connection(ended: Ending) -> None:
    sent = {1: [a_line(n) for n in range(MANY)], 2: [a_line(n, at=MANY + n) for n in range(MANY // 9)]}
    topics = Topics()
    topics.publish(epoch_of(2), records_of(sent[2]))
    report = compared(topics, sent, [a_connection(1, sent[1], ended=ended), a_connection(2, sent[2])], {epoch_of(2): 2})
    assert kinds(report) == ["lost_records"]
    assert f"{MANY} are missing" in report.differences[0].detail
    assert report.excused == []


def test_a_quote_that_is_lost_in_the_middle_of_a_connection_is_named() -> None:
    lines = [a_line(n, "X-QUOTE", "VNM" if n % 2 else "HPG") for n in range(20)]
    topics = Topics()
    topics.publish(epoch_of(1), records_of([line for line in lines if line.n != 7]))
    report = compared(topics, {1: lines}, [a_connection(1, lines, ended="reset", read=5)])
    (lost,) = report.differences
    assert (lost.kind, lost.symbol) == ("lost_records", "VNM")
    assert "1 are missing" in lost.detail
    assert "number 7" in lost.detail
    assert report.excused == []


def test_a_bar_that_is_published_twice_is_named_with_its_place() -> None:
    records = records_of(MIXED)
    topics = Topics()
    topics.publish(epoch_of(1), [*records[:2], records[1], *records[2:]], letters=1)
    report = compared(topics, {1: MIXED}, [a_connection(1, MIXED)])
    (doubled,) = report.differences
    assert (doubled.kind, doubled.symbol) == ("doubled_records", "VNM")
    assert doubled.position is not None
    assert doubled.position.message.topic == "ssi.ticks"


def test_the_end_of_an_open_connection_has_to_be_there() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of(MIXED[:-2]), letters=1)
    report = compared(topics, {1: MIXED}, [a_connection(1, MIXED, read=2)])
    assert kinds(report) == ["lost_records", "lost_records"]
    assert all("is open" in difference.detail for difference in report.differences)


def test_a_record_that_was_never_sent_is_named() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of([*MIXED[:3], a_line(99), *MIXED[3:]]), letters=1)
    report = compared(topics, {1: MIXED}, [a_connection(1, MIXED)])
    assert kinds(report) == ["unknown_records"]


def test_a_record_that_is_published_as_one_of_another_connection_is_missing_there_and_unknown_here() -> None:
    sent = {1: [a_line(n) for n in range(10)], 2: [a_line(n, at=10 + n) for n in range(10)]}
    topics = Topics()
    topics.publish(epoch_of(1), records_of(sent[1][:-1]))
    topics.publish(epoch_of(2), records_of([sent[1][-1], *sent[2]]))
    report = compared(topics, sent, [a_connection(1, sent[1], ended="dropped"), a_connection(2, sent[2])], {epoch_of(2): 2})
    assert kinds(report) == ["lost_records", "unknown_records"]


def test_records_in_another_order_are_named() -> None:
    lines = [a_line(n) for n in range(5)]
    topics = Topics()
    topics.publish(epoch_of(1), records_of([lines[0], lines[2], lines[1], *lines[3:]]))
    report = compared(topics, {1: lines}, [a_connection(1, lines)])
    assert kinds(report) == ["misordered_records"]
    assert "number 1" in report.differences[0].detail


def test_a_connection_that_the_simulator_never_had_is_named() -> None:
    topics = Topics()
    topics.publish(Epoch("a", 10), records_of(MIXED[:1]))
    topics.publish(epoch_of(1), records_of(MIXED), letters=1)
    assert kinds(compared(topics, {1: MIXED}, [a_connection(1, MIXED)])) == ["unknown_records"]


@pytest.mark.parametrize("ended", ["reset", "dropped", "client_closed", "server_closed"])
def test_what_the_client_had_not_read_is_excused_with_the_connection_and_counted(ended: Ending) -> None:
    lines = [a_line(n, "X-TRADE") for n in range(10)]
    topics = Topics()
    topics.publish(epoch_of(1), records_of(lines[:8]))
    report = compared(topics, {1: lines}, [a_connection(1, lines, ended=ended, read=6)])
    assert report.differences == []
    assert [(one.connection, one.reason, one.records) for one in report.excused] == [(1, "unread", 2)]
    assert report.lost.prints == {(1, ("VNM", 900, 100)), (1, ("VNM", 1000, 100))}


@pytest.mark.parametrize(
    ("ended", "next_connects", "reasons"),
    [
        ("reset", None, {"killed": 2, "unread": 1}),
        ("reset", 1, {"killed": 2, "unread": 1}),
        ("dropped", 1, {"killed": 2, "unread": 1}),
        ("reset", 2, {"unread": 1}),
        ("dropped", 2, {"unread": 1}),
        ("dropped", None, {"unread": 1}),
        ("client_closed", 1, {"unread": 1}),
    ],
)
def test_what_was_read_is_excused_only_if_its_reader_died(
    ended: Ending, next_connects: int | None, reasons: dict[Literal["killed", "unread"], int]
) -> None:
    lines = [a_line(n) for n in range(10)]
    topics = Topics()
    topics.publish(epoch_of(1), records_of(lines[:7]))
    topics.publish(epoch_of(2), [])
    sent: dict[int, list[SentLine]] = {1: lines, 2: [a_line(0, at=50)]}
    topics.publish(epoch_of(2), records_of(sent[2]))
    connects = {} if next_connects is None else {epoch_of(2): next_connects}
    report = compared(topics, sent, [a_connection(1, lines, ended=ended, read=9), a_connection(2, sent[2])], connects)
    assert {one.reason: one.records for one in report.excused} == reasons
    assert kinds(report) == ([] if "killed" in reasons else ["lost_records"])


def test_a_record_of_one_symbol_is_not_excused_if_a_later_one_of_another_symbol_on_its_shard_came() -> None:
    """The records of a shard go to Kafka one after the other: the connector cannot have lost the first and kept the second."""
    neighbour = next(name for name in ("HPG", "SSI", "VCB", "FPT", "VIC", "MSN") if shard(name) == shard("VNM"))
    lines = [a_line(0), a_line(1, symbol=neighbour), a_line(2)]
    topics = Topics()
    topics.publish(epoch_of(1), records_of([lines[0], lines[2]]))
    report = compared(topics, {1: lines}, [a_connection(1, lines, ended="reset", read=0)])
    assert kinds(report) == ["lost_records"]


def test_two_feeds_that_connect_at_once_are_told_apart_by_what_they_got() -> None:
    sent = {1: [a_line(n) for n in range(10)], 2: [a_line(n, at=5 + n) for n in range(10)]}
    for first, second in ((1, 2), (2, 1)):
        topics = Topics()
        topics.publish(Epoch("a", 2_005), records_of(sent[first]))
        topics.publish(Epoch("b", 2_006), records_of(sent[second]))
        assert compared(topics, sent, [a_connection(1, sent[1]), a_connection(2, sent[2])]).differences == []


def test_a_connection_of_which_nothing_came_does_not_take_the_name_of_the_next() -> None:
    sent = {1: [a_line(n) for n in range(10)], 2: [a_line(n, at=5 + n) for n in range(10)]}
    topics = Topics()
    topics.publish(epoch_of(2), records_of(sent[2]))
    report = compared(topics, sent, [a_connection(1, sent[1], ended="reset", read=3), a_connection(2, sent[2])])
    assert report.differences == []
    assert {(one.connection, one.reason): one.records for one in report.excused} == {(1, "unread"): 7, (1, "killed"): 3}


def test_a_connection_that_began_after_the_simulator_was_asked_is_left_out() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of(MIXED), letters=1)
    topics.publish(Epoch("a", 9_001), records_of(MIXED), letters=1)
    report = compared(topics, {1: MIXED}, [a_connection(1, MIXED)])
    assert (report.differences, report.put, report.published) == ([], 11, 11)


def test_a_dead_letter_that_no_fault_explains_is_named() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of(MIXED), letters=2)
    report = compared(topics, {1: MIXED}, [a_connection(1, MIXED)])
    assert kinds(report) == ["dead_letter"]
    assert "could not use 2 things" in report.differences[0].detail


def test_a_dead_letter_that_is_missing_is_a_lost_record() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of(MIXED))
    assert kinds(compared(topics, {1: MIXED}, [a_connection(1, MIXED)])) == ["lost_records"]


def test_an_answer_of_the_simulator_that_was_cut_short_is_named() -> None:
    topics = Topics()
    topics.publish(epoch_of(1), records_of(MIXED[:4]))
    assert kinds(compared(topics, {1: MIXED[:4]}, [a_connection(1, MIXED)])) == ["incomplete_truth"]


def test_dead_letters_of_other_processes_are_differences_each() -> None:
    (named,) = refused([a_dead_letter("ssi"), a_dead_letter("prices")])
    assert named.kind == "dead_letter"
    assert "prices, bad_field" in named.detail
    assert named.position is not None
    assert named.position.message.topic == "ssi.ticks"
