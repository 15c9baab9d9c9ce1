"""Whether what is on the topics is what the folds make of their sources, byte for byte. Pure.

Expected and found are compared as they come: :class:`EventLog` takes both of one partition of an event topic, :class:`LastRows`
those of a compacted topic. Several *lanes* may write one partition: source partitions, each of which is folded apart. The order
of a lane is fixed, and Kafka mixes the lanes as it likes.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import msgspec

from connectors.fixtures.core.layout import FixtureMessage
from schemas.position import Partition, Position
from schemas.units import UnixMs
from stock_tracker.golden.core.comparison import OutputDifference
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.refold import Expected, Headers

MOST_AHEAD: Final = 2_000
"""So many expected messages wait at most for one that was found and is of none of the lanes that have been folded so far."""
MOST_ASTRAY: Final = 5_000
"""So many messages without a counterpart are kept at most: then they are judged, whatever may come."""
MOST_TOLD: Final = 1_000
"""So many differences of a partition are kept at most; the others are counted."""
REMEMBERED: Final = 1_000
"""Of so many messages that were found as expected it is known that they were, so that one that comes twice is called doubled."""

Content = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers: what must be the same."""


class _Awaited(NamedTuple):
    """A message that was expected and not found yet."""

    lane: int
    number: int
    """Which of its lane, from 1 on."""
    expected: Expected


class _Stray(NamedTuple):
    """A message that was found and not expected yet."""

    message: FixtureMessage
    found: tuple[int, ...]
    """The number of the newest message of each lane that stands before it."""


class _Skip(NamedTuple):
    """Messages of a lane that were not where they should be."""

    after: int
    before: int
    """They are numbered between these two."""
    offset: int
    """Of the message with the number ``before``."""


@dataclass(slots=True)
class _Lane:
    source: Partition
    made: int = 0
    """How many messages it has been expected to have."""
    found: int = 0
    """The number of the newest of them that was found."""
    found_at: int = -1
    """The greatest offset at which one was found."""
    matched: int = 0
    """How many were found."""
    ended: bool = False
    """Whether it makes no more."""
    skips: list[_Skip] = field(default_factory=list)


class EventLog:
    """One partition of a topic whose every message counts.

    Args:
        place: The partition.
        lanes: The source partitions whose messages may be on it.
        end: The offset at which what is found ends.
        open_lanes: Says of which lanes more has been committed than is folded: what comes of that may have been found.
    """

    def __init__(
        self, place: Partition, lanes: Iterable[Partition], end: int, open_lanes: Callable[[], Collection[Partition]]
    ) -> None:
        self.place = place
        self.messages = 0
        """How many messages were as expected."""
        self.beyond = 0
        """How many were found that come of messages which the sources had not committed yet when the comparison began."""
        self.difference_count = 0
        self.differences: list[Difference] = []
        """The first of them, at most :data:`MOST_TOLD`."""
        self.is_at_end = False
        """Whether nothing more will be found."""
        self._end = end
        self._open_lanes = open_lanes
        self._lanes = [_Lane(source) for source in lanes]
        self._numbers = {lane.source: number for number, lane in enumerate(self._lanes)}
        self._awaited: dict[Content, deque[_Awaited]] = {}
        self._strays: dict[Content, deque[_Stray]] = {}
        self._stray_count = 0
        self._puzzle: Content | None = None
        """What was found last, if it is not expected yet. It may be of a lane that has not been folded so far."""
        self._lately: OrderedDict[Content, int] = OrderedDict()

    @property
    def wants_found(self) -> bool:
        """Whether the next message that was found should be told now."""
        return not self.is_at_end and self._puzzle is None and any(lane.made > lane.found for lane in self._lanes)

    def wants_lane(self) -> Partition | None:
        """The source partition that should be folded on, so that what was found last can be understood; None for none."""
        if self._puzzle is None:
            return None
        ahead = sum(lane.made - lane.found for lane in self._lanes)
        if ahead < MOST_AHEAD:
            for lane in self._lanes:
                if not lane.ended and lane.made == lane.found:
                    return lane.source
        # Each lane says something else than what was found, so that is astray.
        self._puzzle = None
        return None

    def end_lane(self, source: Partition) -> None:
        """Nothing more is expected of a lane."""
        self._lanes[self._numbers[source]].ended = True

    def expect(self, expected: Expected) -> None:
        """Take the next message of a lane."""
        number = self._numbers[Partition(expected.source.topic, expected.source.partition)]
        lane = self._lanes[number]
        lane.made += 1
        content = expected.key, expected.value, expected.headers
        stray = self._pop_stray(content)
        if stray is None:
            self._awaited.setdefault(content, deque()).append(_Awaited(number, lane.made, expected))
            if self.is_at_end and sum(each.made - each.matched for each in self._lanes) > MOST_ASTRAY:
                self._judge()
            return
        if content == self._puzzle:
            self._puzzle = None
        self._meet(lane, lane.made, stray.message, content, expected)

    def find(self, message: FixtureMessage) -> None:
        """Take the next message of the partition."""
        content = message.key, message.value, message.headers
        queue = self._awaited.get(content)
        if queue:
            awaited = queue.popleft()
            if not queue:
                del self._awaited[content]
            self._meet(self._lanes[awaited.lane], awaited.number, message, content, awaited.expected)
            return
        self._strays.setdefault(content, deque()).append(_Stray(message, tuple(lane.found for lane in self._lanes)))
        self._stray_count += 1
        self._puzzle = content
        if self._stray_count > MOST_ASTRAY or sum(lane.found - lane.matched for lane in self._lanes) > MOST_ASTRAY:
            self._judge()

    def finish(self) -> None:
        """Judge what has no counterpart; all lanes and the log have been told to their ends."""
        self._judge(finally_=True)

    def _meet(self, lane: _Lane, number: int, message: FixtureMessage, content: Content, expected: Expected) -> None:
        """An expected message and one that was found are the same."""
        self.messages += 1
        lane.matched += 1
        if number < lane.found or message.offset < lane.found_at:
            detail = f"key {_text(message.key)}: it stands on the wrong side of others that come of {lane.source}"
            self._differ("misplaced_message", message.offset, f"{detail}; made of {expected.source}", expected.value, "")
        if number > lane.found:
            if number > lane.found + 1:
                lane.skips.append(_Skip(lane.found, number, message.offset))
            lane.found = number
        lane.found_at = max(lane.found_at, message.offset)
        self._lately[content] = message.offset
        if len(self._lately) > REMEMBERED:
            self._lately.popitem(last=False)

    def _pop_stray(self, content: Content) -> _Stray | None:
        queue = self._strays.get(content)
        if not queue:
            return None
        stray = queue.popleft()
        self._stray_count -= 1
        if not queue:
            del self._strays[content]
        return stray

    def _judge(self, *, finally_: bool = False) -> None:
        """Say what is missing, changed and too much, and forget it."""
        is_over = self.is_at_end or finally_
        missing = self._take_missing(is_over)
        strays = sorted((stray for queue in self._strays.values() for stray in queue), key=lambda stray: stray.message.offset)
        self._strays.clear()
        self._stray_count = 0
        self._puzzle = None
        # It is asked after the strays were read: a transaction that has brought them has been committed by now.
        open_lanes = self._open_lanes() if strays else ()
        for stray in strays:
            message = stray.message
            content = message.key, message.value, message.headers
            before = self._lately.get(content)
            if before is not None:
                detail = f"key {_text(message.key)}: the same message is at offset {before} already"
                self._differ("doubled_message", message.offset, detail, message.value, "")
            elif (awaited := self._meant(stray, missing)) is not None:
                del missing[awaited.lane, awaited.number]
                path, detail = compare(awaited.expected, message)
                self._differ("changed_message", message.offset, detail, awaited.expected.value, path)
            elif self._may_be_beyond(stray, open_lanes):
                self.beyond += 1
            else:
                detail = f"key {_text(message.key)}: nothing on its sources makes it: {_short(message.value)}"
                self._differ("unexpected_message", message.offset, detail, message.value, "")
        for (lane, number), awaited in sorted(missing.items()):
            offset = next((skip.offset for skip in self._lanes[lane].skips if skip.after < number < skip.before), self._end)
            detail = f"key {_text(awaited.expected.key)}: not there: {_short(awaited.expected.value)}"
            detail = f"{detail}; made of {awaited.expected.source}"
            self._differ("missing_message", offset, detail, awaited.expected.value, "")

    def _take_missing(self, is_over: bool) -> dict[tuple[int, int], _Awaited]:
        """What should have been found already, by lane and number; if ``is_over``, all that was not found."""
        missing: dict[tuple[int, int], _Awaited] = {}
        for content, queue in list(self._awaited.items()):
            left = deque[_Awaited]()
            for awaited in queue:
                if is_over or awaited.number < self._lanes[awaited.lane].found:
                    missing[awaited.lane, awaited.number] = awaited
                    self._lanes[awaited.lane].matched += 1
                else:
                    left.append(awaited)
            if left:
                self._awaited[content] = left
            else:
                del self._awaited[content]
        if is_over:
            for lane in self._lanes:
                lane.matched = lane.made
        return missing

    def _meant(self, stray: _Stray, missing: Mapping[tuple[int, int], _Awaited]) -> _Awaited | None:
        """The missing message that stood where a stray is: of each lane the next one, and of these the one most like it."""
        candidates = []
        for lane, number in enumerate(stray.found):
            following = number + 1
            while (lane, following) not in missing and self._is_missed(lane, following):
                following += 1
            if (lane, following) in missing:
                candidates.append(missing[lane, following])
        return min(candidates, key=lambda each: len(_difference(each.expected, stray.message).fields), default=None)

    def _is_missed(self, number_of_lane: int, number: int) -> bool:
        """Whether a message was expected and was not where it should be; another stray may have been taken for it."""
        lane = self._lanes[number_of_lane]
        return lane.found < number <= lane.made or any(skip.after < number < skip.before for skip in lane.skips)

    def _may_be_beyond(self, stray: _Stray, open_lanes: Collection[Partition]) -> bool:
        return any(
            lane.ended and number == lane.made and lane.source in open_lanes
            for lane, number in zip(self._lanes, stray.found, strict=True)
        )

    def _differ(self, kind: str, offset: int, detail: str, value: bytes | None, path: str) -> None:
        self.difference_count += 1
        if len(self.differences) < MOST_TOLD:
            self.differences.append(_differing(kind, Position(*self.place, offset), detail, value, path))


class LastRows:
    """The last row of each key of a compacted topic.

    Args:
        topic: Without the prefix.
    """

    def __init__(self, topic: str) -> None:
        self.rows = 0
        """How many rows were as expected."""
        self.beyond = 0
        """How many were of messages which the sources had not committed yet when the comparison began."""
        self._topic = topic
        self._expected: dict[tuple[int, bytes], dict[Partition, Expected]] = {}
        self._found: dict[tuple[int, bytes | None], FixtureMessage] = {}

    def expect(self, expected: Expected) -> None:
        """Take the next row that a source makes."""
        source = Partition(expected.source.topic, expected.source.partition)
        self._expected.setdefault((expected.place.number, expected.key), {})[source] = expected

    def find(self, message: FixtureMessage) -> None:
        """Take the next row of a partition."""
        self._found[message.partition, message.key] = message

    def finish(self, ends: Mapping[Partition, int], open_lanes: Collection[Partition], *, all_known: bool) -> list[Difference]:
        """Compare.

        Args:
            ends: The offsets at which the source partitions were no longer folded.
            open_lanes: Of which more has been committed meanwhile.
            all_known: Whether each row must be expected. Not if some of the sources could not be folded.
        """
        found = dict(self._found)
        differences: list[Difference] = []
        for (number, key), by_source in self._expected.items():
            message = found.pop((number, key), None)
            differences += self._judge(number, by_source, message, ends, open_lanes)
        for message in found.values():
            if not all_known or message.value is None:
                continue
            if _src_of(message.value) >= min((ends[source] for source in open_lanes), default=_NEVER):
                self.beyond += 1
                continue
            detail = f"key {_text(message.key)}: nothing on the sources makes a row of it: {_short(message.value)}"
            differences.append(_differing("unexpected_value", _position(message), detail, message.value, ""))
        return sorted(differences, key=_place_of)

    def _judge(
        self,
        number: int,
        by_source: Mapping[Partition, Expected],
        message: FixtureMessage | None,
        ends: Mapping[Partition, int],
        open_lanes: Collection[Partition],
    ) -> Iterator[Difference]:
        wanted = list(by_source.values())
        if message is None:
            expected = wanted[0]
            detail = f"key {_text(expected.key)}: no row: {_short(expected.value)}; made of {expected.source}"
            yield _differing("missing_value", Position(self._topic, number, 0), detail, expected.value, "")
            return
        # Where two sources write one key, whichever wrote last is right.
        if any(_is(expected, message) for expected in wanted):
            self.rows += 1
            return
        src = _src_of(message.value or b"")
        if any(source in open_lanes and src >= ends[source] for source in by_source):
            self.beyond += 1
            return
        expected = min(wanted, key=lambda each: len(_difference(each, message).fields))
        path, detail = compare(expected, message)
        kind = "stale_value" if 0 <= src < _src_of(expected.value) else "changed_value"
        yield _differing(kind, _position(message), detail, expected.value, path)


def compare(expected: Expected, found: FixtureMessage) -> tuple[str, str]:
    """The path of the first field that differs, as ``jq`` writes it, and what differs in words."""
    fields = _difference(expected, found).fields
    path = fields[0].path if fields else ""
    if fields:
        said = f"{fields[0]}" + (f", and {len(fields) - 1} fields more" if len(fields) > 1 else "")
    elif expected.headers != found.headers:
        path, said = "headers", f"headers: {list(expected.headers)} → {list(found.headers)}"
    else:
        said = "the same content in other bytes"
    return path, f"key {_text(expected.key)}: {said}; made of {expected.source}"


def _difference(expected: Expected, found: FixtureMessage) -> OutputDifference:
    wanted = FixtureMessage(*expected.place, found.offset, UnixMs(0), expected.key, expected.value, expected.headers)
    return OutputDifference(wanted, found)


def _is(expected: Expected, found: FixtureMessage) -> bool:
    return (expected.key, expected.value, expected.headers) == (found.key, found.value, found.headers)


def _differing(kind: str, position: Position, detail: str, value: bytes | None, path: str) -> Difference:
    """A difference; ``path`` leads to the field in ``value``."""
    idx, symbol = _event_of(value, path)
    return Difference(kind, symbol, detail, EventPosition(position, idx))


def _event_of(value: bytes | None, path: str) -> tuple[int, str]:
    """Which event of a message a path leads into, and whose that is."""
    try:
        content: Any = msgspec.json.decode(value or b"null")
    except msgspec.DecodeError:
        return 0, ""
    if not isinstance(content, dict):
        return 0, ""
    events: Any = content.get("events")
    if not isinstance(events, Sequence) or not events:
        return 0, str(content.get("symbol", content.get("scope", "")))
    number = path.removeprefix(".events[").partition("]")[0]
    idx = int(number) if path.startswith(".events[") and number.isdigit() and int(number) < len(events) else 0
    event = events[idx]
    return idx, str(event.get("symbol", event.get("scope", ""))) if isinstance(event, dict) else ""


def _position(message: FixtureMessage) -> Position:
    return Position(message.topic, message.partition, message.offset)


def _place_of(difference: Difference) -> tuple[object, ...]:
    return (difference.position or (), difference.kind, difference.detail)


class _Src(msgspec.Struct):
    src: int = -1


_NEVER: Final = 1 << 62
_decode_src = msgspec.json.Decoder(_Src).decode


def _src_of(value: bytes) -> int:
    """The offset of the frame that a row comes of; -1 if it does not say."""
    try:
        return _decode_src(value).src
    except msgspec.MsgspecError:
        return -1


def _text(key: bytes | None) -> str:
    return "none" if key is None else key.decode(errors="backslashreplace")


def _short(value: bytes | None) -> str:
    text = (value or b"").decode(errors="backslashreplace")
    return text if len(text) <= 200 else f"{text[:200]}…"
