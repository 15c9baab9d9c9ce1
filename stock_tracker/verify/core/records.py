"""Every record of every kind against what the simulator put on its connections: none is lost, doubled, unknown or out of order.

The connector hands the records of a connection on in the order in which it reads them, those of each partition in one stream. So
what a partition holds of a connection must be exactly what the simulator put on it for that partition, from the first on. What is
missing at the end is excused in two cases, and counted:

- *unread*: the client has not read it for certain (:attr:`~connectors.ssi.simulator.core.truth.ConnectionStatus.read`), and the
  connection has ended;
- *killed*: it was read, but whoever read it died before Kafka had it.

Nothing else is: not a record in the middle, and not one that a client has read that lived on. Pure.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from connectors.ssi.simulator.core.records import PUT_THROUGH
from connectors.ssi.simulator.core.truth import ConnectionStatus, SimulatorStatus
from schemas.plain_text import harmless
from schemas.position import Partition, Position
from schemas.records import SsiRecord
from schemas.structs import DeadLetter, ForeignRecord, Frame, TradeRecord
from stock_tracker.verify.core.connections import ConnectionFollower, SentOn, assigned, partition_of
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.explained import ExplainedLoss, FoundThing, SentThing, explain
from stock_tracker.verify.core.ledger import CounterKey
from stock_tracker.verify.core.marks import SentReader, mark
from stock_tracker.verify.core.published import CONNECTOR, DEAD_LETTERS, Epoch, Published, said_by_ssi
from stock_tracker.verify.core.tape import PrintKey

MOST_EXPLAINED: Final = 8
"""Partitions of connections that are read again to say how they differ; of others it is only said that they do."""

FramesOf = Callable[[Partition], Iterable[tuple[int, Frame]]]
"""Reads the frames of a partition again, each with its offset."""
Reason = Literal["unread", "killed"]
"""Why records are excused that were sent and not published."""


class Excused(NamedTuple):
    """Records that were lost with their connection, as records may be."""

    connection: int
    """The simulator's number of the connection."""
    reason: Reason
    records: int

    def __str__(self) -> str:
        told = {
            "unread": "were put on it, and its client did not read them before it ended",
            "killed": "were read, and whoever read them died before they were published",
        }
        return f"{self.records:,} records on connection {self.connection} {told[self.reason]}"


@dataclass
class LostWithConnection:
    """Which records of prints, deals and foreigners those are, each with the connection that it was lost with."""

    prints: set[tuple[int, PrintKey]] = field(default_factory=set)
    deals: set[tuple[int, PrintKey]] = field(default_factory=set)
    foreign: set[tuple[int, CounterKey]] = field(default_factory=set)

    def add(self, connection: int, record: SsiRecord | None) -> None:
        """Note a record that was lost with a connection; None, and records of other kinds, are left out."""
        if isinstance(record, ForeignRecord):
            self.foreign.add((connection, (record.symbol, record.bought, record.sold)))
        elif isinstance(record, TradeRecord) and record.volume:
            lost = self.deals if record.session == PUT_THROUGH else self.prints
            lost.add((connection, (record.symbol, record.total_volume, record.volume)))


@dataclass
class RecordsReport:
    """What became of the records."""

    put: int = 0
    """All that was put on connections and that a client has to publish or to reject."""
    published: int = 0
    """Records on the ``ssi.*`` topics, and the connector's dead letters."""
    excused: list[Excused] = field(default_factory=list)
    lost: LostWithConnection = field(default_factory=LostWithConnection)
    """What of the excused ones other comparisons have to know."""
    differences: list[Difference] = field(default_factory=list)

    def count(self, reason: Reason) -> int:
        """How many records are excused for a reason."""
        return sum(one.records for one in self.excused if one.reason == reason)


def compare_records(
    status: SimulatorStatus,
    published: Published,
    sent: SentOn,
    frames: FramesOf,
    connects: Mapping[Epoch, int],
) -> RecordsReport:
    """Compare all that was put on connections with all that was published.

    Args:
        status: All connections that the simulator had by then; what was published of later ones is left out.
        published: What is on the topics.
        sent: Tells what was put on a connection.
        frames: Reads a partition again, where it differs.
        connects: Of the connections of which that is known, how many its process had made by then: 1 for the first after a start.
    """
    connections = status.connections
    for later in [one for one in published.streams if one.ms > status.told_ms]:
        published.leave_out(later)
    report = RecordsReport(put=sum(connection.put for connection in connections), published=published.records)
    epochs = assigned(connections, published, sent)
    explainer = _Explainer(published, sent, frames)
    for connection in connections:
        epoch = epochs.get(connection.id)
        _Comparison(connection, epoch, published, _has_died(connection, epoch, published, connects)).run(report, sent, explainer)
    for epoch in published.streams.keys() - set(epochs.values()):
        for partition, digest in published.streams[epoch].items():
            said = f"{digest.count} on {partition} are of feed {epoch.feed}'s connection of {epoch.ms}, which never was"
            report.differences.append(Difference("unknown_records", "", said, published.first[epoch, partition]))
    for marked, position in published.scattered:
        said = f"its {marked.data_type} are on two partitions, so that nobody can tell their order"
        report.differences.append(Difference("misplaced_records", marked.symbol, said, position))
    return report


def _has_died(connection: ConnectionStatus, epoch: Epoch | None, published: Published, connects: Mapping[Epoch, int]) -> bool:
    """Whether the process that had a connection died before it could publish what it had read.

    It did not if it closed the connection itself, or if the next connection of its feed was its own too. Where that is not known
    it is taken to have died only if its socket went without a close frame, and not if the simulator ended the connection.
    """
    if connection.ended is None or connection.ended == "client_closed":
        return False
    since_ms = connection.upgraded_ms if epoch is None else epoch.ms
    later = sorted(other for other in published.streams if other.ms > since_ms and (epoch is None or other.feed == epoch.feed))
    known = [connects[other] for other in later[:1] if other in connects]
    return known[0] == 1 if known else connection.ended == "reset"


@dataclass
class _Tail:
    """What of one partition is missing at its end."""

    excused: dict[Reason, int] = field(default_factory=dict)
    lost: LostWithConnection = field(default_factory=LostWithConnection)
    owed: int = 0
    """How many of them must have been published."""
    first: SentThing | None = None
    """The first of these."""


class _Comparison:
    """Compares one connection."""

    def __init__(self, connection: ConnectionStatus, epoch: Epoch | None, published: Published, has_died: bool) -> None:
        self._connection = connection
        self._epoch = epoch
        self._published = published
        self._has_died = has_died
        self._tails: dict[Partition, _Tail] = {}

    def run(self, report: RecordsReport, sent: SentOn, explainer: "_Explainer") -> None:
        """Compare it, and add to the report what comes of it."""
        follower, reader = ConnectionFollower(self._published, self._epoch), SentReader()
        told = 0
        for line in sent(self._connection.id):
            told += 1
            marked, record = reader.read(line)
            partition = partition_of(marked, record, self._published)
            if not follower.is_published(partition, marked):
                self._miss(partition, SentThing(line.n, marked), record)
        if told < self._connection.put:
            said = (
                f"of the {self._connection.put} things on connection {self._connection.id} the simulator tells {told}: ask again"
            )
            report.differences.append(Difference("incomplete_truth", "", said, None))
        for partition in follower.wrong:
            self._correct(partition, follower, report, sent, explainer)
        excused: dict[Reason, int] = {"unread": 0, "killed": 0}
        for partition, tail in self._tails.items():
            for reason, count in tail.excused.items():
                excused[reason] += count
            report.lost.prints |= tail.lost.prints
            report.lost.deals |= tail.lost.deals
            report.lost.foreign |= tail.lost.foreign
            if tail.first is not None:
                report.differences.append(self._owed(partition, tail, tail.first))
        report.excused += [Excused(self._connection.id, reason, count) for reason, count in excused.items() if count]

    def _miss(self, partition: Partition, one: SentThing, record: SsiRecord | None) -> None:
        """Take note of a thing that was sent after the last that was published."""
        if one.n >= self._connection.put:
            # It was put there after the simulator was asked how much that is, and may be on its way.
            return
        tail = self._tails.setdefault(partition, _Tail())
        reason = self._excuse(one.n)
        if reason is None:
            tail.owed += 1
            tail.first = tail.first or one
        else:
            tail.excused[reason] = tail.excused.get(reason, 0) + 1
            tail.lost.add(self._connection.id, record)

    def _excuse(self, n: int) -> Reason | None:
        if self._connection.ended is None:
            return None
        if n >= self._connection.read:
            return "unread"
        return "killed" if self._has_died else None

    def _correct(
        self, partition: Partition, follower: ConnectionFollower, report: RecordsReport, sent: SentOn, explainer: "_Explainer"
    ) -> None:
        """Say how a partition differs, and find out what is missing at its end."""
        self._tails.pop(partition, None)
        if partition == DEAD_LETTERS:
            report.differences.append(self._too_many_letters(follower))
            return
        where = f"connection {self._connection.id} on {partition}"
        told = None if self._epoch is None else explainer.explain(self._connection.id, self._epoch, partition, where)
        if told is None:
            report.differences.append(Difference("wrong_records", "", f"{where}: what is published is not what was sent", None))
            return
        report.differences += told.differences
        reader = SentReader()
        for line in sent(self._connection.id):
            marked, record = reader.read(line)
            if line.n > told.last and partition_of(marked, record, self._published) == partition:
                self._miss(partition, SentThing(line.n, marked), record)

    def _too_many_letters(self, follower: ConnectionFollower) -> Difference:
        published, put = follower.counts(DEAD_LETTERS)
        said = (
            f"connection {self._connection.id}: the connector could not use {published} things, "
            f"and the simulator garbled {put} on purpose"
        )
        first = None if self._epoch is None else self._published.first[self._epoch, DEAD_LETTERS]
        return Difference("dead_letter", "", said, first)

    def _owed(self, partition: Partition, tail: _Tail, first: SentThing) -> Difference:
        ended = self._connection.ended
        why = "is open" if ended is None else f"ended ({ended}), but only after its client had read them"
        said = (
            f"connection {self._connection.id} {why}: {tail.owed} are missing at the end of {partition}, "
            f"the first {first.mark.data_type} {first.mark.symbol}, number {first.n}"
        )
        return Difference("lost_records", first.mark.symbol, said, None)


class _Explainer:
    """Reads partitions again, as often as is worth while."""

    def __init__(self, published: Published, sent: SentOn, frames: FramesOf) -> None:
        self._published = published
        self._sent = sent
        self._frames = frames
        self._left = MOST_EXPLAINED

    def explain(self, connection: int, epoch: Epoch, partition: Partition, where: str) -> ExplainedLoss | None:
        """Say how a partition differs; None where enough were explained."""
        if self._left == 0:
            return None
        self._left -= 1
        return explain(where, self._sent_there(connection, partition), self._found(epoch, partition))

    def _sent_there(self, connection: int, partition: Partition) -> Iterable[SentThing]:
        reader = SentReader()
        for line in self._sent(connection):
            marked, record = reader.read(line)
            if partition_of(marked, record, self._published) == partition:
                yield SentThing(line.n, marked)

    def _found(self, epoch: Epoch, partition: Partition) -> list[FoundThing]:
        return [
            FoundThing(EventPosition(Position(partition.topic, partition.number, offset), idx), mark(record))
            for offset, frame in self._frames(partition)
            if Epoch(frame.feed, frame.epoch) == epoch
            for idx, record in said_by_ssi(frame)
        ]


def refused(dead_letters: Iterable[DeadLetter]) -> list[Difference]:
    """The dead letters of the pipelines and of the sink: no fault of the simulator explains one."""
    differences = []
    for letter in dead_letters:
        if letter.source == CONNECTOR:
            continue
        position = (
            None
            if letter.topic is None
            else EventPosition(Position(letter.topic, letter.partition or 0, letter.offset or 0), letter.idx or 0)
        )
        said = harmless(f"{letter.source}, {letter.reason}: {letter.detail}")
        differences.append(Difference("dead_letter", "", said, position))
    return differences
