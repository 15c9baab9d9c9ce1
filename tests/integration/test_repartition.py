"""Another number of partitions between two days, on a real Kafka: through the pipelines and into one archive."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from confluent_kafka import Producer

from pipelines.catalogue import CATALOGUE, NAMES
from schemas.records import FrameRecord
from schemas.shards import shard_keys, shard_of
from schemas.structs import ReferenceMessage
from schemas.topics import MARKET_TRADES, RECORD_TOPICS, SSI_REFERENCE, SSI_TICKS, STATE_PRICES, encode
from schemas.units import TradingDay
from stock_tracker.golden.apps import Apps, wait_until_folded
from stock_tracker.kafka.own_topics import delete
from stock_tracker.recordings.record import read_messages
from stock_tracker.repartition import run
from stock_tracker.testing.archive import Archive
from tests.builders import DAY, a_frame, a_reference, a_tick, a_trade
from tests.command_line import Command, StockTracker
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

SYMBOLS = ("ACB", "FPT", "HPG", "MWG", "SSI", "VCB", "VIC", "VNM")
FRIDAY, MONDAY = DAY, TradingDay(20261123)
OLD, NEW = 3, 6


class Day:
    """Writes the records of a trading day to the topics of a prefix."""

    def __init__(self, kafka: str, prefix: str, shards: int, day: TradingDay) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})
        self._prefix, self._shards, self._day = prefix, shards, day
        self._seq: Counter[tuple[str, int]] = Counter()

    def send(self, ts: str, totals: Sequence[int] = ()) -> None:
        """One match of every symbol for each of ``totals``, between two clock ticks."""
        for topic in RECORD_TOPICS:
            for shard, key in enumerate(shard_keys(self._shards)):
                own = [symbol for symbol in SYMBOLS if topic is SSI_TICKS and shard_of(symbol, self._shards) == shard]
                records: list[FrameRecord] = [a_tick(ts, trading_day=self._day)]
                records += [a_trade(symbol, ts, trading_day=self._day, total=total) for total in totals for symbol in own]
                frame = a_frame(*records, epoch=self._day, seq=self._seq[topic.name, shard])
                self._seq[topic.name, shard] += 1
                self._producer.produce(topic.named(self._prefix), encode(frame), key)
        assert self._producer.flush(PATIENCE_S) == 0

    def list_symbols(self) -> None:
        for symbol in SYMBOLS:
            message = ReferenceMessage(record=a_reference(symbol, trading_day=self._day))
            self._producer.produce(SSI_REFERENCE.named(self._prefix), encode(message), symbol)
        assert self._producer.flush(PATIENCE_S) == 0


@pytest.fixture
def into(kafka: str, topics: str) -> Iterator[str]:
    prefix = f"{topics}v2."
    yield prefix
    delete({"bootstrap.servers": kafka}, prefix)


def tape(kafka: str, prefix: str) -> dict[str, tuple[int, list[int]]]:
    """The partition of each symbol on the tape, and the totals of its prints."""
    _, messages = read_messages({"bootstrap.servers": kafka}, prefix, [MARKET_TRADES], lambda line: None)
    found: dict[str, tuple[int, list[int]]] = {}
    for message in messages:
        for event in MARKET_TRADES.decode(message.value or b"").events:
            partition, totals = found.setdefault(event.symbol, (message.partition, []))
            assert partition == message.partition
            if event.kind == "print":
                totals.append(event.total_volume)
    return found


def test_the_next_day_is_folded_in_more_partitions_and_the_day_before_is_refused_a_change(
    kafka: str,
    topics: str,
    into: str,
    archive: Archive,
    tmp_path: Path,
    stock_tracker: StockTracker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "LOOK_S", 0.0)
    settings = {"bootstrap.servers": kafka}

    def repartition(*words: str) -> Command:
        told = ("topics", "repartition", "--shards", str(NEW), "--into", into, *words)
        return stock_tracker(*told, KAFKA_BOOTSTRAP=kafka, TOPIC_PREFIX=topics)

    friday = Day(kafka, topics, OLD, FRIDAY)
    friday.list_symbols()
    with Apps(settings, topics, [NAMES], tmp_path / "home") as apps:
        friday.send("10:00:00", [100, 200])
        wait_until_folded(settings, topics, CATALOGUE, apps.check)
        during = repartition("--apply")
        assert during.code == 1
        assert f"{FRIDAY} is under way" in during.said
        assert f"{topics}archive have not read all yet" in during.said
        assert f"{topics}pipelines.prices" in during.said
        assert "at work: stop these services" in during.said
        friday.send("16:00:00")
        wait_until_folded(settings, topics, CATALOGUE, apps.check)
    archive.store()
    # A service that was stopped stays a member for as long as its session: a start within it gets its partitions back.
    until(lambda: repartition().code == 0, "the last session to end")

    done = repartition("--apply")
    assert done.code == 0, done.said
    assert f"+ {into}ssi.reference: begins with {len(SYMBOLS)} keys" in done.out
    assert f"+ {into}state.prices: begins with {len(SYMBOLS)} keys" in done.out
    partitions, rows = read_messages(settings, into, [STATE_PRICES], lambda line: None)
    assert partitions == {STATE_PRICES.name: NEW}
    assert {row.key.decode(): row.partition for row in rows if row.key} == {name: shard_of(name, NEW) for name in SYMBOLS}
    # Killed in the middle it is run again.
    assert repartition("--apply").code == 0

    monday = Day(kafka, into, NEW, MONDAY)
    monday.send("09:15:00", [100, 300])
    with Apps(settings, into, [NAMES], tmp_path / "home") as apps:
        wait_until_folded(settings, into, CATALOGUE, apps.check)
    assert tape(kafka, topics) == {name: (shard_of(name, OLD), [100, 200]) for name in SYMBOLS}
    assert tape(kafka, into) == {name: (shard_of(name, NEW), [100, 300]) for name in SYMBOLS}
    Archive(archive.client, archive._settings.model_copy(update={"topic_prefix": into})).store()
    by_day = archive.query("SELECT toYYYYMMDD(day) AS d, sum(volume) AS v FROM trades WHERE kind = 'print' GROUP BY d ORDER BY d")
    assert [(row["d"], row["v"]) for row in by_day] == [(FRIDAY, 200 * len(SYMBOLS)), (MONDAY, 200 * len(SYMBOLS))]

    again = repartition("--apply")
    assert (again.code, "there are records on topics of" in again.said) == (1, True)
