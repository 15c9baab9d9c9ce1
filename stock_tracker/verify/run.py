"""The verification of one stack: read its topics and its tables, and compare them with the simulator's truth."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.tables import TABLES
from connectors.ssi.simulator.core.truth import SimulatorStatus, Truth
from schemas.kinds import is_from_ssi
from schemas.position import Position
from schemas.structs import DeadLetter, TradeRecord
from schemas.topics import (
    EVENT_TOPICS,
    MARKET_ALERTS,
    MARKET_FOREIGN,
    MARKET_TRADES,
    RECORD_TOPICS,
    SSI_DLQ,
    STATE_FOREIGN,
    STATE_INDICES,
    STATE_PRICES,
)
from stock_tracker.verify.core.archive import Row, compare_rows, repeated_alerts
from stock_tracker.verify.core.boards import NewestRecords, compare_foreign, compare_indices, compare_prices, latest
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.ledger import LedgerReport, TrueCounters, compare_ledger
from stock_tracker.verify.core.records import CONNECTOR, compare_records
from stock_tracker.verify.core.tape import (
    ClosedConnections,
    ConnectionTimes,
    DeliveredPrint,
    PrintKey,
    TapeReport,
    TruePrint,
    compare_tape,
)
from stock_tracker.verify.rows import event_row, expected, read_rows
from stock_tracker.verify.topics import read_events, read_states, read_topic

MOST_SHOWN = 20
"""How many differences are listed; the others are only counted."""
IN_FLIGHT_S = 3.0
"""How long a record can take from the simulator's socket to Kafka, in seconds. A connector that dies loses no older ones."""
FILLED_BY_A_MORNING = ("trades", "prices_daily", "foreign_ledger", "indices", "basis", "alerts")
"""Tables in which a simulated morning with its stories always leaves something."""


@dataclass
class DeliveredRecords:
    """What is on the ``ssi.*`` topics."""

    records: int = 0
    """How many records of SSI arrived: those on the topics, and the connector's dead letters. The connector's own records (clock
    ticks, reference data, loss markers) are not counted."""
    prints: dict[PrintKey, DeliveredPrint] = field(default_factory=dict)
    newest: NewestRecords = field(default_factory=NewestRecords)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    """Those of all processes."""


@dataclass
class Verification:
    """What was compared, and how it came out."""

    records_sent: int
    """Records that the simulator put on its connections."""
    records_received: int
    """Records of SSI on the ``ssi.*`` topics."""
    tape: TapeReport
    ledger: LedgerReport
    alerts: int
    """Events on ``market.alerts``."""
    archive_rows: dict[str, int]
    """How many rows the archive has, by table."""
    differences: list[Difference]

    @property
    def reconciled(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    def as_json(self) -> dict[str, object]:
        """The figures, and the first differences."""
        tape = asdict(self.tape)
        del tape["differences"]
        return {
            "ticks_sent": self.records_sent,
            "ticks_received": self.records_received,
            "prints": self.tape.booked,
            "missed_volume": self.tape.missed_volume,
            "foreign_entries": self.ledger.entries,
            "foreign_bought": self.ledger.bought,
            "foreign_sold": self.ledger.sold,
            "alerts": self.alerts,
            "archive_rows": self.archive_rows,
            "reconciled": self.reconciled,
            "tape": tape,
            "differences": [difference.as_json() for difference in self.differences[:MOST_SHOWN]],
            "difference_count": len(self.differences),
        }

    def sentences(self) -> Iterator[str]:
        """The same for people, a line each; the verdict comes last."""
        tape, ledger = self.tape, self.ledger
        yield f"Records: {self.records_sent:,} put on sockets, {self.records_received:,} on the ssi.* topics"
        yield (
            f"Prints: {tape.sent:,} sent, {tape.booked:,} booked; {tape.withheld:,} withheld and {tape.in_flight:,} lost with a "
            f"connection make {tape.missed_volume:,} shares in gaps"
        )
        yield f"Foreign ledger: {ledger.entries:,} entries, {ledger.bought:,} shares bought, {ledger.sold:,} sold"
        yield "Archive rows: " + ", ".join(f"{table} {count:,}" for table, count in self.archive_rows.items())
        for difference in self.differences[:MOST_SHOWN]:
            yield f"✗ {difference}"
        if len(self.differences) > MOST_SHOWN:
            yield f"✗ … and {len(self.differences) - MOST_SHOWN:,} more"
        yield "Reconciled: everything is where it belongs, once" if self.reconciled else "NOT reconciled"


@dataclass(frozen=True)
class SimulatedDay:
    """What the simulator did, by its own account."""

    truth: Truth
    status: SimulatorStatus
    speed: float | None
    """Market seconds a second; None when it plays as fast as it can."""


def verify(
    simulated: SimulatedDay,
    kafka: Mapping[str, str],
    prefix: str,
    archive: Client,
    tell: Callable[[str], None],
    never_empty: Collection[str],
) -> Verification:
    """Compare the truth, the topics and the archive.

    Args:
        simulated: What the simulator did.
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the topics.
        archive: A connection to the database with the tables.
        tell: Takes a line about what is going on.
        never_empty: Tables that must have a row.

    Raises:
        KafkaUnavailable: Kafka stopped answering.
        InvalidMessage: A topic holds something that is not its own.
    """
    tell("Reading the ssi.* topics")
    truth, status = simulated.truth, simulated.status
    delivered = _read_delivered(kafka, prefix, truth.header.trading_day)
    closed = _closed_connections(status, simulated.speed)

    tell("Comparing the tape and the ledger with the simulator's truth")
    prints, newest = _true_prints(truth), delivered.newest
    tape = compare_tape(prints, delivered.prints, read_events(kafka, prefix, MARKET_TRADES), closed)
    ledger = compare_ledger(_true_counters(truth), newest.foreign, read_events(kafka, prefix, MARKET_FOREIGN), closed)

    tell("Comparing the latest values on state.* with what was delivered")
    day = truth.header.trading_day
    boards, foreign, indices = (latest(read_states(kafka, prefix, t)) for t in (STATE_PRICES, STATE_FOREIGN, STATE_INDICES))
    differences = [
        *compare_records(status, delivered.records, delivered.dead_letters),
        *tape.differences,
        *ledger.differences,
        *compare_prices(day, prints, delivered.prints, newest.books, boards),
        *compare_foreign(day, newest.foreign, foreign),
        *compare_indices(day, newest.indices, indices),
    ]

    archive_rows: dict[str, int] = {}
    alerts = 0
    for topic in EVENT_TOPICS:
        filled = TABLES[topic.name]
        table = filled.view
        tell(f"Comparing {topic.name} with the table {table}")
        events = [(position, event_row(event)) for position, event in read_events(kafka, prefix, topic)]
        rows: dict[EventPosition, Row] = {}
        doubled: list[EventPosition] = []
        for position, row in read_rows(archive, filled):
            if position in rows:
                doubled.append(position)
            rows[position] = row
        archive_rows[table] = len(rows) + len(doubled)
        differences += compare_rows(table, expected(filled, events), rows, doubled)
        if topic is MARKET_ALERTS:
            alerts = len(events)
            differences += repeated_alerts(events)
        if table in never_empty and not rows:
            differences.append(Difference("empty_table", "", f"{table} has no row", None))
    return Verification(
        records_sent=status.records,
        records_received=delivered.records,
        tape=tape,
        ledger=ledger,
        alerts=alerts,
        archive_rows=archive_rows,
        differences=differences,
    )


def _read_delivered(kafka: Mapping[str, str], prefix: str, day: int) -> DeliveredRecords:
    delivered = DeliveredRecords()
    for topic in RECORD_TOPICS:
        for raw in read_topic(kafka, topic.named(prefix)):
            frame = topic.decode(raw.value)
            for idx, record in enumerate(frame.records):
                # A match that was made of an X is not a record of its own.
                delivered.records += is_from_ssi(record) and not getattr(record, "from_snapshot", False)
                if record.trading_day != day:
                    continue
                delivered.newest.see(record)
                if isinstance(record, TradeRecord) and record.volume:
                    key = (record.symbol, record.total_volume, record.volume)
                    position = EventPosition(Position(topic.name, raw.partition, raw.offset), idx)
                    delivered.prints.setdefault(key, DeliveredPrint(position, frame.epoch))
    delivered.dead_letters = [SSI_DLQ.decode(raw.value) for raw in read_topic(kafka, SSI_DLQ.named(prefix))]
    delivered.records += sum(letter.source == CONNECTOR for letter in delivered.dead_letters)
    return delivered


def _closed_connections(status: SimulatorStatus, speed: float | None) -> ClosedConnections:
    times = {
        connection.id: ConnectionTimes(connection.subscribed_ms or connection.opened_ms, connection.closed_ms)
        for connection in status.connections
        if connection.closed_ms is not None
    }
    # When it plays as fast as it can, a whole day may pass while a record is on its way: any can be lost with its connection.
    grace_ms = int(IN_FLIGHT_S * speed * 1000) if speed is not None else 24 * 3_600_000
    return ClosedConnections(times, grace_ms)


def _true_prints(truth: Truth) -> list[TruePrint]:
    return [
        TruePrint(line.symbol, line.ts_ms, line.due_ms, line.price, line.last_vol, line.total_vol, line.connections)
        for line in truth.prints
    ]


def _true_counters(truth: Truth) -> list[TrueCounters]:
    return [
        TrueCounters(line.symbol, line.due_ms, line.bought, line.sold, line.bought_value, line.sold_value, line.connections)
        for line in truth.foreign
    ]
