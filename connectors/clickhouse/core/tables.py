"""Which topic goes into which table, and how a table's columns are made of an event's fields. Pure; stated here and nowhere else.

A column is named like the field of its event, ``ts`` for ``ts_ms``. Each row has three columns besides, ``partition``, ``offset``
and ``idx``: where in Kafka its message is, and the event's place in that message. They are the row's identity.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, Final, get_type_hints

import msgspec
from pydantic import BaseModel

from connectors.clickhouse.core.instruments import AdoptedTerms, InstrumentOfDay, instruments_of, terms_of
from schemas import events, records, topics
from schemas.topics import Topic
from schemas.units import TradingDay, UnixMs

POSITION: Final = ("partition", "offset", "idx")
"""The columns that say where in Kafka a row comes from."""
EPOCH: Final = date(1970, 1, 1).toordinal()
"""The day from which ClickHouse counts the days of a Date."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table is made of an event."""

    name: str
    field: str
    """The event's field that it is made of."""
    convert: Callable[[Any], Any] | None
    """Makes the field's value into what ClickHouse stores; None where they are the same."""


@dataclass(frozen=True)
class Table:
    """Where the events of a topic go."""

    topic: Topic[Any]
    model: type[Any]
    """The type of the events. Its fields are what :attr:`columns` are made of."""
    name: str
    """The name of the table that the sink inserts into."""
    view: str
    """The name that people query; the same as :attr:`name` where the table needs no view in front of it."""
    columns: tuple[Column, ...]
    """The columns that are made of the event. In the table those of :data:`POSITION` come after them."""
    last_wins: tuple[str, ...] | None
    """Columns that name a thing of which :attr:`view` shows the last event only; None where it shows every event."""

    retired: tuple[str, ...] = ()
    """Columns under whose names the release before still writes. This one leaves them to their default."""
    events_of: Callable[[Any], Sequence[Any]] = attrgetter("events")
    """The events in a message of the topic."""

    @cached_property
    def values_of(self) -> Callable[[Any], tuple[Any, ...]]:
        """The fields of an event, in the order of the columns."""
        if issubclass(self.model, BaseModel):
            # The events are twins of the model's, with the same fields in the same order.
            return msgspec.structs.astuple
        return attrgetter(*(column.field for column in self.columns))

    @cached_property
    def day(self) -> int:
        """Which of the columns is the trading day."""
        return next(n for n, column in enumerate(self.columns) if column.name == "day")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns that the sink fills, in the order in which the table has them."""
        return (*(column.name for column in self.columns), *POSITION)


def table(
    topic: Topic[Any],
    model: type[Any],
    name: str,
    *,
    view: str | None = None,
    last_wins: tuple[str, ...] | None = None,
    retired: tuple[str, ...] = (),
    events_of: Callable[[Any], Sequence[Any]] = attrgetter("events"),
) -> Table:
    """The table ``name`` with a column for each field of ``model``, a pydantic model or a dataclass.

    Raises:
        TypeError: A field is named like a time and is none.
    """
    return Table(topic, model, name, view or name, _columns_of(model), last_wins, retired, events_of)


def column_of(field: str) -> str:
    """The name of a field's column."""
    return field.removesuffix("_ms")


def fields_of(model: type[Any]) -> dict[str, Any]:
    """The types of the fields of an event, by name."""
    if issubclass(model, BaseModel):
        return {name: field.annotation for name, field in model.model_fields.items()}
    return get_type_hints(model)


def _columns_of(model: type[Any]) -> tuple[Column, ...]:
    columns = []
    for name, annotation in fields_of(model).items():
        convert: Callable[[Any], Any] | None = None
        if annotation is TradingDay:
            convert = _epoch_day
        elif annotation == TradingDay | None:
            convert = _epoch_day_or_none
        elif annotation not in (UnixMs, UnixMs | None) and name.endswith("_ms"):
            raise TypeError(f"{model.__name__}.{name} ends like a time and is none")
        elif name == "data":
            convert = _json
        columns.append(Column(column_of(name), name, convert))
    return tuple(columns)


@cache
def _epoch_day(day: int) -> int:
    """Days since 1970 of a YYYYMMDD; -1, which no column takes, when there is no such day."""
    try:
        return date(day // 10_000, day // 100 % 100, day % 100).toordinal() - EPOCH
    except ValueError:
        return -1


def _epoch_day_or_none(day: int | None) -> int | None:
    return None if day is None else _epoch_day(day)


def _json(value: Mapping[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


TABLES: Final[Mapping[str, Table]] = {
    made.topic.name: made
    for made in (
        table(topics.MARKET_TRADES, events.TradeEvent, "trades_state", view="trades"),
        table(topics.MARKET_QUOTES, events.QuoteEvent, "quotes"),
        table(
            topics.MARKET_DAILY,
            events.DailyEvent,
            "prices_daily_state",
            view="prices_daily",
            last_wins=("symbol", "day"),
            retired=("bought", "sold"),
        ),
        table(topics.MARKET_CANDLES, events.CandleEvent, "candles_state", view="candles", last_wins=("symbol", "minute")),
        table(topics.MARKET_FOREIGN, events.LedgerEntry, "foreign_ledger"),
        table(topics.MARKET_FLOW, events.FlowEvent, "flow"),
        table(topics.MARKET_INDICES, events.IndexEvent, "indices"),
        table(topics.MARKET_BASIS, events.BasisEvent, "basis"),
        table(topics.MARKET_ALERTS, events.AlertEvent, "alerts"),
    )
}
"""The table of each event topic, by the topic's name without prefix."""
STORED: Final[Mapping[str, Table]] = {
    **TABLES,
    topics.SSI_REFERENCE.name: table(
        topics.SSI_REFERENCE,
        InstrumentOfDay,
        "reference_state",
        view="reference",
        last_wins=("symbol", "day"),
        events_of=instruments_of,
    ),
    topics.PIPELINES_TERMS.name: table(topics.PIPELINES_TERMS, AdoptedTerms, "terms", events_of=terms_of),
}
"""The same, with what the archive has of other topics."""
DLQ: Final = "dlq"
"""The table of ``ssi.dlq``, and of whatever the archive itself cannot store."""
LETTER: Final[Mapping[str, Any]] = {
    name: None if field.is_required() else field.default
    for name, field in records.DeadLetter.model_fields.items()
    if name != "schema_"
}
"""The fields of a dead letter, with what stands there in the archive's own where it has nothing to say."""
DLQ_NAMES: Final = (
    "ts",
    *(f"found_{name}" if name in ("topic", *POSITION) else name for name in LETTER),
    "topic",
    *POSITION,
)
"""Columns of :data:`DLQ`. ``found_…`` say where the process that rejected something had found it; ``topic`` and the columns of
:data:`POSITION` where the archive read of it."""
SOURCES: Final[tuple[Topic[Any], ...]] = (*(made.topic for made in STORED.values()), topics.SSI_DLQ)
"""The topics that the archive reads."""
GROUP: Final = "archive"
"""The archive's consumer group, without prefix: what it has committed is what the archive has."""
