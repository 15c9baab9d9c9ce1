"""The verification of one stack: read its topics and its tables, and compare them with the simulator's truth."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from clickhouse_connect.driver.client import Client

from connectors.ssi.simulator.core.truth import SimulatorStatus
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.position import Partition
from schemas.structs import DeadLetter, Frame
from schemas.topics import RECORD_TOPICS, SSI_DLQ, SSI_STATUS
from stock_tracker.explain.run import Explainer
from stock_tracker.explain.sources import KafkaTopics
from stock_tracker.verify.core.against_truth import TruthComparison
from stock_tracker.verify.core.connections import SentOn
from stock_tracker.verify.core.deals import DealsReport
from stock_tracker.verify.core.differences import Difference, each_kind_first
from stock_tracker.verify.core.ledger import LedgerReport
from stock_tracker.verify.core.numbers import NEVER_JUDGED, NotJudged
from stock_tracker.verify.core.published import CONNECTOR, Epoch, Published
from stock_tracker.verify.core.records import FramesOf, RecordsReport, compare_records, refused
from stock_tracker.verify.core.tape import TapeReport
from stock_tracker.verify.core.verdict import by_reason, compared_anything
from stock_tracker.verify.delivery import compare_delivery
from stock_tracker.verify.evidence import evidence_of
from stock_tracker.verify.gateway import compare_gateway
from stock_tracker.verify.rows import ArchiveTables
from stock_tracker.verify.shards import ByShard, KafkaLogs, read_latest
from stock_tracker.verify.topics import read_topic
from stock_tracker.verify.truth import TruthFile

MOST_SHOWN = 20
"""How many differences are listed; the others are only counted."""
FILLED_BY_A_MORNING = ("trades", "prices_daily", "foreign_ledger", "indices", "basis", "alerts")
"""Tables in which a simulated morning with its stories always leaves something."""


@dataclass
class PublishedRecords:
    """What is on the ``ssi.*`` topics, in a few numbers."""

    published: Published = field(default_factory=Published)
    refused: list[DeadLetter] = field(default_factory=list)
    """The dead letters of the pipelines and of the sink."""
    connects: dict[Epoch, int] = field(default_factory=dict)
    """How many connections a process had made when it made one of these, as far as ``ssi.status`` still tells."""


@dataclass
class Verification:
    """What was compared, and how it came out."""

    records: RecordsReport
    tape: TapeReport
    deals: DealsReport
    ledger: LedgerReport
    alerts: int
    """Events on ``market.alerts``."""
    archive_rows: dict[str, int]
    """How many rows the archive has, by table."""
    differences: list[Difference]
    compared: dict[str, int] = field(default_factory=dict)
    """How much was compared beside the truth: messages folded again and what came of them, frames, events, rows of ``state.*``,
    derived rows, rows of the gateway."""
    not_judged: list[NotJudged] = field(default_factory=list)
    """Numbers that could not be checked, because the day's records can be read in more than one way."""
    evidence: dict[int, list[str]] = field(default_factory=dict)
    """What came of the records at the places of the first differences, by the number of the difference."""

    @property
    def reconciled(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    def as_json(self) -> dict[str, object]:
        """The figures, and the first differences."""
        tape, deals = asdict(self.tape), asdict(self.deals)
        del tape["differences"], deals["differences"]
        return {
            "ticks_sent": self.records.put,
            "ticks_received": self.records.published,
            "excused": [excused._asdict() for excused in self.records.excused],
            "prints": self.tape.booked,
            "missed_volume": self.tape.missed_volume,
            "foreign_entries": self.ledger.entries,
            "foreign_bought": self.ledger.bought,
            "foreign_sold": self.ledger.sold,
            "alerts": self.alerts,
            "archive_rows": self.archive_rows,
            "reconciled": self.reconciled,
            "compared": self.compared,
            "not_judged": [asdict(left_out) for left_out in by_reason(self.not_judged)],
            "never_judged": list(NEVER_JUDGED),
            "tape": tape,
            "deals": deals,
            "differences": [
                difference.as_json() | {"evidence": self.evidence.get(number, [])}
                for number, difference in enumerate(self.differences[:MOST_SHOWN])
            ],
            "difference_count": len(self.differences),
        }

    def sentences(self) -> Iterator[str]:
        """The same for people, a line each; the verdict comes last."""
        tape, ledger = self.tape, self.ledger
        records, deals = self.records, self.deals
        yield f"Records: {records.put:,} put on sockets, {records.published:,} on the ssi.* topics"
        for excused in records.excused:
            yield f"Excused: {excused}"
        yield (
            f"Prints: {tape.sent:,} sent, {tape.booked:,} booked; {tape.withheld:,} withheld and {tape.lost:,} lost with a "
            f"connection make {tape.missed_volume:,} shares in gaps"
        )
        if deals.sent or deals.booked:
            yield f"Put-through deals: {deals.sent:,} sent, {deals.booked:,} booked"
        yield f"Foreign ledger: {ledger.entries:,} entries, {ledger.bought:,} shares bought, {ledger.sold:,} sold"
        yield "Archive rows: " + ", ".join(f"{table} {count:,}" for table, count in self.archive_rows.items())
        yield "Compared: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.compared.items())
        for left_out in by_reason(self.not_judged):
            yield f"Not judged: {left_out}"
        for number, difference in enumerate(self.differences[:MOST_SHOWN]):
            yield f"✗ {difference}"
            yield from self.evidence.get(number, ())
        if len(self.differences) > MOST_SHOWN:
            yield f"✗ … and {len(self.differences) - MOST_SHOWN:,} more"
        yield "Reconciled: everything is where it belongs, once" if self.reconciled else "NOT reconciled"


@dataclass(frozen=True)
class SimulatedDay:
    """What the simulator did, by its own account."""

    truth: TruthFile
    status: SimulatorStatus
    sent: SentOn
    """Tells what it put on a connection, by its number, one by one."""


def verify(
    simulated: SimulatedDay,
    kafka: Mapping[str, str],
    prefix: str,
    archive: Client,
    tell: Callable[[str], None],
    never_empty: Collection[str],
    gateway_url: str | None,
) -> Verification:
    """Compare the truth, the topics, the archive and what the gateway shows.

    Args:
        simulated: What the simulator did.
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics.
        archive: A connection to the database with the tables.
        tell: Takes a line about what is going on.
        never_empty: Tables that must have a row.
        gateway_url: Where the gateway of these topics is; None when there is none to ask.

    Raises:
        FoldError: The terms of a shard are nothing that this release can use.
        InvalidMessage: A topic holds something that is not its own.
        KafkaUnavailable: Kafka stopped answering.
        NewerMessage: A newer release wrote one of the topics.
    """
    tell("Reading the ssi.* topics")
    found = _read_published(kafka, prefix)

    tell("Comparing record by record what was put on each connection with what was published of it")
    records = compare_records(simulated.status, found.published, simulated.sent, _frames_again(kafka, prefix), found.connects)
    differences = [*records.differences, *refused(found.refused)]

    delivery = compare_delivery(kafka, prefix, tell)
    differences += delivery.differences

    against = TruthComparison(simulated.truth.header.trading_day, records.lost)
    logs, tables = KafkaLogs(kafka, prefix), ArchiveTables(archive)
    checked = ByShard(logs, tables, read_latest(kafka, prefix), simulated.truth, against, found.published.by_shard())
    checked.compared["messages_folded_again"] = delivery.folded
    checked.compared["messages_delivered"] = delivery.compared.total()
    differences += checked.compare(tell)
    differences += compared_anything(against.tape.sent, records.published)
    checked.not_judged += against.ledger.not_judged
    checked.not_judged += [
        NotJudged(", ".join(map(str, left_out.places)), "", left_out.reason) for left_out in delivery.not_judged
    ]
    if gateway_url is not None:
        tell("Comparing what the gateway shows with the topics")
        wrong, checked.compared["gateway_rows"] = compare_gateway(gateway_url, kafka, prefix, checked.recent)
        differences += wrong
    else:
        checked.not_judged.append(NotJudged("gateway", "", "nothing says where the gateway of these topics is: set GATEWAY_PORT"))
    differences += [
        Difference("empty_table", "", f"{table} has no row", None, table)
        for table in never_empty
        if not checked.archive_rows[table]
    ]
    differences = each_kind_first(differences)
    if differences:
        tell("Looking for the evidence behind the first differences")
    evidence = evidence_of(differences[:MOST_SHOWN], _explained_by(kafka, prefix, tell))
    return Verification(
        records=records,
        tape=against.tape,
        deals=against.deals,
        ledger=against.ledger,
        alerts=checked.alerts,
        archive_rows=checked.archive_rows,
        differences=differences,
        not_judged=checked.not_judged,
        compared=dict(checked.compared),
        evidence=evidence,
    )


def _explained_by(kafka: Mapping[str, str], prefix: str, tell: Callable[[str], None]) -> Callable[[Difference], list[str]]:
    """Explains differences from the topics; what it reads for the first it keeps for the others."""
    known: list[Explainer] = []

    def explained(difference: Difference) -> list[str]:
        if not known:
            parameters = Parameters(PipelineSettings.model_construct(kafka={}))
            known.append(Explainer(KafkaTopics(kafka, prefix), parameters, tell))
        return known[0].explain_difference(difference)

    return explained


def _read_published(kafka: Mapping[str, str], prefix: str) -> PublishedRecords:
    found = PublishedRecords()
    for topic in RECORD_TOPICS:
        for raw in read_topic(kafka, topic.named(prefix)):
            found.published.see(Partition(topic.name, raw.partition), raw.offset, topic.decode(raw.value))
    for raw in read_topic(kafka, SSI_DLQ.named(prefix)):
        letter = SSI_DLQ.decode(raw.value)
        found.published.reject(letter, raw.offset)
        if letter.source != CONNECTOR:
            found.refused.append(letter)
    for raw in read_topic(kafka, SSI_STATUS.named(prefix)):
        said = SSI_STATUS.decode(raw.value)
        found.connects[Epoch(said.feed, said.epoch)] = said.connects
    return found


def _frames_again(kafka: Mapping[str, str], prefix: str) -> FramesOf:
    """Reads a partition of a record topic once more."""
    topics = {topic.name: topic for topic in RECORD_TOPICS}

    def read(partition: Partition) -> Iterator[tuple[int, Frame]]:
        topic = topics[partition.topic]
        for raw in read_topic(kafka, topic.named(prefix)):
            if raw.partition == partition.number:
                yield raw.offset, topic.decode(raw.value)

    return read
