"""Reads ``ssi.dlq``, and puts onto the record topics what today's code can use of it.

A replay is one Kafka transaction with the position that it has come to, so nothing is replayed twice, whenever it is killed. The
frames carry feed and connection of their letters and the number 0: to the folds they are late records of a connection they know,
which change neither who leads nor what was covered, and of what is known already they book nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from connectors.ssi.core.decode import Decoder
from connectors.ssi.core.frames import FrameBuilder
from connectors.ssi.core.symbols import Symbols
from schemas.errors import InvalidMessage, KafkaUnavailable
from schemas.structs import ClockTick, Frame, LossMarker
from schemas.topics import SSI_DLQ, SSI_REFERENCE, SSI_TICKS, encode
from schemas.units import UnixUs
from stock_tracker.dead_letters.core.letters import Letter, NoChance, second_chance
from stock_tracker.recordings.record import read_messages

GROUP: Final = "dlq-replay"
_TIMEOUT_S: Final = 20.0


class Chance(NamedTuple):
    """What became of a letter."""

    letter: Letter
    places: tuple[str, ...]
    """The partitions that its records were put on, ``ssi.ticks[1]``; empty when there are none."""
    reason: str
    """Why it cannot be used today either; empty when it can."""


def read(kafka: Mapping[str, str], prefix: str, tell: Callable[[str], None]) -> list[Letter]:
    """All dead letters that Kafka keeps, oldest first. What is no dead letter is left out.

    Raises:
        KafkaUnavailable, TopicsMissing: It cannot be read.
    """
    _, messages = read_messages(kafka, prefix, [SSI_DLQ], tell)
    letters = []
    for message in messages:
        try:
            letters.append(Letter(message.offset, message.ts_ms, SSI_DLQ.decode(message.value or b"")))
        except InvalidMessage:
            continue
    return letters


def replay(
    kafka: Mapping[str, str], prefix: str, offsets: Iterable[int] | None, tell: Callable[[str], None], *, only_try: bool = False
) -> list[Chance]:
    """Give dead letters a second chance.

    Args:
        kafka: librdkafka's connection settings.
        prefix: What stands before the names of topics.
        offsets: Those to be replayed, also if they have been before; None for all since the last replay.
        tell: Is told how far it is.
        only_try: Say what would become of them, and publish nothing.

    Raises:
        KafkaUnavailable, TopicsMissing: Kafka does not take or give it. Nothing was published then.
    """
    letters = read(kafka, prefix, tell)
    symbols, shards = _symbols_and_shards(kafka, prefix, tell)
    place = TopicPartition(SSI_DLQ.named(prefix), 0)
    with _errors_of(kafka), closing(_consumer(kafka, prefix)) as consumer:
        if offsets is None:
            (committed,) = consumer.committed([place], timeout=_TIMEOUT_S)
            chosen = [letter for letter in letters if letter.offset >= committed.offset]
        else:
            wanted = set(offsets)
            chosen = [letter for letter in letters if letter.offset in wanted]
        decoder = Decoder(symbols)
        if only_try or not chosen:
            return [chance for chance, _ in _chances(chosen, decoder, symbols, shards)]
        producer = Producer(
            {**kafka, "transactional.id": f"{prefix}{GROUP}", "partitioner": "murmur2", "compression.type": "lz4"}
        )
        producer.init_transactions(_TIMEOUT_S)
        producer.begin_transaction()
        chances = []
        for chance, frames in _chances(chosen, decoder, symbols, shards):
            for topic, key, frame in frames:
                producer.produce(f"{prefix}{topic}", encode(frame), key, headers={"dead_letter": str(chance.letter.offset)})
                producer.poll(0)
            chances.append(chance)
        if offsets is None:
            position = TopicPartition(place.topic, place.partition, chosen[-1].offset + 1)
            producer.send_offsets_to_transaction([position], consumer.consumer_group_metadata(), _TIMEOUT_S)
        producer.commit_transaction(_TIMEOUT_S)
        return chances


def _chances(
    letters: Iterable[Letter], decoder: Decoder, symbols: Symbols, shards: int
) -> Iterator[tuple[Chance, list[tuple[str, str, Frame]]]]:
    """What becomes of each letter, and the frames that it becomes: topic, key and frame."""
    for letter in letters:
        records = second_chance(letter.said, decoder)
        if isinstance(records, NoChance):
            yield Chance(letter, (), records.reason), []
            continue
        builder = FrameBuilder(letter.said.feed, shards, symbols.is_index)
        builder.begin(letter.said.epoch)
        for record in records:
            # Clock ticks and loss markers of a frame are old by now: only what SSI said is said again.
            if not isinstance(record, ClockTick | LossMarker):
                builder.add(record, UnixUs(letter.ts_ms * 1_000))
        cuts = builder.flush()
        places = tuple(f"{cut.partition.topic}[{cut.partition.number}]" for cut in cuts)
        yield Chance(letter, places, ""), [(cut.partition.topic, cut.key, cut.frame) for cut in cuts]


def _symbols_and_shards(kafka: Mapping[str, str], prefix: str, tell: Callable[[str], None]) -> tuple[Symbols, int]:
    symbols = Symbols()
    _, messages = read_messages(kafka, prefix, [SSI_REFERENCE], tell)
    for message in messages:
        if message.value:
            record = SSI_REFERENCE.decode(message.value).record
            symbols.list_instruments([(record.symbol, record.exchange)])
    with _errors_of(kafka), closing(_consumer(kafka, prefix)) as consumer:
        name = SSI_TICKS.named(prefix)
        return symbols, len(consumer.list_topics(name, timeout=_TIMEOUT_S).topics[name].partitions)


def _consumer(kafka: Mapping[str, str], prefix: str) -> Consumer:
    return Consumer({**kafka, "group.id": f"{prefix}{GROUP}", "enable.auto.commit": False, "log_level": 0})


@contextmanager
def _errors_of(kafka: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaUnavailable(kafka["bootstrap.servers"], error.args[0].str()) from error
