"""The examples in ``schemas/examples/<topic>/`` are the contract in the small: both readers of a topic must agree on them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from connectors.ssi.core.decode import decode
from connectors.ssi.core.hub_client import HubClient, Publish, RejectMessage
from schemas import events, records, states, terms
from schemas.topics import SSI_WIRE, TOPICS, Topic, encode
from schemas.units import MonotonicMs
from tests.last_release import RELEASES, minute_of

EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
BY_NAME = {topic.name: topic for topic in TOPICS}


def examples(topic: str) -> Iterator[Path]:
    return iter(sorted((EXAMPLES / topic).glob("*.json")))


def model_of(topic: Topic[Any]) -> type[BaseModel]:
    """The pydantic model behind the twin that ``topic`` decodes to."""
    assert topic.message is not None
    name = topic.message.__name__
    model: type[BaseModel] = next(getattr(module, name) for module in (records, events, states, terms) if hasattr(module, name))
    assert issubclass(model, BaseModel)
    return model


MESSAGES = [path for name, topic in BY_NAME.items() if topic.message is not None for path in examples(name)]


def test_every_folder_is_a_topic() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} <= set(BY_NAME)


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_example_is_the_same_to_the_model_and_to_its_twin(path: Path) -> None:
    topic = BY_NAME[path.parent.name]
    sent = path.read_bytes()
    by_twin = encode(topic.decode(sent))
    by_model = model_of(topic).model_validate_json(sent)
    assert json.loads(by_twin) == json.loads(by_model.model_dump_json(by_alias=True))
    # An example may leave out fields that came later, with a default; what it says is read to the last word.
    assert json.loads(by_model.model_dump_json(by_alias=True, exclude_unset=True)) == json.loads(sent)


def test_every_field_has_an_example() -> None:
    shown: dict[type[BaseModel], set[str]] = {}

    def look(value: object) -> None:
        if isinstance(value, BaseModel):
            shown.setdefault(type(value), set()).update(value.model_fields_set)
            look([getattr(value, name) for name in type(value).model_fields])
        elif isinstance(value, list | tuple):
            for item in value:
                look(item)

    for path in MESSAGES:
        look(model_of(BY_NAME[path.parent.name]).model_validate_json(path.read_bytes()))
    assert {model.__name__: model.model_fields.keys() - fields for model, fields in shown.items()} == {
        model.__name__: set() for model in shown
    }


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_fields_of_a_later_version_are_ignored(path: Path) -> None:
    topic = BY_NAME[path.parent.name]
    later = json.dumps({**json.loads(path.read_bytes()), "of_a_later_version": {"deep": [1]}}).encode()
    assert topic.decode(later) == topic.decode(path.read_bytes())
    model = model_of(topic)
    assert model.model_validate_json(later) == model.model_validate_json(path.read_bytes())


PREVIOUS = [path for path in sorted(EXAMPLES.glob("*/previous/*.jsonl")) if path.parents[1].name != SSI_WIRE.name]
VERBATIM = sorted((EXAMPLES / SSI_WIRE.name / "previous").glob("*.jsonl"))


def test_what_the_last_release_wrote_is_kept_for_every_topic_that_it_knew() -> None:
    kept = {name: {path.stem for path in (EXAMPLES / name / "previous").glob("*.jsonl")} for name in BY_NAME}
    # A topic of which nothing is kept is newer than the last release that was recorded.
    assert {name for name, releases in kept.items() if releases and RELEASES[-1] not in releases} == set()
    assert {
        said.topic.name for release in RELEASES for said in minute_of(release) if release not in kept[said.topic.name]
    } == set()


@pytest.mark.parametrize("path", PREVIOUS, ids=lambda path: f"{path.parents[1].name}/{path.stem}")
def test_what_an_earlier_release_wrote_is_read_for_ever(path: Path) -> None:
    topic = BY_NAME[path.parents[1].name]
    for sent in path.read_bytes().splitlines():
        message = topic.decode(sent)
        assert message.schema_ == topic.version
        # Its own encoding reads as the same message: what was upgraded is of this release's layout altogether.
        assert topic.decode(encode(message)) == message


def test_every_kind_of_record_has_an_example() -> None:
    frames = [json.loads(path.read_bytes()) for topic in ("ssi.ticks", "ssi.foreign", "ssi.indices") for path in examples(topic)]
    shown = {record["kind"] for frame in frames for record in frame["records"]}
    assert shown == {model.model_fields["kind"].default for model in get_args(records.FrameRecord)}


def test_every_topic_has_an_example() -> None:
    assert [name for name in BY_NAME if not any(examples(name))] == []


def kinds_in(messages: Iterable[bytes]) -> set[str]:
    """The kinds of the records in messages of SSI's hub, none of which the connector rejects."""
    client = HubClient("https://fc-datahub.ssi.com.vn/", "X-TRADE:ALL")
    kinds = set()
    for message in messages:
        for action in client.receive(message, MonotonicMs(0)):
            assert not isinstance(action, RejectMessage)
            if isinstance(action, Publish):
                kinds |= {type(decode(argument)).__name__ for argument in action.arguments}
    return kinds


def test_the_verbatim_messages_hold_every_data_type_of_ssi() -> None:
    kinds = kinds_in(path.read_bytes() for path in examples(SSI_WIRE.name))
    assert kinds == {model.__name__ for model in get_args(records.SsiRecord)}


@pytest.mark.parametrize("path", VERBATIM, ids=lambda path: path.stem)
def test_what_the_hub_said_to_an_earlier_release_is_decoded_for_ever(path: Path) -> None:
    assert kinds_in(path.read_bytes().splitlines()) >= {"TradeRecord", "QuoteRecord", "ForeignRecord"}
