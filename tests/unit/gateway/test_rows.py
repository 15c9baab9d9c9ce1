import json
from pathlib import Path

import pytest

from gateway.core.board import Change
from gateway.core.channels import CHANNELS
from gateway.core.rows import SOURCES, change_of
from schemas import states, topics
from schemas.errors import InvalidMessage
from schemas.position import Position
from schemas.structs import FlowRow, Mover, ReferenceMessage
from tests.builders import a_reference

BY_TOPIC = {source.topic.name: source for source in SOURCES}


def read(topic: str, value: bytes, partition: int = 0, offset: int = 0) -> Change:
    """The row in a Kafka message of ``topic``."""
    source = BY_TOPIC[topic]
    return change_of(source, Position(topic, partition, offset), source.topic.decode(value))


EXAMPLES = Path(__file__).parents[3] / "schemas/examples"
MODELS: dict[str, type[states.Row]] = {
    "state.prices": states.PriceRow,
    "state.indices": states.IndexRow,
    "state.breadth": states.BreadthRow,
    "state.basis": states.BasisRow,
    "state.foreign": states.ForeignRow,
    "state.flow": states.FlowRow,
}


@pytest.mark.parametrize(
    "path",
    sorted(path for name in MODELS for path in EXAMPLES.glob(f"{name}/*.json")),
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_a_row_on_the_wire_says_all_that_the_state_says(path: Path) -> None:
    source, model = BY_TOPIC[path.parent.name], MODELS[path.parent.name]
    change = read(path.parent.name, path.read_bytes(), 2, 17)
    named = dict(zip(CHANNELS[source.channel].columns, json.loads(change.fragment), strict=True))
    key: str = named["key"] if "key" in named else named["symbol"]
    restored = {**named, "src": change.src, "symbol": key, "scope": key.removeprefix("#")}
    expected = model.model_validate_json(path.read_bytes())
    assert model.model_validate(restored) == expected
    assert (change.key, change.offset, change.day, change.src) == (key, 17, expected.day, expected.src)
    assert change.slot == (1_002 if path.parent.name == "state.flow" else 2)


@pytest.mark.parametrize("channel", ["px", "index", "breadth", "basis", "ref"])
def test_the_key_is_the_first_column(channel: str) -> None:
    columns = CHANNELS[channel].columns
    assert columns[0] == "symbol"
    assert len(set(columns)) == len(columns)


def test_a_scope_of_flow_is_marked_and_has_a_slot_of_its_own() -> None:
    movers = [Mover(symbol="VNM", net_value=5, net_volume=1)]
    row = FlowRow(
        day=1,
        src=2,
        ts_ms=3,
        scope="VN30",
        bought=10,
        sold=4,
        bought_value=100,
        sold_value=40,
        net_value=60,
        buyers=movers,
        sellers=[],
    )
    change = read("state.flow", topics.encode(row), offset=5)
    named = dict(zip(CHANNELS["flow"].columns, json.loads(change.fragment), strict=True))
    assert (change.key, change.slot) == ("#VN30", 1_000)
    assert (named["net_volume"], named["room"], named["exchange"]) == (6, None, None)
    assert named["buyers"] == [{"symbol": "VNM", "net_value": 5, "net_volume": 1}]


def test_reference_data_is_ordered_by_its_offset() -> None:
    record = a_reference(name="Vinamilk", groups=["VN30"])
    change = read("ssi.reference", topics.encode(ReferenceMessage(record=record)), offset=8)
    assert (change.day, change.src, change.exchange, change.groups) == (0, 8, "HOSE", ("VN30",))


def test_what_is_not_a_row_is_refused() -> None:
    with pytest.raises(InvalidMessage, match=r"state\.prices"):
        read("state.prices", b'{"symbol":"VNM"}')
