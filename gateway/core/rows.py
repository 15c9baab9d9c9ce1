"""From a message of ``state.*`` or ``ssi.reference`` to a row of the wire (pure)."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from gateway.core.board import SLOTS_A_TOPIC, Change
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from schemas import topics
from schemas.position import Position
from schemas.structs import FlowRow, ForeignRow, ReferenceMessage
from schemas.topics import Topic

SCOPE_MARK = "#"
"""Before the name of a scope of flow, so that ``#VN30`` is never taken for a symbol."""

Row = tuple[Any, ...]
"""The values of a row in the order of its channel's columns, so the key is the first."""


class Source(NamedTuple):
    """A topic whose messages are rows of a channel."""

    topic: Topic[Any]
    channel: str
    slot: int
    """The number that the topic's partition 0 has in the channel's cursors."""
    row: Callable[[Any], Row]
    """The row that a message is."""


_, *_FLOW = CHANNELS["flow"].columns
_reference_values = attrgetter(*CHANNELS["ref"].columns)


def _of_symbol(message: ForeignRow) -> Row:
    return message.symbol, *(getattr(message, name, None) for name in _FLOW)


def _of_scope(message: FlowRow) -> Row:
    derived = {"net_volume": message.bought - message.sold}
    return SCOPE_MARK + message.scope, *(getattr(message, name, derived.get(name)) for name in _FLOW)


def _reference(message: ReferenceMessage) -> Row:
    return _reference_values(message.record)


_MAKERS: dict[str, Callable[[Any], Row]] = {
    topics.STATE_FOREIGN.name: _of_symbol,
    topics.STATE_FLOW.name: _of_scope,
    topics.SSI_REFERENCE.name: _reference,
}
"""What makes a row of a message, where the row is not simply the message's fields."""

SOURCES = tuple(
    Source(topic, name, place * SLOTS_A_TOPIC, _MAKERS.get(topic.name) or attrgetter(*channel.columns))
    for name, channel in CHANNELS.items()
    if name not in (*EVENT_CHANNELS, "status")
    for place, topic in enumerate(channel.topics)
)
"""Where the rows come from, those apart that the gateway makes itself."""


_OF_SYMBOLS = (topics.STATE_PRICES, topics.STATE_FOREIGN)
"""The topics whose rows say where their symbol is listed."""


def change_of(source: Source, position: Position, message: Any) -> Change:
    """The row that ``message`` is, at ``position`` of the source's topic."""
    row = source.row(message)
    if source.topic is topics.SSI_REFERENCE:
        # Reference data has one writer and one partition: its order is its offset, whatever day it speaks of.
        day, src = 0, position.offset
        exchange, groups = message.record.exchange, tuple(message.record.groups)
    else:
        day, src = message.day, message.src
        exchange, groups = (message.exchange if source.topic in _OF_SYMBOLS else None), None
    return Change(
        channel=source.channel,
        key=row[0],
        slot=source.slot + position.partition,
        offset=position.offset,
        day=day,
        src=src,
        fragment=topics.encode(row),
        exchange=exchange,
        groups=groups,
    )
