"""Plays recorded days onto a test's topics, with the real pipelines at work there."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.files import open_fixture
from pipelines.catalogue import CATALOGUE, NAMES
from schemas.topics import TOPICS, Topic
from stock_tracker.errors import UnusableFixture
from stock_tracker.golden.apps import Apps, wait_until_folded
from stock_tracker.golden.shards import shards_of
from stock_tracker.kafka.topics import describe
from stock_tracker.recordings.record import read_messages
from stock_tracker.recordings.replay import Replayed, TopicWriter, inputs, play


class Replay:
    """Call it with a fixture. The pipelines that it started run on until its ``with`` block ends."""

    def __init__(self, kafka: Mapping[str, str], prefix: str, home: Path, folder: Path) -> None:
        """Prepare.

        Args:
            kafka: librdkafka's connection settings.
            prefix: What stands before the names of the topics, which are there.
            home: The folder for the state and the logs of the pipelines.
            folder: What relative names of fixtures are relative to.
        """
        self._kafka = dict(kafka)
        self._prefix = prefix
        self._home = home
        self._folder = folder
        self._stack = ExitStack()
        self._apps: dict[tuple[str, ...], Apps] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def __call__(self, file: Path | str, *, speed: float | None = None, pipelines: Sequence[str] = NAMES) -> Replayed:
        """Play a fixture; return when the pipelines have folded all of it.

        Args:
            file: The fixture; a relative name is looked for beside the test.
            speed: Recorded seconds a second; None for as fast as it goes.
            pipelines: Those that are to run; with none of them the messages are written and that is all.

        Raises:
            FixtureError: It cannot be read to its end.
            UnusableFixture: Nothing in it is to be played, or it has other shards than the topics.
            AppEnded: A pipeline ended by itself.
            NotInTime: One stands still.
        """
        path = self._folder / file
        with open_fixture(path) as (header, read):
            messages = list(inputs(read))
        if not messages:
            raise UnusableFixture(str(path), "the pipelines wrote all that is in it")
        self._check_shards(path, shards_of(str(path), header, messages))
        names = tuple(pipelines)
        if names and names not in self._apps:
            self._apps[names] = self._stack.enter_context(Apps(self._kafka, self._prefix, [names], self._home))
        writer = TopicWriter(self._kafka, self._prefix)
        replayed = play(messages, len(messages), speed, writer.send, lambda line: None)
        writer.close()
        if names:
            ordered = [pipeline for pipeline in CATALOGUE if pipeline.name in names]
            wait_until_folded(self._kafka, self._prefix, ordered, self._apps[names].check)
        return replayed

    def published(self, topic: str) -> list[Any]:
        """What is on a topic now, decoded: the events in the frames of ``market.…``, the messages of any other topic."""
        found = next(known for known in TOPICS if known.name == topic)
        _, messages = read_messages(self._kafka, self._prefix, [found], lambda line: None)
        return list(_contents(found, messages))

    def _check_shards(self, path: Path, shards: int) -> None:
        topics = describe(self._kafka, self._prefix)
        there = max(topics[topic.named(self._prefix)].partitions for topic in TOPICS if topic.sharded)
        if there != shards:
            advice = f"mark the test with @pytest.mark.shards({shards})"
            raise UnusableFixture(str(path), f"it has {shards} shards, the topics have {there}: {advice}")


def _contents(topic: Topic[Any], messages: Sequence[FixtureMessage]) -> Iterator[Any]:
    for message in messages:
        content = message.value if topic.message is None else topic.decode(message.value or b"")
        yield from getattr(content, "events", [content])
