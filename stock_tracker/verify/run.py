"""The verification of one stack: read its topics and its tables, and compare them with the simulator's truth."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from clickhouse_connect.driver.client import Client

from connectors.ssi.simulator.core.truth import SimulatorStatus, Truth
from schemas.kinds import is_from_ssi
from schemas.position import Position
from schemas.structs import DeadLetter, TradeRecord
from schemas.topics import (
    MARKET_FOREIGN,
    MARKET_TRADES,
    RECORD_TOPICS,
    SSI_DLQ,
    STATE_FOREIGN,
    STATE_INDICES,
    STATE_PRICES,
)
from stock_tracker.verify.core.boards import NewestRecords, compare_foreign, compare_indices, compare_prices
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.ledger import LedgerReport, TrueCounters, compare_ledger
from stock_tracker.verify.core.numbers import NEVER_JUDGED, NotJudged
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
from stock_tracker.verify.core.verdict import by_reason, compared_anything
from stock_tracker.verify.gateway import compare_gateway
from stock_tracker.verify.shards import ByShard, read_latest
from stock_tracker.verify.topics import read_events, read_topic

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
    compared: dict[str, int] = field(default_factory=dict)
    """How much was compared beside the truth: frames, events, rows of ``state.*``, derived rows, rows of the gateway."""
    not_judged: list[NotJudged] = field(default_factory=list)
    """Numbers that could not be checked, because the day's records can be read in more than one way."""

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
            "compared": self.compared,
            "not_judged": [asdict(left_out) for left_out in by_reason(self.not_judged)],
            "never_judged": list(NEVER_JUDGED),
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
        yield "Compared: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in self.compared.items())
        for left_out in by_reason(self.not_judged):
            yield f"Not judged: {left_out}"
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
    states = read_latest(kafka, prefix)
    differences = [
        *compare_records(status, delivered.records, delivered.dead_letters),
        *tape.differences,
        *ledger.differences,
        *compare_prices(day, prints, delivered.prints, newest.books, states[STATE_PRICES.name]),
        *compare_foreign(day, newest.foreign, states[STATE_FOREIGN.name]),
        *compare_indices(day, newest.indices, states[STATE_INDICES.name]),
        *compared_anything(tape.sent, delivered.records),
    ]
    checked = ByShard(kafka, prefix, archive, states)
    differences += checked.compare(tell)
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
    return Verification(
        records_sent=status.records,
        records_received=delivered.records,
        tape=tape,
        ledger=ledger,
        alerts=checked.alerts,
        archive_rows=checked.archive_rows,
        differences=differences,
        not_judged=checked.not_judged,
        compared=dict(checked.compared),
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
