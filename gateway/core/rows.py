"""From a message of ``state.*`` or ``ssi.reference`` to a row of the wire (pure)."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from gateway.core.board import SLOTS_A_TOPIC, Change
from schemas import topics
from schemas.message import Message
from schemas.position import Position
from schemas.records import ReferenceRecord
from schemas.states import BasisRow, FlowRow, ForeignRow, IndexRow, PriceRow
from schemas.structs import FlowRow as FlowStruct
from schemas.structs import ForeignRow as ForeignStruct
from schemas.structs import ReferenceMessage
from schemas.topics import Topic

SCOPE_MARK = "#"
"""Before the name of a scope of flow, so that ``#VN30`` is never taken for a symbol."""


def _columns(model: type[Message]) -> tuple[str, ...]:
    own = [name for name in model.model_fields if name not in ("schema_", "src", "symbol", "kind")]
    return ("symbol", *own)


_FOREIGN = tuple(name for name in ForeignRow.model_fields if name not in ("schema_", "src", "symbol"))
_FLOW = tuple(name for name in FlowRow.model_fields if name not in ("schema_", "src", "scope"))

COLUMNS: dict[str, tuple[str, ...]] = {
    "px": _columns(PriceRow),
    "index": _columns(IndexRow),
    "basis": _columns(BasisRow),
    "ref": _columns(ReferenceRecord),
    "flow": ("key", *_FOREIGN, "buyers", "sellers"),
}
"""The columns of each channel's rows, the key first. A flow row of a symbol has no movers; one of a scope has little else."""


class Source(NamedTuple):
    """A topic that feeds a channel."""

    topic: Topic[Any]
    channel: str
    place: int
    """Among the topics of the channel, from 0."""
    row: Callable[[Any], tuple[str, tuple[Any, ...]]]
    """Key and row of a message."""


def _keyed_by_symbol(channel: str) -> Callable[[Any], tuple[str, tuple[Any, ...]]]:
    values = attrgetter(*COLUMNS[channel])
    return lambda row: (row.symbol, values(row))


def _foreign(row: ForeignStruct) -> tuple[str, tuple[Any, ...]]:
    return row.symbol, (row.symbol, *(getattr(row, name) for name in _FOREIGN), None, None)


def _flow(row: FlowStruct) -> tuple[str, tuple[Any, ...]]:
    key = SCOPE_MARK + row.scope
    sums = {name: getattr(row, name) for name in _FLOW} | {"key": key, "net_volume": row.bought - row.sold}
    return key, tuple(sums.get(name) for name in COLUMNS["flow"])


_reference_values = attrgetter(*COLUMNS["ref"])


def _reference(message: ReferenceMessage) -> tuple[str, tuple[Any, ...]]:
    return message.record.symbol, _reference_values(message.record)


SOURCES = (
    Source(topics.STATE_PRICES, "px", 0, _keyed_by_symbol("px")),
    Source(topics.STATE_INDICES, "index", 0, _keyed_by_symbol("index")),
    Source(topics.STATE_BASIS, "basis", 0, _keyed_by_symbol("basis")),
    Source(topics.STATE_FOREIGN, "flow", 0, _foreign),
    Source(topics.STATE_FLOW, "flow", 1, _flow),
    Source(topics.SSI_REFERENCE, "ref", 0, _reference),
)


def change_of(source: Source, position: Position, appended_ms: int, message: Any) -> Change:
    """The row that ``message`` is, at ``position`` of the source's topic."""
    key, row = source.row(message)
    if source.topic is topics.SSI_REFERENCE:
        # Reference data has one writer and one partition: its order is its offset, whatever day it speaks of.
        day, src = 0, position.offset
        exchange, groups = message.record.exchange, tuple(message.record.groups)
    else:
        day, src = message.day, message.src
        exchange, groups = (message.exchange if source.channel == "px" else None), None
    return Change(
        channel=source.channel,
        key=key,
        slot=source.place * SLOTS_A_TOPIC + position.partition,
        offset=position.offset,
        day=day,
        src=src,
        appended_ms=appended_ms,
        fragment=topics.encode(row),
        exchange=exchange,
        groups=groups,
    )
