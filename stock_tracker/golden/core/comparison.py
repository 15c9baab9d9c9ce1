"""Where two lists of outputs differ first, field by field. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from connectors.fixtures.core.layout import FixtureMessage

MAX_FIELDS: Final = 12
"""So many fields of the first difference are shown."""


@dataclass(frozen=True)
class FieldDifference:
    """A field that is not as it was; ``path`` is as ``jq`` writes it."""

    path: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.path}: {self.wanted} → {self.found}"


@dataclass(frozen=True)
class OutputDifference:
    """The first output that is not as it was."""

    wanted: FixtureMessage | None
    """None where there was no message any more."""
    found: FixtureMessage | None
    """None where there is no message any more."""

    @property
    def where(self) -> FixtureMessage:
        """The message that names the place."""
        message = self.wanted or self.found
        if message is None:
            raise AssertionError("a difference is of at least one message")
        return message

    @property
    def fields(self) -> list[FieldDifference]:
        """The fields that differ; empty where one of the messages is not there at all."""
        if self.wanted is None or self.found is None:
            return []
        return list(_fields(_content(self.wanted), _content(self.found), ""))

    def sentences(self) -> Iterator[str]:
        """Say where it is, and what differs."""
        at = self.where
        key = "none" if at.key is None else at.key.decode(errors="backslashreplace")
        place = f"{at.topic}[{at.partition}]@{at.offset}, key {key}"
        if self.wanted is None:
            yield f"{place}: a message more than in the golden: {_text(at)}"
        elif self.found is None:
            yield f"{place}: the golden has a message that did not come: {_text(at)}"
        else:
            yield f"{place}: golden → found"
            differences = self.fields
            yield from (f"    {difference}" for difference in differences[:MAX_FIELDS])
            if not differences:
                yield "    the same content in other bytes"
            elif len(differences) > MAX_FIELDS:
                yield f"    and {len(differences) - MAX_FIELDS} fields more"


@dataclass(frozen=True)
class GoldenReport:
    """How outputs compare with a golden."""

    messages: int
    """In the golden."""
    differing: int
    """Places of a partition with another message, or with none on one side."""
    first: OutputDifference | None
    by_topic: dict[str, int]
    """How many differ, by topic; only topics with a difference."""

    def sentences(self) -> Iterator[str]:
        """Say it in lines for people."""
        if self.first is None:
            yield f"as in the golden: {self.messages} messages"
            return
        topics = ", ".join(f"{topic} {count}" for topic, count in self.by_topic.items())
        yield f"{self.differing} messages are not as in the golden ({topics}). The first:"
        yield from self.first.sentences()


def compare(wanted: Sequence[FixtureMessage], found: Sequence[FixtureMessage]) -> GoldenReport:
    """Compare outputs that are in one order, as :func:`stock_tracker.golden.outputs.in_order` puts them."""
    ours = {_place(message): message for message in found}
    golden = {_place(message): message for message in wanted}
    first: OutputDifference | None = None
    by_topic: dict[str, int] = {}
    for place in dict.fromkeys((*golden, *ours)):
        one, other = golden.get(place), ours.get(place)
        if one is None or other is None or (one.key, one.value) != (other.key, other.value):
            first = first or OutputDifference(one, other)
            by_topic[place[0]] = by_topic.get(place[0], 0) + 1
    return GoldenReport(len(wanted), sum(by_topic.values()), first, by_topic)


def _place(message: FixtureMessage) -> tuple[str, int, int]:
    return message.topic, message.partition, message.offset


def _content(message: FixtureMessage) -> Any:
    content = {"key": None if message.key is None else message.key.decode(errors="backslashreplace")}
    try:
        return {**content, "value": msgspec.json.decode(message.value or b"null")}
    except msgspec.DecodeError:
        return {**content, "value": repr(message.value)}


def _fields(wanted: Any, found: Any, path: str) -> Iterator[FieldDifference]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in dict.fromkeys((*wanted, *found)):
            yield from _fields(wanted.get(name, _ABSENT), found.get(name, _ABSENT), f"{path}.{name}")
    elif isinstance(wanted, list) and isinstance(found, list):
        for number in range(max(len(wanted), len(found))):
            one = wanted[number] if number < len(wanted) else _ABSENT
            other = found[number] if number < len(found) else _ABSENT
            yield from _fields(one, other, f"{path}[{number}]")
    elif wanted != found:
        yield FieldDifference(path.removeprefix(".value"), _shown(wanted), _shown(found))


_ABSENT: Final = object()


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else msgspec.json.encode(value).decode()


def _text(message: FixtureMessage) -> str:
    text = (message.value or b"").decode(errors="backslashreplace")
    return text if len(text) <= 300 else f"{text[:300]}…"
