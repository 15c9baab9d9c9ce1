"""Messages of other versions: the release before is understood, a newer one stops the reader."""

from typing import Any

import msgspec
import pytest

from schemas import topics
from schemas.errors import InvalidMessage, NewerMessage
from schemas.message import Versioned, twin, version, version_of
from schemas.topics import TOPICS, Topic
from schemas.upgrades import UPGRADES


class Told(Versioned):
    """Version 3: ``seconds`` was called ``s`` in 2, and was minutes in 1."""

    schema_: int = version(3)

    seconds: int
    note: str = ""


def minutes_to_seconds(message: dict[str, Any]) -> dict[str, Any]:
    message["s"] = message.pop("minutes") * 60
    return message


def renamed(message: dict[str, Any]) -> dict[str, Any]:
    message["seconds"] = message.pop("s")
    return message


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Topic[Any]:
    monkeypatch.setattr(topics, "UPGRADES", {"told": {1: minutes_to_seconds, 2: renamed}})
    return Topic("told", twin(Told), sharded=False, cleanup="delete", retention_ms=1)


def test_a_message_says_the_version_of_its_own_layout(told: Topic[Any]) -> None:
    assert told.version == 3
    assert msgspec.json.decode(topics.encode(twin(Told)(seconds=5))) == {"schema": 3, "seconds": 5, "note": ""}
    assert version_of(twin(Told)) == version_of(Told) == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b'{"schema":3,"seconds":120}', 120), (b'{"schema":2,"s":120}', 120), (b'{"schema":1,"minutes":2}', 120)],
)
def test_earlier_versions_are_brought_up_to_this_one(told: Topic[Any], value: bytes, seconds: int) -> None:
    assert told.decode(value) == twin(Told)(seconds=seconds)


def test_an_older_message_is_upgraded_though_it_would_decode_as_it_is(told: Topic[Any]) -> None:
    assert told.decode(b'{"schema":1,"minutes":2,"seconds":7}').seconds == 120


@pytest.mark.parametrize("value", [b'{"schema":4,"seconds":1}', b'{"schema":99,"of_the_future":true}'])
def test_a_newer_message_stops_the_reader(told: Topic[Any], value: bytes) -> None:
    with pytest.raises(NewerMessage, match=r"a newer release writes told .* upgrade this process first"):
        told.decode(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"junk",
        b"[3]",
        b"{}",
        b"\xff",
        b'{"schema":0,"seconds":1}',
        b'{"schema":true,"seconds":1}',
        b'{"schema":"4","seconds":1}',
        b'{"schema":3}',
        b'{"schema":3,"seconds":"x"}',
        b'{"schema":2}',
        b'{"schema":1,"minutes":"x"}',
        b'{"schema":1,"minutes":null}',
    ],
)
def test_what_is_no_message_of_any_version_is_invalid(told: Topic[Any], value: bytes) -> None:
    with pytest.raises(InvalidMessage):
        told.decode(value)


@pytest.mark.parametrize("junk", ["null", "1", '"x"', "[null]", "[1]", '["x"]', "[[]]", "[[1]]", "[{}]", '{"x": 1}'])
@pytest.mark.parametrize(
    ("topic", "version"),
    [(topic, version) for topic in TOPICS for version in UPGRADES.get(topic.name, {})],
    ids=lambda value: value.name if isinstance(value, Topic) else str(value),
)
def test_an_older_message_that_is_not_what_its_version_says_is_invalid(topic: Topic[Any], version: int, junk: str) -> None:
    fields = sorted({*topic.message.__struct_fields__, "bought", "sold"})  # type: ignore[union-attr]
    said = ", ".join(f'"{name}": {junk}' for name in fields if name != "schema_")
    with pytest.raises(InvalidMessage):
        topic.decode(f'{{"schema": {version}, {said}}}'.encode())


def test_a_version_that_is_no_longer_read_is_invalid_and_says_so(monkeypatch: pytest.MonkeyPatch, told: Topic[Any]) -> None:
    monkeypatch.setattr(topics, "UPGRADES", {"told": {2: renamed}})
    with pytest.raises(InvalidMessage, match="does not read version 1"):
        told.decode(b'{"schema":1,"minutes":2}')


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.message is not None], ids=lambda topic: topic.name)
def test_every_topic_reads_every_version_before_its_own(topic: Topic[Any]) -> None:
    assert set(UPGRADES.get(topic.name, {})) == set(range(1, topic.version))


@pytest.mark.parametrize("topic", [topic for topic in TOPICS if topic.message is not None], ids=lambda topic: topic.name)
@pytest.mark.parametrize("ahead", [1, 98])
def test_no_topic_takes_a_newer_message_for_one_of_its_own(topic: Topic[Any], ahead: int) -> None:
    with pytest.raises(NewerMessage):
        topic.decode(b'{"schema":%d}' % (topic.version + ahead))
