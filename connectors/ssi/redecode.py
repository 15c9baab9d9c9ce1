"""Reads a stretch of ``ssi.wire``, writes what it decodes to today to topics beside the real ones, and compares the two."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from connectors.ssi.core.errors import SideTopicsInUse
from connectors.ssi.core.frames import Cut, FrameBuilder
from connectors.ssi.core.redecode import MARGIN_US, Comparison, Redecoder, RedecodeReport, WireMessage
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.position import Partition
from schemas.topics import RECORD_TOPICS, SSI_REFERENCE, SSI_TICKS, SSI_WIRE, encode
from schemas.units import UnixMs

_TIMEOUT_S: Final = 20.0
_PAUSE_S: Final = 0.1
_BATCH: Final = 5_000
LATEST_MS: Final = 3_600_000
"""How much later than it was received a message may have been appended: for so long the connector may have waited for Kafka."""


def redecode(
    kafka: Mapping[str, str], prefix: str, channels: str, from_ms: UnixMs, to_ms: UnixMs, into: str | None
) -> RedecodeReport:
    """Decode again what was received from ``from_ms`` on and before ``to_ms``, and compare it with what was published.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of the deployment's topics.
        channels: What the feeds were subscribed to.
        from_ms: Begin, as receive time.
        to_ms: End, which is not in it.
        into: What stands, after ``prefix``, before the names of the topics that the frames of today are written to. They are
            made, split as the real ones are. Empty or None writes nothing.

    Raises:
        KafkaUnavailable: The broker does not answer, or stopped answering.
        TopicsMissing: There is no ``ssi.wire``.
        SideTopicsInUse: There are topics of those names.
    """
    run = _Run(kafka, prefix)
    try:
        shards = run.shards()
        redecoder = Redecoder(channels)
        for record in run.references():
            redecoder.symbols.list_instruments([(record.symbol, record.exchange)])
        comparison = Comparison(from_ms * 1000, to_ms * 1000, shards, redecoder.symbols)
        writer = _Writer(kafka, f"{prefix}{into}", shards, redecoder) if into else None
        for topic, message in run.messages(from_ms, to_ms):
            if topic != SSI_WIRE.name:
                where = Partition(topic, message.partition())
                comparison.add_published(where, _DECODERS[topic](message.value()))
            elif (wire := _wire_message(message)) is not None and from_ms * 1000 <= wire.recv_us < to_ms * 1000:
                again = redecoder.read(wire)
                comparison.add_again(wire, again)
                if writer:
                    writer.write(wire, again.records)
        if writer:
            writer.close()
    except KafkaException as error:
        raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error
    finally:
        run.close()
    return comparison.report()


_DECODERS: Final = {topic.name: topic.decode for topic in RECORD_TOPICS}


def _wire_message(message: Any) -> WireMessage | None:
    """A message of ``ssi.wire``; None if its headers are not the connector's."""
    try:
        return WireMessage.of(dict(message.headers() or ()), message.value())
    except (KeyError, ValueError, UnicodeError):
        return None


class _Run:
    """Reads the topics from shortly before the stretch to its end."""

    def __init__(self, kafka: Mapping[str, str], prefix: str) -> None:
        self._kafka = kafka
        self._prefix = prefix
        self._consumer = Consumer(
            {
                **kafka,
                "group.id": "stock-tracker-redecode",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "auto.offset.reset": "earliest",
            }
        )

    def close(self) -> None:
        self._consumer.close()

    def shards(self) -> int:
        """How many partitions the record topics have."""
        wanted = [topic.named(self._prefix) for topic in (*RECORD_TOPICS, SSI_WIRE)]
        existing = self._consumer.list_topics(timeout=_TIMEOUT_S).topics
        if missing := [name for name in wanted if name not in existing]:
            raise TopicsMissing(self._kafka["bootstrap.servers"], missing)
        return len(existing[SSI_TICKS.named(self._prefix)].partitions)

    def references(self) -> Iterator[Any]:
        """The reference records that the connector published."""
        name = SSI_REFERENCE.named(self._prefix)
        if name in self._consumer.list_topics(timeout=_TIMEOUT_S).topics:
            for message in self._read([TopicPartition(name, 0, 0)], None):
                yield SSI_REFERENCE.decode(message.value()).record

    def messages(self, from_ms: UnixMs, to_ms: UnixMs) -> Iterator[tuple[str, Any]]:
        """The messages of ``ssi.wire`` and of the record topics, each with its topic without the prefix."""
        since_ms = from_ms - MARGIN_US // 1000
        existing = self._consumer.list_topics(timeout=_TIMEOUT_S).topics
        names = [topic.named(self._prefix) for topic in (*RECORD_TOPICS, SSI_WIRE)]
        places = [TopicPartition(name, partition, since_ms) for name in names for partition in existing[name].partitions]
        # Kafka's times are those of the append, which is never before the receipt.
        starts = self._consumer.offsets_for_times(places, timeout=_TIMEOUT_S)
        for message in self._read([start for start in starts if start.offset >= 0], to_ms + LATEST_MS):
            yield message.topic().removeprefix(self._prefix), message

    def _read(self, starts: list[TopicPartition], until_ms: int | None) -> Iterator[Any]:
        """Every message from ``starts`` on, to the end or to those that were appended after ``until_ms``."""
        left = {(start.topic, start.partition) for start in starts}
        self._consumer.assign(starts)
        patience = _TIMEOUT_S / _PAUSE_S
        while left:
            messages = self._consumer.consume(_BATCH, _PAUSE_S)
            patience = _TIMEOUT_S / _PAUSE_S if messages else patience - 1
            if patience <= 0:
                raise KafkaUnavailable(self._kafka["bootstrap.servers"], "it stopped handing out messages")
            for message in messages:
                place, error = (message.topic(), message.partition()), message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaUnavailable(self._kafka["bootstrap.servers"], error.str())
                if error is not None or (until_ms is not None and message.timestamp()[1] > until_ms):
                    left.discard(place)
                elif place in left:
                    yield message
        self._consumer.unassign()


class _Writer:
    """Writes frames of today to topics of their own. There are no clock ticks in them: nothing folds these topics."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, shards: int, redecoder: Redecoder) -> None:
        self._prefix = prefix
        self._shards = shards
        self._redecoder = redecoder
        self._builders: dict[tuple[str, int], FrameBuilder] = {}
        self._failed: list[str] = []
        self._make_topics(kafka)
        self._producer = Producer(
            {**kafka, "enable.idempotence": True, "compression.type": "lz4", "linger.ms": 5, "partitioner": "murmur2"}
        )

    def _make_topics(self, kafka: Mapping[str, str]) -> None:
        admin = AdminClient(dict(kafka))
        new = [NewTopic(topic.named(self._prefix), self._shards, -1, config=topic.config()) for topic in RECORD_TOPICS]
        for name, answer in admin.create_topics(new, operation_timeout=_TIMEOUT_S).items():
            try:
                answer.result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    raise SideTopicsInUse(name) from None
                raise

    def write(self, message: WireMessage, records: list[Any]) -> None:
        """Put the records of a message into frames, and send those that are full or old enough."""
        epoch = (message.feed, message.epoch)
        builder = self._builders.get(epoch)
        if builder is None:
            builder = self._builders[epoch] = FrameBuilder(message.feed, self._shards, self._redecoder.symbols.is_index)
            builder.begin(message.epoch)
        for record in records:
            builder.add(record, message.recv_us)
        self._send(builder.due(message.recv_us))

    def close(self) -> None:
        """Send the rest, and wait for Kafka to have all of it.

        Raises:
            KafkaException: It did not take everything.
        """
        for builder in self._builders.values():
            self._send(builder.flush())
        if self._producer.flush(_TIMEOUT_S) or self._failed:
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT, self._failed[0] if self._failed else "not delivered"))

    def _send(self, cuts: list[Cut]) -> None:
        for cut in cuts:
            while True:
                try:
                    self._producer.produce(
                        f"{self._prefix}{cut.partition.topic}",
                        value=encode(cut.frame),
                        key=cut.key,
                        on_delivery=lambda error, _: self._failed.append(error.str()) if error else None,
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
            self._producer.poll(0)
