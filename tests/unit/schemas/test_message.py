import pytest
from pydantic import BaseModel

from schemas import events, records, states, structs
from schemas.errors import InvalidMessage
from schemas.message import Message
from schemas.topics import SSI_TICKS, TOPICS, encode
from tests.builders import a_frame, a_quote, a_tick


def models() -> list[type[BaseModel]]:
    found = [value for module in (records, events, states) for value in vars(module).values()]
    return [m for m in found if isinstance(m, type) and issubclass(m, Message) and m.__name__ in vars(structs)]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_a_twin_has_the_fields_of_its_model_in_any_order(model: type[BaseModel]) -> None:
    tags = {"kind"} if "kind" in model.model_fields and not hasattr(getattr(structs, model.__name__), "kind") else set()
    assert set(getattr(structs, model.__name__).__struct_fields__) == set(model.model_fields) - tags


def test_a_frame_of_twins_is_read_by_the_model_and_back() -> None:
    frame = a_frame(a_tick(), a_quote(asks=[], session=None))
    model = records.Frame.model_validate_json(encode(frame))
    assert [record.kind for record in model.records] == ["clock", "quote"]
    assert SSI_TICKS.decode(model.model_dump_json(by_alias=True).encode()) == frame


def test_a_later_version_s_extra_field_is_ignored_on_read() -> None:
    value = b'{"schema":2,"feed":"a","epoch":1,"seq":0,"recv_us":2,"records":[],"news":true}'
    assert SSI_TICKS.decode(value).records == []


@pytest.mark.parametrize(
    "value",
    [b"", b"\xff", b"[]", b'{"feed":"a"}', b'{"schema":2,"feed":"a","epoch":"NaN","seq":0,"recv_us":2,"records":[]}'],
)
def test_bytes_that_are_no_message_say_which_topic_and_why(value: bytes) -> None:
    with pytest.raises(InvalidMessage, match=r"ssi\.ticks is not readable"):
        SSI_TICKS.decode(value)


def test_every_topic_stands_once_and_compacted_ones_never_expire() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
    for topic in TOPICS:
        assert ("retention.ms" in topic.config()) == (topic.cleanup == "delete")
        assert topic.config()["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("value", [b"", b"{", b"\xff", b'{"feed":"\xff\xfe"}', b"[" * 100_000, b'{"feed":' + b'{"a":' * 50_000])
def test_no_bytes_are_more_than_an_invalid_message(value: bytes) -> None:
    with pytest.raises(InvalidMessage):
        SSI_TICKS.decode(value)
