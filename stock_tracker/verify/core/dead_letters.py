"""Whether the dead letters of the pipelines are those that the folds make. Pure.

The pipelines and the connector share the topic, so that no order is compared: each letter must be there, once.
"""

from collections.abc import Collection, Iterator, Mapping
from hashlib import blake2b

from connectors.fixtures.core.layout import FixtureMessage
from schemas.plain_text import harmless
from schemas.position import Partition, Position
from schemas.topics import SSI_DLQ
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.refold import Expected


class DeadLetters:
    """Those that are expected, by a digest each, and those that were found.

    Args:
        prefix: Before the names of the topics: letters name topics as they are in Kafka.
        sources: The partitions that were folded again, each with the names of the pipelines that read it. Other letters are not
            looked at.
    """

    def __init__(self, prefix: str, sources: Mapping[Partition, Collection[str]]) -> None:
        self.letters = 0
        """How many were as expected."""
        self.beyond = 0
        """How many are of messages which had not been committed yet when the comparison began."""
        self._prefix = prefix
        self._sources = sources
        self._expected: dict[bytes, list[Position]] = {}
        self._strays: list[tuple[Position, Position, str]] = []

    def expect(self, expected: Expected) -> None:
        """Take a letter that a fold makes."""
        self._expected.setdefault(_digest(expected.key, expected.value), []).append(expected.source)

    def find(self, message: FixtureMessage) -> None:
        """Take a letter of the topic, once all that are expected are known.

        Raises:
            InvalidMessage: It is none.
        """
        letter = SSI_DLQ.decode(message.value or b"")
        if letter.topic is None or letter.partition is None or not letter.topic.startswith(self._prefix):
            return
        place = Partition(letter.topic.removeprefix(self._prefix), letter.partition)
        if letter.source not in self._sources.get(place, ()):
            return
        digest = _digest(message.key, message.value)
        if sources := self._expected.get(digest):
            sources.pop()
            self.letters += 1
            return
        found = Position(message.topic, message.partition, message.offset)
        said = harmless(f"{letter.source}, {letter.reason}: {letter.detail}")
        self._strays.append((found, Position(*place, letter.offset or 0), said))

    def finish(self, ends: Mapping[Partition, int], open_lanes: Collection[Partition]) -> Iterator[Difference]:
        """Say which are missing and which are too many.

        Args:
            ends: The offsets at which the sources were no longer folded.
            open_lanes: Of which more has been committed meanwhile.
        """
        for found, source, said in self._strays:
            place = Partition(source.topic, source.partition)
            if place in open_lanes and source.offset >= ends[place]:
                self.beyond += 1
            else:
                yield Difference("unexpected_dead_letter", "", f"{said}; nothing at {source} makes it", EventPosition(found, 0))
        for source in sorted(source for sources in self._expected.values() for source in sources):
            detail = f"what cannot be used of {source} is not on {SSI_DLQ.name}"
            yield Difference("missing_dead_letter", "", detail, EventPosition(source, 0))


def _digest(key: bytes | None, value: bytes | None) -> bytes:
    return blake2b((key or b"") + b"\0" + (value or b""), digest_size=16).digest()
