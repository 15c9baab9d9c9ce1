"""The sink: event topics into ClickHouse, each event exactly once. One thread; :mod:`connectors.clickhouse.core.intent` decides.

While ClickHouse is away nothing is dropped: reading stops, Kafka keeps what comes, and ``health`` says why.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import AdminClient

from connectors.clickhouse import metrics
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.dead_letters import CONSUMER, RangeWatch
from connectors.clickhouse.core.errors import ArchiveError, ClickHouseUnreachable, OtherDatabase, SchemaMismatch
from connectors.clickhouse.core.intent import Batch, Commit, Intents, Scope, scope_of
from connectors.clickhouse.core.tables import SOURCES
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.topic_ids import describe_topics, ids_in, topic_ids
from connectors.clickhouse.traced_messages import TracedMessages
from connectors.clickhouse.writer import Made, Writer
from schemas.backoff import Backoff
from schemas.dead_letters import Limit
from schemas.errors import InstanceReplaced, KafkaUnavailable, NewerMessage, TopicsMissing
from schemas.kafka_errors import is_away, is_cluster_down, is_fenced, is_rebalancing
from schemas.members import static_member
from schemas.position import Partition, Position
from schemas.tracing import Tracer

log = logging.getLogger(__name__)

Health = Callable[[str], None]
"""Takes why the sink is not writing, or an empty text while it is."""

ROW_BYTES = 512
"""A large message counts as a row for each so many bytes, and so fills a batch sooner. Dead letters are large, events are not."""
_POLL_SECONDS = 0.1
_BESIDE_SECONDS = 0.01
"""Between two looks whether an insert has ended, while nothing comes."""
_POLL_MESSAGES = 2_000
_KAFKA_SECONDS = 10.0
_COMMITTED_SECONDS = 60.0
"""For how long Kafka is asked what the group has committed."""
_LAG_SECONDS = 1.0
_MUCH = 1_000
"""Messages that wait in Kafka: with so many more of a partition to come, its batches may grow."""
_IDS_SECONDS = 30.0
"""Between two looks at the topics' ids."""
_SURE_SECONDS = 10.0
"""For so long after Kafka took a commit nobody else can have the partitions: less than the session time-out."""
_SESSION_MS = 15_000
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0


def run(settings: SinkSettings, limit: Limit, stop: threading.Event, health: Health, tracer: Tracer | None = None) -> None:
    """Write events into ClickHouse until ``stop``; then write what has been read by then, if ClickHouse lets it.

    Args:
        settings: Where from and where to.
        limit: How much of what it reads may be unusable.
        stop: Set by the caller to end it.
        health: Is told what is wrong and what to do, or "" when nothing is.
        tracer: Takes the spans of messages that have a trace; None to look for none.

    Raises:
        NewerMessage: A newer release writes one of the topics; what came before its message has been written.
        TooManyDeadLetters: Most of what was read last of a topic could not be used; nothing of that is committed or inserted.
        TopicsMissing: Kafka has no such topics.
        SchemaMismatch: The tables are not what this program needs, and it cannot or may not mend that.
        OtherDatabase: What is committed is in another database than the one that was found.
        UnknownIntent: A newer release has something under way.
        InstanceReplaced: Another sink runs under this one's instance id and has its partitions.
    """
    health("starting")
    ids = _wait_for_topics(settings, stop, health)
    if ids is None:
        return
    sink = _Sink(settings, limit, ids, health, tracer)
    try:
        while not stop.is_set():
            sink.step()
        sink.flush()
    except NewerMessage:
        # What came before it can be archived, and this release may not run again for long.
        sink.flush()
        raise
    finally:
        health("stopped")
        sink.close()


class _Sink:
    """The consumer, the writer and the intents between them."""

    def __init__(self, settings: SinkSettings, limit: Limit, ids: dict[str, str], health: Health, tracer: Tracer | None) -> None:
        self._traces = None if tracer is None else TracedMessages(tracer)
        self._settings = settings
        self._topic_ids = ids
        self._health = health
        self._intents = Intents[rows.Decoded](settings.batch_rows, int(settings.batch_seconds * 1000))
        self._writer = Writer(settings)
        self._databases: dict[Partition, str | None] = {}
        """The id of the database of which each partition's commit is true; None where it does not say."""
        self._made: dict[tuple[Partition, int, int], Made] = {}
        """By partition, first and next: the batches that are about to be declared or inserted."""
        self._dead_letters = RangeWatch(limit)
        self._backoff = _backoff()
        self._not_before = 0.0
        """When to try ClickHouse again after it failed, on the monotonic clock."""
        self._paused: frozenset[Partition] = frozenset()
        self._moved = False
        """Whether partitions were given out anew during the last read."""
        self._kafka_away = False
        self._ended: KafkaError | None = None
        """What made the consumer useless, where librdkafka has told of such a thing."""
        self._bootstrap = settings.kafka["bootstrap.servers"]
        self._said: str | None = None
        """What health was told last."""
        self._lag_at = 0.0
        self._ids_at = time.monotonic() + _IDS_SECONDS
        self._admin = AdminClient(settings.kafka, logger=log)
        self._inserting: tuple[Batch[rows.Decoded], Future[int]] | None = None
        """What is being inserted, beside the reading of what comes next."""
        self._ending = False
        """Whether nothing more is read."""
        self._inserter = ThreadPoolExecutor(1, "insert")
        self._sure_until = 0.0
        """Until when the partitions are certainly this sink's, on the monotonic clock."""
        instance = f"{settings.group}-{settings.instance}"
        self._consumer = Consumer(
            {
                **settings.kafka,
                "group.id": settings.group,
                # A restart within the session time-out gets its partitions back without a rebalance.
                "group.instance.id": static_member(instance, (source.name for source in SOURCES)),
                "session.timeout.ms": _SESSION_MS,
                "partition.assignment.strategy": "range",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                # What Kafka deleted before it was read must not be skipped without a word.
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 32 << 10,
                # When those are full librdkafka lets a second pass before it fetches on: the sink has written them by then.
                "fetch.queue.backoff.ms": 50,
            },
            error_cb=self._on_error,
            logger=log,
        )
        self._consumer.subscribe(list(ids), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def step(self) -> None:
        """Read what is there, write what is due."""
        self._read()
        self._write(self._now_ms())
        self._throttle()
        self._measure()

    def flush(self) -> None:
        """Write what has been read, whether it is due or not, and close the intents.

        It is tried once: what stays behind, also because too much of it cannot be used, the next run reads again.

        Raises:
            TooManyDeadLetters: As :func:`run`.
        """
        # Behind a message that stopped this sink it must not read on: the message would be skipped.
        self._ending = True
        self._intents.behind(())
        later = self._now_ms() + int(self._settings.batch_seconds * 1000) + 1
        self._write(later)
        self._write(later + int(self._settings.batch_seconds * 1000) + 1)

    def close(self) -> None:
        """Leave Kafka and ClickHouse."""
        self._consumer.close()
        self._inserter.shutdown()
        self._writer.close()

    def _read(self, seconds: float = _POLL_SECONDS) -> None:
        self._moved = False
        messages = self._consumer.consume(_POLL_MESSAGES, seconds)
        if self._ended is not None:
            raise self._fatal(self._ended)
        if self._moved and messages and self._intents.partitions:
            # Some may be from before the partitions moved: read them again from where the partitions are now.
            self._follow()
            return
        now_ms = self._now_ms()
        for message in messages:
            self._take(message, now_ms)
            if self._moved:
                # The rest may be of a topic that is no more.
                self._follow()
                return

    def _take(self, message: KafkaMessage, now_ms: int) -> None:
        error = message.error()
        partition = Partition(str(message.topic()), int(message.partition() or 0))
        offset = int(message.offset() or 0)
        if error is None:
            position = Position(partition.topic.removeprefix(self._settings.topic_prefix), partition.number, offset)
            value = message.value()
            decoded = rows.decode(position, message.timestamp()[1], value)
            # A large message counts as many rows: an insert has a greatest size, and a range cannot be cut once it is declared.
            weight = max(decoded.rows, len(value or b"") // ROW_BYTES)
            self._intents.received(partition, offset, weight, decoded, now_ms)
            if self._traces is not None:
                self._traces.read(partition, offset, message.timestamp()[1], message.headers())
        elif error.code() == KafkaError._PARTITION_EOF:
            self._intents.reached(partition, offset, now_ms)
        elif error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._find_position(partition)
        elif error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise TopicsMissing(self._bootstrap, [partition.topic])
        elif error.fatal() or error.code() == KafkaError._FATAL:
            raise self._fatal(error)
        else:
            log.warning("Kafka: %s", error.str())

    def _write(self, now_ms: int) -> None:
        now = time.monotonic()
        if now < self._not_before:
            return
        try:
            self._writer.open()
            self._check_database()
            if self._intents.rows >= self._settings.buffer_rows:
                # There is no room for more to wait for.
                self._intents.behind(())
            held = self._look(now_ms, now)
            self._declare(self._intents.commits(now_ms, held))
            self._insert(now_ms, held)
        except (SchemaMismatch, OtherDatabase):
            raise
        except ArchiveError as error:
            self._writer.close()
            self._made.clear()
            self._not_before = now + self._backoff.failed()
            metrics.FAILURES.inc()
            metrics.UP.set(0)
            self._say(str(error))
        else:
            self._backoff.worked()
            metrics.UP.set(1)
            if self._kafka_away:
                self._say(str(KafkaUnavailable(self._bootstrap, "all brokers are down")))
            elif held:
                self._say(f"holding {', '.join(sorted(held))} back: too much of what came last cannot be used")
            else:
                self._say("" if self._intents.partitions else "waiting for Kafka to assign partitions")

    def _look(self, now_ms: int, now_s: float) -> frozenset[str]:
        """Look at what is to be declared, and at what an earlier owner declared; say of which topics nothing may be written yet.

        Raises:
            TooManyDeadLetters: Most of what was read last of a topic cannot be used.
        """
        batches = self._intents.undeclared(now_ms) + [batch for batch in self._intents.batches() if batch.replayed]
        # A range that is held back is made once, unless it grows.
        self._made = {_range(batch): self._made.get(_range(batch)) or self._writer.make(batch) for batch in batches}
        for batch in batches:
            self._dead_letters.look(batch, self._made[_range(batch)].rejects)
        topics = {batch.partition.topic for batch in batches}
        return frozenset(topic for topic in topics if self._dead_letters.must_wait(topic, now_s))

    def _insert(self, now_ms: int, held: frozenset[str]) -> None:
        """Insert what is declared. When ClickHouse refuses a batch, the others are inserted before the error is raised.

        Of the topics in ``held`` only what this sink has declared itself: that was found good enough then.
        """
        refused: ArchiveError | None = None
        for batch in self._intents.batches():
            if batch.replayed and batch.partition.topic in held:
                continue
            if not self._is_ours(batch):
                return
            made = self._made.pop(_range(batch), None) or self._writer.make(batch)
            try:
                self._insert_beside_reading(made, now_ms)
            except (ClickHouseUnreachable, SchemaMismatch):
                raise
            except ArchiveError as error:
                refused = refused or error
            if self._moved:
                # The others may be another sink's by now.
                break
        if refused is not None:
            raise refused

    def _insert_beside_reading(self, made: Made, now_ms: int) -> None:
        """Insert a batch, and meanwhile read and decode what comes next, as far as there is room for it.

        Raises:
            ArchiveError: As :meth:`Writer.insert`.
        """
        self._moved = False
        insert = self._inserter.submit(self._writer.insert, made, self._topic_ids[made.batch.partition.topic])
        self._inserting = made.batch, insert
        try:
            while not (insert.done() or self._moved):
                if not self._ending and self._intents.rows < self._settings.buffer_rows:
                    self._read(_BESIDE_SECONDS)
                else:
                    wait([insert], _POLL_SECONDS)
        finally:
            self._end_insert(now_ms)
        insert.result()

    def _end_insert(self, now_ms: int) -> None:
        """Wait for the insert that is under way, and note what it has stored."""
        if self._inserting is None:
            return
        batch, insert = self._inserting
        self._inserting = None
        wait([insert])
        if insert.exception() is None:
            self._intents.inserted(batch, now_ms)
            if self._traces is not None:
                self._traces.stored(batch.partition, batch.next)

    def _is_ours(self, batch: Batch[rows.Decoded]) -> bool:
        """Whether a declared range is still this sink's to insert.

        A process that was stopped and goes on after its session has ended does not know that yet. Kafka does: it takes no commit
        of it. ClickHouse would not know for ever: each table remembers only so many tokens.
        """
        if time.monotonic() < self._sure_until:
            return True
        return self._commit([Commit(batch.partition, batch.first, batch.next)]) != []

    def _declare(self, commits: list[Commit]) -> None:
        if commits:
            self._intents.declared(self._commit(commits))

    def _commit(self, commits: list[Commit]) -> list[Commit]:
        """Commit to Kafka; those that it has taken."""
        asked = time.monotonic()
        try:
            answers = self._consumer.commit(offsets=[self._offset(commit) for commit in commits], asynchronous=False)
        except KafkaException as error:
            self._refused(error.args[0])
            return []
        errors = {Partition(answer.topic, answer.partition): answer.error for answer in answers or ()}
        for refusal in filter(None, errors.values()):
            self._refused(refusal)
        taken = [commit for commit in commits if errors[commit.partition] is None]
        if taken:
            self._sure_until = asked + _SURE_SECONDS
        self._databases.update((commit.partition, self._writer.database_id) for commit in taken)
        return taken

    def _refused(self, error: KafkaError) -> None:
        """Kafka did not take a commit: ask again if that can help."""
        if error.code() == KafkaError._FATAL and self._ended is None:
            # It does not say why. That is told apart from messages or among them; what comes with it the next run reads again.
            found = [message.error() for message in self._consumer.consume(_POLL_MESSAGES, _POLL_SECONDS)]
            self._ended = self._ended or next((told for told in found if told is not None and told.code() == error.code()), None)
        if not _passes(error):
            raise self._fatal(self._ended or error)
        log.info("Kafka did not take a commit: %s", error.str())

    def _fatal(self, error: KafkaError) -> InstanceReplaced | KafkaException:
        if is_fenced(error.code(), error.str()):
            return InstanceReplaced(CONSUMER, self._settings.instance, "ARCHIVE_INSTANCE")
        return KafkaException(error)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._moved = True
        self._made.clear()
        self._writer.forget()
        self._dead_letters.forget()
        with suppress(KafkaException):
            self._topic_ids.update(topic_ids(self._admin, list(self._topic_ids)))
        for known in self._committed(consumer, partitions):
            committed = known.offset if known.offset >= 0 else None
            partition = Partition(known.topic, known.partition)
            scope = scope_of(known.metadata)
            if scope.topic not in (None, self._topic_ids[known.topic]):
                log.error("%s was deleted and made anew since it was last read: it is read from its beginning", partition)
                committed = None
            self._databases[partition] = scope.database
            self._intents.assigned(partition, committed, known.metadata)
        log.info("reading %d partitions", len(self._intents.partitions))
        self._follow()

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """What the group has committed; a broker that has just started needs a while to know it.

        Raises:
            KafkaException: It still does not say, or something else is wrong.
        """
        deadline = time.monotonic() + _COMMITTED_SECONDS
        while True:
            try:
                answers: list[TopicPartition] = consumer.committed(partitions, _KAFKA_SECONDS)
                if wrong := next((answer.error for answer in answers if answer.error is not None), None):
                    raise KafkaException(wrong)
            except KafkaException as error:
                if not _passes(error.args[0]) or time.monotonic() >= deadline:
                    raise
                log.info("Kafka does not say yet what is committed: %s", error.args[0].str())
                time.sleep(_POLL_SECONDS)
            else:
                return answers

    def _follow(self) -> None:
        """Read on from where the intents are."""
        self._consumer.assign(
            [
                TopicPartition(*partition, OFFSET_BEGINNING if position is None else position)
                for partition, position in self._intents.positions().items()
            ]
        )
        self._paused = frozenset()

    def _find_position(self, partition: Partition) -> None:
        """Go on where Kafka does not have the offset to read next: it deleted that, or the topic was made anew."""
        position = self._intents.positions().get(partition)
        if self._look_for_new_topics() or position is None:
            return
        try:
            first, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), _KAFKA_SECONDS)
        except KafkaException as error:
            log.info("Kafka does not tell where %s begins: %s", partition, error.args[0].str())
            self._follow()  # and be told once more
            return
        if lost := self._intents.deleted(partition, first):
            place = {"topic": partition.topic, "partition": partition.number, "offset": first}
            log.error("%s: Kafka deleted %d offsets before they were archived", partition, lost, extra=place)
            metrics.LOST.labels(partition.topic).inc(lost)
        elif position > end:
            # Its brokers have lost what they had acknowledged, and give these offsets out again.
            log.error("%s: Kafka has lost its last %d offsets: reading on at %d", partition, position - end, end)
            self._intents.assigned(partition, end, None, doubted=position)
        self._follow()

    def _look_for_new_topics(self) -> bool:
        """Ask Kafka for the topics' ids again, and read from its beginning what was made anew; whether anything was.

        Such a topic counts its offsets from 0 again. Where it has come further than the old one, nothing else tells of it.
        """
        if not self._is_back():
            # An administrator's request is not for a broker that is away: while it waits, librdkafka keeps a core busy.
            return False
        try:
            # So it learns who the controller is now: where that has died, the next request would wait for it in vain.
            self._admin.list_topics(timeout=_LAG_SECONDS)
            ids = topic_ids(self._admin, list(self._topic_ids))
        except KafkaException as error:
            log.info("Kafka does not tell the topics' ids: %s", error.args[0].str())
            return False
        anew = {name for name, id_ in ids.items() if id_ != self._topic_ids[name]}
        for name in sorted(anew):
            log.error("%s was deleted and made anew: it is read from its beginning", name)
            metrics.MADE_ANEW.labels(name).inc()
        for partition, position in self._intents.positions().items():
            if partition.topic in anew:
                # Some of it may have been read for the old one's.
                self._intents.assigned(partition, None, None, doubted=position or 0)
        if anew:
            self._moved = True
            self._topic_ids.update(ids)
            self._made.clear()
            self._dead_letters.forget()
            self._follow()
        return bool(anew)

    def _check_database(self) -> None:
        """Make sure that what is committed is true of the database that was opened.

        Raises:
            OtherDatabase: It is true of another one.
        """
        found = self._writer.database_id
        for partition in self._intents.partitions:
            committed = self._databases.get(partition)
            if committed is not None and found is not None and committed != found:
                raise OtherDatabase(self._settings.database, found, committed)

    def _offset(self, commit: Commit) -> TopicPartition:
        scope = Scope(self._writer.database_id, self._topic_ids[commit.partition.topic])
        return TopicPartition(*commit.partition, commit.offset, metadata=commit.metadata(scope))

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._moved = True
        self._end_insert(self._now_ms())
        closing = self._intents.released(Partition(p.topic, p.partition) for p in partitions)
        if closing:
            try:
                consumer.commit(offsets=[self._offset(commit) for commit in closing], asynchronous=False)
            except KafkaException as error:
                log.info("the next owner repeats %d inserts, which changes nothing: %s", len(closing), error)

    def _lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._moved = True
        self._intents.lost(Partition(p.topic, p.partition) for p in partitions)
        log.warning("lost %d partitions: another sink reads them now", len(partitions))

    def _throttle(self) -> None:
        """Pause reading while there is no room for more, or ClickHouse is away."""
        pausing = self._to_pause()
        if pausing == self._paused:
            return
        if self._paused - pausing:
            self._consumer.resume([TopicPartition(*partition) for partition in self._paused])
            # Without this librdkafka would skip a message of a partition whose end it had reported before the pause.
            self._follow()
        if pausing:
            self._consumer.pause([TopicPartition(*partition) for partition in pausing])
        self._paused = pausing

    def _to_pause(self) -> frozenset[Partition]:
        owned = frozenset(self._intents.partitions)
        if time.monotonic() < self._not_before:
            return owned
        if self._intents.rows >= self._settings.buffer_rows:
            # A declared range has to be read again to its end, however many rows that are: before, nothing of it can be inserted.
            return owned - frozenset(self._intents.rereading)
        return frozenset()

    def _on_error(self, error: KafkaError) -> None:
        """Take an error that librdkafka reports apart from messages. Most pass by themselves; a silent cluster has to be told."""
        if is_cluster_down(error.code()):
            self._kafka_away = True
        elif error.fatal() or error.code() == KafkaError._FATAL:
            # It is not among the messages: after the death of its coordinator a consumer may be fenced while it is no member.
            self._ended = error

    def _is_back(self) -> bool:
        try:
            self._consumer.list_topics(next(iter(self._topic_ids)), _LAG_SECONDS)
        except KafkaException:
            return False
        return True

    def _measure(self) -> None:
        now = time.monotonic()
        if now - self._lag_at < _LAG_SECONDS:
            return
        self._lag_at = now
        if now >= self._ids_at and not self._kafka_away:
            self._ids_at = now + _IDS_SECONDS
            self._look_for_new_topics()
        self._kafka_away = self._kafka_away and not self._is_back()
        lags = dict.fromkeys(self._topic_ids, 0)
        positions, behind = self._intents.positions(), []
        for partition, safe in self._intents.safe().items():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
            lags[partition.topic] += max(0, end - safe)
            if end - (positions[partition] or 0) > _MUCH:
                behind.append(partition)
        self._intents.behind(behind)
        for topic, lag in lags.items():
            metrics.LAG.labels(topic).set(lag)
        metrics.BUFFERED.set(self._intents.rows)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            log.log(logging.WARNING if text else logging.INFO, text or "ClickHouse takes what comes")
            self._health(text)

    @staticmethod
    def _now_ms() -> int:
        return time.monotonic_ns() // 1_000_000


def _range(batch: Batch[rows.Decoded]) -> tuple[Partition, int, int]:
    return batch.partition, batch.first, batch.next


def _passes(error: KafkaError) -> bool:
    """Whether a refused commit is worth asking for again: in the end it is taken, or its partition is another sink's."""
    return is_away(error.code()) or is_rebalancing(error.code())


def _backoff() -> Backoff:
    return Backoff(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, random.random)


def _wait_for_topics(settings: SinkSettings, stop: threading.Event, health: Health) -> dict[str, str] | None:
    """Kafka's own ids of the topics to read, by name; waits for Kafka. None when ``stop`` was set meanwhile."""
    names = [topic.named(settings.topic_prefix) for topic in SOURCES]
    bootstrap = settings.kafka["bootstrap.servers"]
    admin = AdminClient(settings.kafka, logger=log)
    backoff = _backoff()
    pause_s = 0.0
    while not stop.wait(pause_s):
        answers: Mapping[str, Any] = {}
        try:
            # Asked first, as it waits idly for a broker; while an administrator's request waits, librdkafka keeps a core busy.
            admin.list_topics(timeout=_KAFKA_SECONDS)
            answers = describe_topics(admin, names, _KAFKA_SECONDS)
            return ids_in(answers)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                missing = [name for name, answer in answers.items() if answer.exception() is not None]
                raise TopicsMissing(bootstrap, missing) from error
            health(str(KafkaUnavailable(bootstrap, error.args[0].str())))
            pause_s = backoff.failed()
    return None
