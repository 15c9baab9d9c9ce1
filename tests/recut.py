"""A recorded day whose records are in other frames: what the pipelines say of it must not depend on where frames begin."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import msgspec

from connectors.fixtures.core.layout import FixtureMessage
from connectors.fixtures.core.parts import frame_of
from schemas.structs import Frame
from schemas.topics import EVENT_TOPICS, STATE_TOPICS, encode

MOST_RECORDS = 12
"""Of a frame that is cut anew."""
Place = tuple[str, int]


@dataclass
class Run:
    """Frames of one feed and connection that follow one another in a partition without a hole, as one sequence of records."""

    message: FixtureMessage
    """The first of them."""
    frame: Frame
    next_seq: int
    records: list[Any] = field(default_factory=list)


def recut(messages: Iterable[FixtureMessage], rng: Random) -> Iterator[FixtureMessage]:
    """The same records in the same order, in each partition, in frames cut at random; frames that were lost are still missing.

    Records of two feeds keep their order too: a run of frames ends where one of the other feed comes.
    """
    runs: dict[Place, Run] = {}
    offsets: dict[Place, int] = defaultdict(int)
    seqs: dict[tuple[Place, str, int], tuple[int, int]] = {}
    """By partition, feed and connection: the seq after the last frame, as it was recorded and as it is now."""

    def closed(place: Place) -> Iterator[FixtureMessage]:
        run = runs.pop(place, None)
        if run is None:
            return
        frame, line = run.frame, (place, run.frame.feed, run.frame.epoch)
        recorded, now = seqs.get(line, (0, 0))
        now += frame.seq - recorded
        for records in _pieces(run.records, rng):
            value = encode(msgspec.structs.replace(frame, seq=now, records=records))  # type: ignore[type-var]
            yield replace(run.message, offset=offsets[place], value=value)
            offsets[place] += 1
            now += 1
        seqs[line] = (run.next_seq, now)

    for message in messages:
        frame, place = frame_of(message), (message.topic, message.partition)
        if frame is None:
            yield message
            continue
        run = runs.get(place)
        follows = run is not None and (frame.feed, frame.epoch, frame.seq) == (run.frame.feed, run.frame.epoch, run.next_seq)
        if not follows or (run is not None and len(run.records) > 3 * MOST_RECORDS):
            yield from closed(place)
            run = None
        if run is None:
            run = runs[place] = Run(message, frame, frame.seq)
        run.records += frame.records
        run.next_seq = frame.seq + 1
    for place in list(runs):
        yield from closed(place)


def _pieces(records: Sequence[Any], rng: Random) -> Iterator[Sequence[Any]]:
    if not records:
        # A frame without records tells that none was lost.
        yield records
    at = 0
    while at < len(records):
        size = rng.randint(1, MOST_RECORDS)
        yield records[at : at + size]
        at += size


def told(outputs: Iterable[FixtureMessage]) -> dict[tuple[str, ...], list[bytes]]:
    """What outputs tell, whatever the frames: the events of each rule and symbol in their order, the last row of each key.

    A row names the frame that it was folded from, which is another one now, so that is left out.
    """
    events = {topic.name for topic in EVENT_TOPICS}
    states = {topic.name for topic in STATE_TOPICS}
    kept: dict[tuple[str, ...], list[bytes]] = defaultdict(list)
    for message in outputs:
        content = msgspec.json.decode(message.value or b"{}")
        if message.topic in events:
            for event in content["events"]:
                about = (message.topic, str(event.get("rule", "")), str(event.get("symbol", "")))
                kept[about].append(msgspec.json.encode(event))
        elif message.topic in states:
            content.pop("src", None)
            kept[message.topic, (message.key or b"").decode()] = [msgspec.json.encode(content)]
    return dict(kept)
