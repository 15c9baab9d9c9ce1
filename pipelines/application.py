"""How a pipeline of the catalogue becomes a Quix Streams application.

Every setting is in one place, and all topologies have one shape::

    input topic → one function a message, over its shard's state → its outputs, each to its own topic → one Kafka transaction

What a message changed in the state waits for that transaction's commit; rows and outputs wait too while messages are queued
(:mod:`pipelines.write_behind`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, TypeVar

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from quixstreams import Application, message_context
from quixstreams.app import ApplicationConfig
from quixstreams.internal_producer import InternalProducer
from quixstreams.kafka import ConnectionConfig
from quixstreams.models import Serializer
from quixstreams.models import Topic as QuixTopic
from quixstreams.models.topics import TopicManager

from pipelines import metrics
from pipelines.catalogue import BESIDE, READ_ON, Pipeline, Topology
from pipelines.changelogs import ChangelogAdmin, pass_over_changelogs
from pipelines.checkpoints import DeadLetterWatch, WatchedContext
from pipelines.core.codec import State
from pipelines.core.frames import Fold, Output, Shard, fold_value
from pipelines.core.progress import Progress
from pipelines.errors import UnevenTopics
from pipelines.restart import connect, recover_promptly, watermarks_known
from pipelines.retention import kept_instead
from pipelines.settings import PipelineSettings
from pipelines.state_watch import StateWatch, stores_of
from pipelines.write_behind import WaitingOutputs, WriteBehind, count, stored_values
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.members import static_member
from schemas.position import Position
from schemas.tracing import Tracer, parent_in

log = logging.getLogger(__name__)

M = TypeVar("M")

TRANSACTION_TIMEOUT_MS = 10_000
SESSION_TIMEOUT_MS = 12_000
"""Longer than a transaction lasts: a shard must not move on while its dead owner's transaction is still open."""
METADATA_TIMEOUT_S = 10.0
POLL_S = 0.01
"""How long a poll waits while something is to be committed. Commits are looked at between polls only: with Quix's own second a
lull would delay them by as much."""
IDLE_POLL_S = 0.1
"""How long it waits while nothing is. A message ends it at once; being asked to stop does not. To wake up for nothing a hundred
times a second cost each pipeline two hundredths of a core."""
RECONNECT_MS = 1_000
"""A broker that is away is tried again at least so often. By default the pause grows to ten seconds, which a broker that is back
would be waited for in vain."""


class PipelineApplication(Application):
    """A Quix application that leaves signals to its host and says whether it is at work.

    What it overrides and replaces is Quix's own, not public: a test notices when an upgrade drops it.
    """

    assigned = False
    """Whether its group has told it its partitions, which may be none."""
    came_round_s = 0.0
    """When its loop last began a round, on :func:`time.monotonic`; long ago while a commit or a message does not end."""
    _state_watch: StateWatch
    _watched: WatchedContext
    _busy_config: ApplicationConfig
    _idle_config: ApplicationConfig
    skips_lost = False
    """Whether it goes on at what Kafka keeps when that begins after its commit."""

    @property
    def ready(self) -> bool:
        """Whether it folds what comes: partitions assigned, state recovered."""
        return self.assigned and not self._state_manager.recovery_required

    def watch(self, dead_letters: DeadLetterWatch, pipeline: str, prefix: str) -> WriteBehind:
        """Ask ``dead_letters`` before each commit, and keep the metrics of the state of ``pipeline``.

        Call it once, before there is a dataframe: each keeps the context.

        Returns:
            What is flushed before each commit, and dropped when partitions come or go.
        """
        self._state_watch = StateWatch(pipeline, prefix, lambda: stores_of(self._state_manager), lags=self._lags)
        behind = WriteBehind(pipeline, self._produce, prefix)
        context = WatchedContext.around(self._processing_context, dead_letters, behind, self._state_watch.look)
        self._processing_context = self._watched = context
        return behind

    def _lags(self) -> Mapping[str, int]:
        """How many offsets lie between what was folded and the ends of its source topics, as far as is known here."""
        sources = self._topic_manager.non_changelog_topics
        lags: Counter[str] = Counter()
        for place in self._consumer.position([place for place in self._consumer.assignment() if place.topic in sources]):
            known = self._consumer.get_watermark_offsets(place, cached=True)
            if place.offset >= 0 and known:
                lags[place.topic] += max(0, known[1] - place.offset)
        return lags

    def _produce(self, topic: str, key: bytes, value: bytes, headers: Any = None, taken_ms: int | None = None) -> None:
        """Produce a message in the transaction that is open, with the time ``taken_ms``, or that of now."""
        self._producer.produce(topic=topic, key=key, value=value, headers=headers, timestamp=taken_ms)

    def _setup_signal_handlers(self) -> None:
        """Do nothing: several applications may live in one process, each in its own thread."""

    def _process_message(self, dataframe_composed: Any) -> None:
        self.came_round_s = self._watched.clock()
        self._config = self._idle_config if self._watched.is_idle else self._busy_config
        super()._process_message(dataframe_composed)  # type: ignore[no-untyped-call] # it is Quix's

    def _run_dataframe(self, sink: Any = None) -> None:
        self._busy_config = self._config
        self._idle_config = self._config.copy(consumer_poll_timeout=IDLE_POLL_S)
        connect(self._consumer, self._producer, METADATA_TIMEOUT_S)
        pass_over_changelogs(self._consumer, self._topic_manager.non_changelog_topics)
        super()._run_dataframe(sink)

    def _on_assign(self, consumer: object, topic_partitions: list[TopicPartition]) -> None:
        # What was folded and not committed by now is read again by whoever has its partition.
        self._watched.give_up()
        if self.skips_lost:
            sources = [place for place in topic_partitions if place.topic in self._topic_manager.non_changelog_topics]
            if sources and (instead := kept_instead(self._consumer, sources)):
                # Only now: as a member of the group, and before its state and its position are made out of the commits.
                self._consumer.commit(offsets=instead, asynchronous=False)
        with watermarks_known(self._consumer, topic_partitions, METADATA_TIMEOUT_S):
            super()._on_assign(consumer, topic_partitions)
        self.assigned = True
        if self._state_manager.recovery_required:
            self._state_watch.recovery_begins()

    def _on_revoke(self, consumer: object, topic_partitions: list[TopicPartition]) -> None:
        try:
            super()._on_revoke(consumer, topic_partitions)
        finally:
            # It was committed, or it is aborted; and what is in memory may be another instance's from now on.
            self._watched.behind.drop()

    def _on_lost(self, consumer: object, topic_partitions: list[TopicPartition]) -> None:
        # Quix would go on with the checkpoint, and commit, as a member again, what another instance has folded by then.
        self._watched.give_up()
        super()._on_lost(consumer, topic_partitions)


def make_application(
    pipeline: Pipeline, folds: Sequence[Fold[Any]], settings: PipelineSettings, tracer: Tracer | None = None
) -> PipelineApplication:
    """Make the application that runs ``pipeline``; nothing happens until its ``run()``.

    Args:
        pipeline: Of the catalogue.
        folds: Those of its topologies, as :meth:`~pipelines.catalogue.Pipeline.make_folds` makes them.
        settings: Of this process.
        tracer: Takes the spans of messages that have a trace; None to look for none.

    Raises:
        KafkaUnavailable: No broker answers.
        TopicsMissing: A topic is not there. Quix makes its own changelogs, and nothing else is ever made here.
        UnevenTopics: Sharded topics differ in their partition counts.
    """
    partitions = _partitions(pipeline, settings)
    topics = [f"{settings.topic_prefix}{name}" for name in partitions]
    group = f"{settings.topic_prefix}{pipeline.group}"
    instance = f"{group}-{settings.instance}"
    broker = ConnectionConfig.from_librdkafka_dict(settings.kafka)
    application = PipelineApplication(
        broker_address=broker,
        consumer_group=group,
        topic_manager=TopicManager(ChangelogAdmin(broker, group, topics, log), group),
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        # State cannot be rebuilt from records that are gone: stop and say so rather than begin anew in silence.
        auto_recover_from_source_offset_out_of_range=False,
        commit_interval=pipeline.commit_interval_s,
        consumer_poll_timeout=POLL_S,
        state_dir=settings.home / "state" / f"{pipeline.name}-{settings.instance}",
        loglevel=None,
        consumer_extra_config={
            # Static membership: a restarted instance takes its partitions back at once.
            "group.instance.id": static_member(instance, (source.name for source in pipeline.sources)),
            "session.timeout.ms": SESSION_TIMEOUT_MS,
            "isolation.level": "read_committed",
            "reconnect.backoff.max.ms": RECONNECT_MS,
        },
        producer_extra_config={
            # Stable, so that a restart aborts what its predecessor left open instead of waiting for its time-out.
            "transactional.id": instance,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
            "compression.type": "lz4",
            "linger.ms": 5,
            "reconnect.backoff.max.ms": RECONNECT_MS,
        },
    )
    dead_letters = DeadLetterWatch(pipeline.name, settings.dead_letter_limit)
    behind = application.watch(dead_letters, pipeline.name, settings.topic_prefix)
    recover_promptly(application._state_manager)
    commit_in_time(application._producer, TRANSACTION_TIMEOUT_MS / 1_000)
    application.skips_lost = settings.skip_lost
    wire(application, pipeline, folds, partitions, dead_letters, settings.topic_prefix, behind, tracer)
    return application


def commit_in_time(producer: InternalProducer, seconds: float) -> None:
    """Let no commit of ``producer`` take longer than ``seconds``: by then Kafka has aborted the transaction.

    Quix sets no limit. Where the broker dies that keeps the commits of the group, librdkafka goes on waiting for that one, for
    ever. A process that ends, and is started again, finds the one that has taken its place.
    """
    commit = producer.commit_transaction

    def bounded(positions: list[TopicPartition], group_metadata: Any, timeout: float | None = None) -> None:
        commit(positions, group_metadata, seconds if timeout is None else timeout)

    producer.commit_transaction = bounded  # type: ignore[method-assign]


def wire(
    application: Application,
    pipeline: Pipeline,
    folds: Sequence[Fold[Any]],
    partitions: Mapping[str, int],
    dead_letters: DeadLetterWatch,
    prefix: str,
    behind: WriteBehind | None = None,
    tracer: Tracer | None = None,
) -> None:
    """Give ``application`` the topologies of ``pipeline``, whatever it reads from and writes to.

    Args:
        application: It has no dataframe yet.
        pipeline: Of the catalogue.
        folds: Those of its topologies, in their order.
        partitions: How many each topic has, by its name without ``prefix``.
        dead_letters: What is told of every message.
        prefix: What stands before the names of the topics.
        behind: Keeps values and rows from message to message; None to store and publish them with every message.
        tracer: Takes the spans of messages that have a trace; None to look for none.
    """
    for topology, fold in zip(pipeline.topologies, folds, strict=True):
        _wire(application, topology, fold, pipeline.name, partitions[topology.source.name], dead_letters, prefix, behind, tracer)


def _wire(
    application: Application,
    topology: Topology[M],
    fold: Fold[M],
    name: str,
    shards: int,
    dead_letters: DeadLetterWatch,
    prefix: str,
    behind: WriteBehind | None,
    tracer: Tracer | None,
) -> None:
    source = application.topic(
        topology.source.named(prefix), key_deserializer="bytes", value_deserializer="bytes", value_serializer="bytes"
    )
    sinks = {
        sink.name: application.topic(sink.named(prefix), key_serializer="str", value_serializer=_ValueOfOutput())
        for sink in (*topology.sinks, *BESIDE)
    }

    def topic_of(output: Output, *_: object) -> QuixTopic:
        return sinks[output.topic.name]

    def key_of(output: Output) -> str:
        return output.key

    records = application.dataframe(source)
    records.register_store()
    stored = stored_values(records.processing_context, records.stream_id, shards)
    states = stored if behind is None else behind.keep(stored)
    fold_message = _fold_message(topology, fold, name, states, dead_letters, behind, tracer)
    records.apply(fold_message, expand=True, metadata=True).to_topic(topic_of, key=key_of)


def _fold_message(
    topology: Topology[M],
    fold: Fold[M],
    name: str,
    states: Sequence[State],
    dead_letters: DeadLetterWatch,
    behind: WriteBehind | None,
    tracer: Tracer | None,
) -> Callable[..., Iterable[Output]]:
    """The function that Quix calls for each message: fold it, and count.

    The error that a message of a newer release raises (:class:`~schemas.errors.NewerMessage`) ends the application before the
    message is committed.
    """
    parts = [Shard.of(name, number, len(states)) for number in range(len(states))]
    source, topic = topology.source, topology.source.name
    progress = Progress(topic, READ_ON)
    messages, records = metrics.MESSAGES.labels(name, topic), metrics.RECORDS.labels(name, topic)
    outcomes = cache(partial(metrics.OUTCOMES.labels, name))

    def fold_message(value: bytes | None, key: bytes | None, timestamp: int, headers: object) -> Iterable[Output]:
        if behind is not None:
            behind.reads()
        trace = None if tracer is None else parent_in(headers)
        began_ns = tracer.now_ns() if tracer is not None and trace is not None else 0
        context = message_context()
        position = Position(context.topic, context.partition, context.offset)
        message, folded = fold_value(source, fold, value, key, position, parts[context.partition], states[context.partition])
        if message is not None:
            records.inc(_size(message))
            if (recv_us := getattr(message, "recv_us", None)) is not None:
                metrics.observe_receive_to_publish(name, recv_us)
        dead_letters.read(topic, message, folded)
        messages.inc()
        for outcome, number in folded.counts.items():
            outcomes(outcome).inc(number)
        outputs = folded.outputs
        if folded.adopted is not None:
            outputs = [*outputs, folded.adopted]
            terms = folded.adopted.value.decode()
            log.info("%s folds with other terms from %s on: %s", name, position, terms, extra=position._asdict())
        reached = progress.reach(message, position, timestamp, folded.outputs)
        if tracer is not None and trace is not None:
            # What is made of it has its headers, and so its trace; a row that waits is given it here.
            tracer.span(f"fold {name}", trace, began_ns, tracer.now_ns(), **position._asdict())
            if behind is not None:
                behind.trace(trace)
        if behind is not None:
            behind.wait(folded.rows, reached, WaitingOutputs(outputs, headers, timestamp))
            return ()
        if reached is not None:
            # After what was folded: nobody may be told of a second before what came of it.
            outputs = [*outputs, reached]
        count(name, outputs)
        return outputs

    return fold_message


def _size(message: object) -> int:
    return len(getattr(message, "records", None) or getattr(message, "events", None) or ())


class _ValueOfOutput(Serializer):
    """Takes the value of an :class:`Output`, which is encoded already."""

    def __call__(self, value: Output, ctx: object) -> bytes:
        return value.value


def _partitions(pipeline: Pipeline, settings: PipelineSettings) -> dict[str, int]:
    """How many partitions each topic of ``pipeline`` has, by its name without prefix."""
    needed = {topic.name: topic for topology in pipeline.topologies for topic in (topology.source, *topology.sinks, *BESIDE)}
    try:
        cluster = AdminClient({**settings.kafka, "logger": log}).list_topics(timeout=METADATA_TIMEOUT_S).topics
    except KafkaException as error:
        raise KafkaUnavailable(settings.bootstrap, error.args[0].str()) from error
    names = {name: topic.named(settings.topic_prefix) for name, topic in needed.items()}
    if missing := [full for full in names.values() if full not in cluster]:
        raise TopicsMissing(settings.bootstrap, missing)
    partitions = {name: len(cluster[full].partitions) for name, full in names.items()}
    sharded = {names[name]: partitions[name] for name, topic in needed.items() if topic.sharded}
    if len(set(sharded.values())) > 1:
        raise UnevenTopics(sharded)
    return partitions
