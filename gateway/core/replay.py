"""A channel's past, played again out of the archive, in the frames in which it came (pure).

What can be played again are the channels of which the archive has every event as it was published. A row of ``px`` is folded from
several logs, and made again only by the pipelines: docs/decisions/023-replay-from-the-archive.md says what is taken instead.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from gateway.core import wire
from gateway.core.channels import CHANNELS, EVENT_CHANNELS
from gateway.core.history import Statement
from gateway.core.selection import Audience
from schemas import structs
from schemas.calendar import ICT
from schemas.topics import encode

PAGE: Final = 1_000
"""Rows that are asked for at a time, and held for a client at most."""
MOST_MS: Final = 31 * 24 * 3_600_000
"""The longest time that one replay may play."""
NAMED: Final = 200
"""How many symbols the archive is told; of more it gives everything, and we leave out."""
MESSAGE_BYTES: Final = 32 * 1024
"""How much is written at a time; a client that reads slowly is waited for."""


class ReplayLog(NamedTuple):
    """What of the archive is a channel's past."""

    table: str
    event: type[Any]
    """What a row of it was on its topic: columns have the names of its fields, times without ``_ms``."""


class _IndexEvent(Protocol):
    """As :class:`schemas.events.IndexEvent`; its twin is no type of its own to a type checker."""

    value: int
    prior_value: int
    advances: int
    no_changes: int
    declines: int
    ceilings: int
    floors: int


LOGS: Final[Mapping[str, ReplayLog]] = {
    "index": ReplayLog("indices", structs.IndexEvent),
    "basis": ReplayLog("basis", structs.BasisEvent),
    "alert": ReplayLog("alerts", structs.AlertEvent),
    "candle": ReplayLog("candles", structs.CandleEvent),
}
"""By channel."""


def _index_row(event: _IndexEvent) -> dict[str, Any]:
    """What the row of an index has and its event has not; as the pipeline of indices makes it."""
    prior_value = event.prior_value or None
    change = None if prior_value is None else event.value - prior_value
    names = ("advances", "no_changes", "declines", "ceilings", "floors")
    counts = {name: getattr(event, name) for name in names}
    return {
        "prior_value": prior_value,
        "change": change,
        "change_pct": None if change is None or prior_value is None else round(change * 100 / prior_value, 2),
        **(counts if any(counts.values()) else dict.fromkeys(counts)),
    }


_MORE: Final[Mapping[str, Callable[[Any], dict[str, Any]]]] = {"index": _index_row}
"""What rows have that their events have not, or have otherwise; by channel."""


class PastPlace(NamedTuple):
    """Where a row stands in a replay: they come in this order."""

    ts_ms: int
    partition: int
    offset: int
    idx: int


class PastEvent(NamedTuple):
    """An event of the past, ready for the wire."""

    place: PastPlace
    body: bytes
    """As a row, or as an object where the channel brings events."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What a client asked to have played."""

    command_id: int | None
    channel: str
    audience: Audience
    named: frozenset[str] | None
    """The symbols that it is of, where these are few; None where the archive gives everything."""
    from_ms: int
    to_ms: int
    """The first moment that is not played any more."""
    speed: float
    """Milliseconds of the market in one of ours; 0 is as fast as the client reads."""

    def statement(self, after: PastPlace | None) -> Statement:
        """What to ask the archive for: the first page, or the one after a place."""
        log = LOGS[self.channel]
        columns = ", ".join(_expression(name) for name in log.event.__struct_fields__)
        parameters = {
            "first_day": _day(self.from_ms),
            "last_day": _day(self.to_ms),
            "from_ms": str(self.from_ms),
            "to_ms": str(self.to_ms),
        }
        where = [
            "day BETWEEN {first_day:Date} AND {last_day:Date}",
            "ts >= fromUnixTimestamp64Milli({from_ms:Int64})",
            "ts < fromUnixTimestamp64Milli({to_ms:Int64})",
        ]
        if self.named is not None:
            # As a text, which needs no quotes inside: a word with a comma is the symbol of nothing either way.
            where.append("has(splitByChar(',', {symbols:String}), symbol)")
            parameters["symbols"] = ",".join(sorted(self.named))
        if after is not None:
            names = "{after_ms:Int64}), {partition:UInt16}, {offset:UInt64}, {idx:UInt16})"
            where.append(f"(ts, partition, offset, idx) > (fromUnixTimestamp64Milli({names}")
            parameters |= dict(zip(("after_ms", "partition", "offset", "idx"), map(str, after), strict=True))
        text = (
            f"SELECT {columns}, toUnixTimestamp64Milli(ts), partition, offset, idx FROM {log.table} "  # noqa: S608 - our own words
            f"WHERE {' AND '.join(where)} ORDER BY ts, partition, offset, idx LIMIT {PAGE} FORMAT JSONCompact"
        )
        return Statement(text, parameters, PAGE)

    def events(self, rows: Sequence[Sequence[Any]]) -> tuple[list[PastEvent], PastPlace | None]:
        """The events in the rows of an answer that the client wants, and where the next page begins; None after the last one.

        Raises:
            msgspec.ValidationError: A row is not what its topic holds.
        """
        log = LOGS[self.channel]
        fields = log.event.__struct_fields__
        found = []
        place = None
        for row in rows:
            place = PastPlace(*row[-len(PastPlace._fields) :])
            values = dict(zip(fields, row, strict=False))
            if "data" in values:
                values["data"] = msgspec.json.decode(values["data"])
            event = msgspec.convert(values, log.event)
            if self.audience.has(event.symbol):
                found.append(PastEvent(place, self._body(event)))
        return found, place if len(rows) == PAGE else None

    def _body(self, event: Any) -> bytes:
        if self.channel in EVENT_CHANNELS:
            return encode(event)
        more = _MORE[self.channel](event) if self.channel in _MORE else {}
        return encode(tuple(more[name] if name in more else getattr(event, name) for name in CHANNELS[self.channel].columns))

    def messages(self, events: Sequence[PastEvent], now_ms: int) -> list[bytes]:
        """Messages of some events in order, without their number; ``now_ms`` is the gateway's clock."""
        if self.channel in EVENT_CHANNELS:
            return [wire.past_event(self.channel, event.body) for event in events]
        return [wire.past_rows(self.channel, [event.body for event in events], now_ms)]


def take_due(events: Sequence[PastEvent], due: int) -> int:
    """How many of the first ``due`` of ``events`` to write at a time: one at least, where one is due."""
    size = 0
    for count, event in enumerate(events[:due], 1):
        size += len(event.body)
        if size >= MESSAGE_BYTES:
            return count
    return due


class ReplayPace:
    """When what is played is due. Milliseconds: ``ts_ms`` of the market, ``now_ms`` of a clock that only goes forward."""

    def __init__(self, plan: ReplayPlan, now_ms: int) -> None:
        """The market's time begins to pass now."""
        self._from_ms = plan.from_ms
        self._speed = plan.speed
        self._began_ms = now_ms

    def hold(self, ms: int) -> None:
        """Take note that the client did not read for ``ms``: meanwhile the market stood still."""
        self._began_ms += ms

    def due(self, events: Sequence[PastEvent], now_ms: int) -> int:
        """How many of the next ``events`` are due."""
        if self._speed == 0:
            return len(events)
        until_ms = self._from_ms + (now_ms - self._began_ms) * self._speed
        return next((count for count, event in enumerate(events) if event.place.ts_ms > until_ms), len(events))

    def wait_ms(self, ts_ms: int, now_ms: int) -> float:
        """In how long the market's time is ``ts_ms``; not more than 0 if it was."""
        return 0 if self._speed == 0 else (ts_ms - self._from_ms) / self._speed - (now_ms - self._began_ms)


def _expression(field: str) -> str:
    """A field of an event as the archive gives it: no alias, since a name in the condition would then mean that."""
    if field == "day":
        return "toYYYYMMDD(day)"
    return f"toUnixTimestamp64Milli({field.removesuffix('_ms')})" if field.endswith("_ms") else field


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, ICT).date().isoformat()
