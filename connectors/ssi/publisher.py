"""Sends to Kafka what waits in the outbox: each message once and in order, without ever making the hub's reader wait."""

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage
from confluent_kafka.admin import ClusterMetadata

from connectors.ssi.core.outbox import Outbox, Outgoing
from schemas.errors import KafkaUnavailable, TopicsMissing
from schemas.kafka_errors import is_cluster_down
from schemas.position import Partition
from schemas.topics import RECORD_TOPICS, SSI_DLQ, SSI_REFERENCE, SSI_STATUS, SSI_TICKS, SSI_WIRE
from schemas.tracing import HEADER, Tracer

log = logging.getLogger(__name__)

TOPICS: Final = (*RECORD_TOPICS, SSI_WIRE, SSI_REFERENCE, SSI_STATUS, SSI_DLQ)
"""What the connector writes to."""
METADATA_S: Final = 5.0
"""How long the brokers may take to answer, in seconds, and to tell one another of topics that were just made."""


class _Traced(NamedTuple):
    """A frame with a trace, on its way to Kafka."""

    parent: str
    began_ns: int


class Publisher:
    """Moves messages from the outbox to Kafka; :meth:`pump` does the work and never waits."""

    def __init__(
        self, kafka: dict[str, str], topic_prefix: str, outbox: Outbox, window: int, tracer: Tracer | None = None
    ) -> None:
        """Make the producers; nothing is sent before :meth:`pump`.

        Args:
            kafka: librdkafka's connection settings.
            topic_prefix: Put before the name of every topic.
            outbox: Where to take messages from.
            window: How many records librdkafka may hold at a time. The others wait in the outbox, which can throw the oldest
                away; librdkafka cannot.
            tracer: Takes the spans of some frames; None to trace nothing.
        """
        self._tracer = tracer
        self._window = window
        self._prefix = topic_prefix
        self._outbox = outbox
        self._bootstrap = kafka.get("bootstrap.servers", "")
        self._in_flight = 0
        """Records that librdkafka holds: a frame counts as its records, any other message as one."""
        self._introduced: set[Partition] = set()
        """Partitions that have accepted a message of ours."""
        self._introducing: set[Partition] = set()
        """Partitions that librdkafka holds the first message for."""
        self._fatal: KafkaError | None = None
        """Why the producer can never send again."""
        self.trouble: KafkaUnavailable | None = None
        """Why nothing gets through to Kafka at the moment; None when it does."""
        self.failures: Counter[str] = Counter()
        """Messages that Kafka refused since the start, by topic."""
        self._producers = {codec: self._producer(kafka, codec) for codec in ("lz4", "zstd")}
        self._codecs = {topic.name: topic.compression for topic in TOPICS}

    def _producer(self, kafka: dict[str, str], codec: str) -> Producer:
        return Producer(
            {
                **kafka,
                "client.id": "stock-tracker-ssi",
                "enable.idempotence": True,
                # librdkafka's own default is CRC32; everything else in the system places keys by murmur2.
                "partitioner": "murmur2",
                "compression.type": codec,
                "linger.ms": 5,
                # However long Kafka does not answer, librdkafka keeps trying; the outbox bounds what waits meanwhile.
                "message.timeout.ms": 0,
                # librdkafka measures a message before it is compressed; the broker's limit of a megabyte holds for what is sent.
                "message.max.bytes": 8_000_000,
                "reconnect.backoff.max.ms": 2_000,
                "log.connection.close": False,
                "error_cb": self._errored,
            },
            logger=logging.getLogger(f"{__name__}.librdkafka"),
        )

    async def shards(self) -> int:
        """How many partitions the record topics have.

        Raises:
            KafkaUnavailable: No broker answers.
            TopicsMissing: Some of the topics that the connector writes to have not been made.
        """
        deadline = asyncio.get_running_loop().time() + METADATA_S
        names = [topic.named(self._prefix) for topic in TOPICS]
        while missing := [name for name in names if name not in (metadata := await self._metadata()).topics]:
            # For a moment some brokers do not know of a topic that was just made.
            if asyncio.get_running_loop().time() >= deadline:
                raise TopicsMissing(self._bootstrap, missing)
            await asyncio.sleep(0.2)
        return len(metadata.topics[SSI_TICKS.named(self._prefix)].partitions)

    async def _metadata(self) -> ClusterMetadata:
        try:
            # Asked for all topics, because brokers may create one that is asked for by name.
            return await asyncio.to_thread(self._producers["lz4"].list_topics, timeout=METADATA_S)
        except KafkaException as error:
            raise KafkaUnavailable(self._bootstrap, error.args[0].str()) from None

    def pump(self) -> None:
        """Hand librdkafka what waits, as far as the window allows, and take note of what has been delivered. It never blocks.

        Raises:
            KafkaUnavailable: The producer can never send again; only a new process helps.
        """
        while self._in_flight < self._window and (outgoing := self._outbox.take()) is not None:
            if not self._may_send(outgoing.partition):
                self._outbox.put_back(outgoing)
                break
            self._in_flight += outgoing.weight
            headers, traced = self._begin_trace(outgoing)
            try:
                self._producers[self._codecs[outgoing.topic]].produce(
                    f"{self._prefix}{outgoing.topic}",
                    value=outgoing.value,
                    key=outgoing.key,
                    headers=headers,
                    on_delivery=partial(self._delivered, outgoing, traced),
                )
            except BufferError:
                # librdkafka's own queue is full: what did not fit goes back to the outbox, and next time first.
                self._in_flight -= outgoing.weight
                self._introducing.discard(outgoing.partition)
                self._outbox.put_back(outgoing)
                break
            except KafkaException as error:
                self._in_flight -= outgoing.weight
                self._introducing.discard(outgoing.partition)
                self._refused(outgoing, str(error))
        for producer in self._producers.values():
            producer.poll(0)
        if self._fatal is not None:
            raise KafkaUnavailable(self._bootstrap, self._fatal.str())

    @property
    def is_idle(self) -> bool:
        """Whether everything was delivered."""
        return not self._in_flight and not len(self._outbox)

    async def close(self, timeout_s: float) -> int:
        """Deliver what waits, for ``timeout_s`` seconds at most. Returns how many records could not be delivered."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not self.is_idle and loop.time() < deadline and self._fatal is None:
            self.pump()
            await asyncio.sleep(0.005)
        left = self._in_flight + self._outbox.records
        for producer in self._producers.values():
            producer.purge()
            producer.flush(0)
        return left

    def _may_send(self, partition: Partition) -> bool:
        """Whether librdkafka may have a message for ``partition`` now: the first one has to be delivered before it gets a second.

        A partition that knows nothing of a producer accepts its messages from any sequence number on. Suppose two requests are on
        their way while a partition gets its leader, because it was just made or its broker is starting: the first may be refused
        and the second accepted. librdkafka then counts the first as delivered too, and nobody notices that it is lost.
        """
        if partition in self._introduced:
            return True
        if partition in self._introducing:
            return False
        self._introducing.add(partition)
        return True

    def _begin_trace(self, outgoing: Outgoing) -> tuple[list[tuple[str, str]], _Traced | None]:
        """The headers of a message; and how its trace began, if it has one."""
        headers, tracer = list(outgoing.headers), self._tracer
        if tracer is None or outgoing.cut is None or not tracer.samples():
            return headers, None
        now_ns = tracer.now_ns()
        received_ns = min(outgoing.cut.frame.recv_us * 1_000, now_ns)
        parent = tracer.span("receive", None, received_ns, now_ns, topic=outgoing.topic, records=len(outgoing.cut.frame.records))
        return [*headers, (HEADER, parent)], _Traced(parent, now_ns)

    def _delivered(self, outgoing: Outgoing, traced: _Traced | None, error: KafkaError | None, message: KafkaMessage) -> None:
        self._in_flight -= outgoing.weight
        if traced is not None and self._tracer is not None and error is None:
            where = {"topic": outgoing.topic, "partition": message.partition() or 0, "offset": message.offset() or 0}
            self._tracer.span("publish", traced.parent, traced.began_ns, self._tracer.now_ns(), **where)
        self._introducing.discard(outgoing.partition)
        if error is None:
            self._introduced.add(outgoing.partition)
            if self.trouble is not None:
                log.info("Kafka answers again")
            self.trouble = None
        else:
            self._refused(outgoing, error.str())

    def _refused(self, outgoing: Outgoing, why: str) -> None:
        self.failures[outgoing.topic] += 1
        log.error("Kafka refused a message of %d bytes for %s: %s", len(outgoing.value), outgoing.topic, why)
        if outgoing.cut is not None:
            self._outbox.lose(outgoing.cut)

    def _errored(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = error
        elif is_cluster_down(error.code()):
            trouble = KafkaUnavailable(self._bootstrap, error.str())
            if self.trouble is None:
                log.warning("%s", trouble)
            self.trouble = trouble
