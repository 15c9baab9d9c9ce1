"""The folds of the pipelines over a log that they have folded before, with the terms that held then. Pure.

A topology is folded again over its own source topic as it lies on Kafka, so that the order in which Kafka mixed the shards of the
first stage of the foreign flow, or the pipelines on ``market.trades``, is the order of the log and nothing to guess.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Generic, NamedTuple, TypeVar

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.core.frames import Fold, Shard, fold_value
from pipelines.core.terms import Offer, Offers, Recorded, UsableTerms
from schemas.position import Partition, Position
from schemas.shards import shard_of
from schemas.structs import TermsAdopted
from schemas.topics import Topic
from schemas.units import TradingDay

M = TypeVar("M")

_FIRST_DAY: Final = TradingDay(0)
_LAST_DAY: Final = TradingDay(99991231)
"""Before and after every day: the whole log is folded again."""

Headers = tuple[tuple[str, bytes | None], ...]


class Expected(NamedTuple):
    """A message that must be on a topic."""

    place: Partition
    """The partition, of a topic without the prefix of the deployment."""
    key: bytes
    value: bytes
    headers: Headers
    """Those of the message that it was made of: Quix Streams hands them on."""
    source: Position
    """The message that it was made of."""


class Refold(Generic[M]):
    """One partition of a topic, folded from its beginning into a state of its own.

    Args:
        source: The topic.
        fold: Of the topology that reads it.
        shard: The partition, as the pipeline sees it.
        partitions: How many partitions each topic has, by its name without prefix.
        prefix: Before the names of the topics: dead letters name topics as they are in Kafka.
    """

    def __init__(self, source: Topic[M], fold: Fold[M], shard: Shard, partitions: Mapping[str, int], prefix: str) -> None:
        self._source = source
        self._fold = fold
        self._shard = shard
        self._partitions = partitions
        self._name = source.named(prefix)
        self._state: dict[bytes, bytes] = {}

    def fold(self, message: FixtureMessage) -> Iterator[Expected]:
        """What a pipeline publishes because of a message, in its order.

        Raises:
            FoldError: The state of the shard, or the terms, are nothing that this release can use.
            NewerMessage: A newer release wrote it.
        """
        position = Position(self._name, message.partition, message.offset)
        _, folded = fold_value(self._source, self._fold, message.value, message.key, position, self._shard, self._state)
        source = Position(self._source.name, message.partition, message.offset)
        outputs = folded.outputs if folded.adopted is None else [*folded.outputs, folded.adopted]
        for topic, key, value in outputs:
            place = Partition(topic.name, shard_of(key, self._partitions[topic.name]))
            yield Expected(place, key.encode(), value, message.headers, source)


class TermsThatHeld:
    """The terms that held, message by message, as ``pipelines.terms`` tells them.

    Args:
        pipeline: Whose fold it is.
        topic: That is folded, without a prefix.
        history: What :func:`history_of` says of its partitions.
        otherwise: For partitions of which nothing is known, because no shard there has come to a day: it folds with no terms.
    """

    forced: Final = False

    def __init__(self, pipeline: str, topic: str, history: Iterable[TermsAdopted], otherwise: Offers) -> None:
        self.topic = topic
        known = list(history)
        self._known = {adopted.partition for adopted in known if (adopted.pipeline, adopted.topic) == (pipeline, topic)}
        self._recorded = Recorded(pipeline, topic, known, first_day=_FIRST_DAY, last_day=_LAST_DAY)
        self._otherwise = otherwise
        self._last: dict[int, tuple[TermsAdopted, Offer]] = {}
        """What was offered last, by partition: to make terms usable takes longer than to fold a message."""

    def at(self, position: Position) -> Offer:
        """What was in force once the message at ``position`` was folded.

        Raises:
            InvalidRules: A rule in it is none that this release knows.
        """
        partition = position.partition
        if partition not in self._known:
            return self._otherwise.at(position)
        adopted = self._recorded.in_force(partition, position.offset)
        last = self._last.get(partition)
        if last is None or last[0] is not adopted:
            last = self._last[partition] = adopted, Offer(UsableTerms.of(adopted.terms), forced=False)
        return last[1]


def history_of(adopted: Iterable[TermsAdopted]) -> list[TermsAdopted]:
    """What was adopted since each shard began, of all pipelines.

    Where a pipeline was begun anew, from the beginning of its log and without state, what it had adopted before is left out.
    """
    by_shard: dict[tuple[str, str, int], list[TermsAdopted]] = {}
    for each in sorted(adopted, key=lambda each: (each.day, each.offset)):
        known = by_shard.setdefault((each.pipeline, each.topic, each.partition), [])
        if each.reason == "first":
            known.clear()
        known.append(each)
    return [each for known in by_shard.values() for each in known]


def why_not(history: Iterable[TermsAdopted], pipeline: str, place: Partition, before: int, release: str) -> str:
    """Why a partition cannot be folded again as it was, in words; empty when it can.

    Args:
        history: Of :func:`history_of`.
        pipeline: That folded it.
        place: The partition.
        before: The offset at which the range ends.
        release: Of this code.
    """
    for adopted in history:
        if (adopted.pipeline, adopted.topic, adopted.partition) != (pipeline, *place) or adopted.offset >= before:
            continue
        if adopted.terms.release != release:
            return f"release {adopted.terms.release} folded it from {place}@{adopted.offset} on, and this is {release}"
        if adopted.reason == "forced":
            return f"an operator forced terms at {place}@{adopted.offset}, and what state was passed over there is not known"
    return ""
