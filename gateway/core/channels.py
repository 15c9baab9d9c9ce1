"""What there is to subscribe to: each channel, the topics that feed it, and the columns of its rows (pure)."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas import topics
from schemas.events import AlertEvent, CandleEvent
from schemas.message import Message
from schemas.records import ReferenceRecord
from schemas.states import BasisRow, BreadthRow, FlowRow, ForeignRow, IndexRow, PriceRow
from schemas.topics import Topic


class StatusRow(NamedTuple):
    """A row of channel ``status``: what a connector says of itself (``schemas.records.FeedStatus``), and what we make of it."""

    feed: str
    state: str
    """connecting, up, down, stopped, or *silent*, which only the gateway can say."""
    reason: str
    """Why it is not up, with what to do; empty when it is."""
    epoch: int
    day: int
    phase: str
    market_ms: int
    said_ms: int
    """When the connector spoke, by its own clock."""
    received: int
    dead_letters: int
    dropped: int
    connects: int


class Channel(NamedTuple):
    """Something to subscribe to."""

    topics: tuple[Topic[Any], ...]
    columns: tuple[str, ...]
    """What a row has, in this order; the first is its key."""
    has_groups: bool = False
    """Whether its keys can be named by a group of symbols, as ``@VN30``."""
    has_cursor: bool = True
    """Whether a client can go on where it stopped. Not where rows are this instance's own judgement: it has no offset."""
    kept: int | None = None
    """Of a channel of events, each of which a client gets once and in order: how many of the last ones are kept for clients that
    come or come back. None where rows come, of which a newer one replaces the older."""
    read_back: int = 0
    """Of a channel of events: with how many messages of each partition reading begins."""
    folded_from: tuple[Topic[Any], ...] = ()
    """The topics of records that its rows are folded from: its data is as old as what was folded last of the slowest shard."""
    by_way_of: tuple[Topic[Any], ...] = ()
    """The topics between these and the pipeline, or stage, that makes its rows."""


def _columns(model: type[Message], key: str = "symbol", but: str = "") -> tuple[str, ...]:
    """The fields of ``model``, ``key`` first; ``but`` one, and without those that only a reader of Kafka has use for."""
    return (key, *(name for name in model.model_fields if name not in (key, but, "schema_", "src")))


def _flow_columns() -> tuple[str, ...]:
    """Those of a symbol and of a scope together, so that one table holds both: either has nothing where the other has its own."""
    return tuple(dict.fromkeys(("key", *_columns(ForeignRow)[1:], *_columns(FlowRow, "scope")[1:])))


_TICKS, _FOREIGN, _INDICES = (topics.SSI_TICKS,), (topics.SSI_FOREIGN,), (topics.SSI_INDICES,)

CHANNELS: Final[Mapping[str, Channel]] = {
    "px": Channel((topics.STATE_PRICES,), _columns(PriceRow), has_groups=True, folded_from=_TICKS + _INDICES),
    "index": Channel((topics.STATE_INDICES,), _columns(IndexRow), folded_from=_INDICES),
    "breadth": Channel((topics.STATE_BREADTH,), _columns(BreadthRow), folded_from=_TICKS, by_way_of=(topics.PARTIAL_BREADTH,)),
    "flow": Channel(
        (topics.STATE_FOREIGN, topics.STATE_FLOW),
        _flow_columns(),
        has_groups=True,
        folded_from=_FOREIGN,
        by_way_of=(topics.PARTIAL_FLOW,),
    ),
    "basis": Channel((topics.STATE_BASIS,), _columns(BasisRow), folded_from=_INDICES),
    "alert": Channel(
        (topics.MARKET_ALERTS,),
        _columns(AlertEvent, "alert_id"),
        has_groups=True,
        kept=1_000,
        read_back=1_000,
        folded_from=_TICKS + _FOREIGN + _INDICES,
        by_way_of=(
            topics.MARKET_TRADES,
            topics.MARKET_QUOTES,
            topics.MARKET_CANDLES,
            topics.MARKET_FOREIGN,
            topics.MARKET_BASIS,
        ),
    ),
    # The whole market's minutes of a quarter of an hour, or those of a hundred symbols of a morning. A message has the minutes of
    # many symbols that end together.
    "candle": Channel(
        (topics.MARKET_CANDLES,),
        _columns(CandleEvent),
        has_groups=True,
        kept=20_000,
        read_back=200,
        folded_from=_TICKS + _INDICES,
    ),
    "status": Channel((topics.SSI_STATUS,), StatusRow._fields, has_cursor=False),
    "ref": Channel((topics.SSI_REFERENCE,), _columns(ReferenceRecord, but="kind"), has_groups=True),
}
"""By the name that clients use, in the order in which ``hello`` lists them (``schemas.stock_v1.ChannelName``)."""
EVENT_CHANNELS: Final = tuple(name for name, channel in CHANNELS.items() if channel.kept is not None)
"""The names of those that bring events."""
