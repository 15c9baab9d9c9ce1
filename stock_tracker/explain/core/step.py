"""A step: one record of a symbol, what it booked, and which rule decided about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from schemas.position import Position
from schemas.structs import AlertEvent
from schemas.units import UnixMs, UnixUs
from stock_tracker.verify.core.differences import EventPosition

Standing = Mapping[str, int | None]
"""The counters of a symbol, by name, as they stood before or after a record; empty before its first."""


class Decision(NamedTuple):
    """A rule that decided about a record."""

    rule: str
    """A short word to count by: ``print``, ``repeat``, ``late``, ``suspect``, ``glitch``, ``reset``, ``gap_lost``, …"""
    text: str
    """For a person: what the rule found, with its figures."""
    other: EventPosition | None = None
    """The other record that it is about: the one that decided about this one, or the one that this one decided about."""


class TracedMessage(NamedTuple):
    """A hub message as SSI sent it and ``ssi.wire`` keeps it."""

    position: Position
    text: str


@dataclass(slots=True, eq=False)
class BookedLine:
    """An event that came of a record."""

    topic: str
    """Without a prefix."""
    event: Any
    """One of :mod:`schemas.events`."""
    told: int
    """The number, in its trace, of the step that told it: a later one than its record's where that had to wait for a verdict."""
    place: EventPosition | None = None
    """Where it stands on its topic; None where the topic was not looked at, or does not have it."""
    sought: bool = False
    """Whether the topic was looked at."""
    alerts: list[AlertEvent] = field(default_factory=list)
    """What the alert rules made of it."""


@dataclass(slots=True, eq=False)
class TraceStep:
    """One record, and what came of it."""

    number: int
    """Its place among the steps of its trace, from 0."""
    place: EventPosition
    feed: str
    epoch: int
    """The connection that it came from."""
    recv_us: UnixUs
    """When the first record of its frame was received."""
    record: Any
    """One of :mod:`schemas.records`; a clock tick where time alone told something of the symbol."""
    market_ms: UnixMs
    """The market second in which its shard folded it; 0 before the first clock tick."""
    mark: int
    """How often feeds had broken by then: :attr:`pipelines.core.feeds.Feeds.mark`."""
    before: Standing
    after: Standing
    rows: dict[str, Any] = field(default_factory=dict)
    """The newest rows of the symbol that were published up to the next step and since the one before, by topic."""
    lines: list[BookedLine] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    wire: TracedMessage | None = None
    """The hub message that it was in, where that was looked for and is kept."""

    @property
    def ts_ms(self) -> UnixMs:
        """Exchange time of the record."""
        return UnixMs(self.record.ts_ms)

    @property
    def is_tick(self) -> bool:
        """Whether it is no record of the symbol: time, or another record, told something of it."""
        return "clock" in self.rules

    @property
    def rules(self) -> frozenset[str]:
        """The rules that decided about it."""
        return frozenset(decision.rule for decision in self.decisions)

    def decide(self, rule: str, text: str, other: EventPosition | None = None) -> None:
        """Note that a rule decided about it; one that is noted already is not noted again."""
        decision = Decision(rule, text, other)
        if decision not in self.decisions:
            self.decisions.append(decision)


class Break(NamedTuple):
    """A moment from which on a feed covers nothing before it, or at which it stopped to cover."""

    feed: str
    mark: int
    """Its number: see :attr:`pipelines.core.feeds.Feeds.mark`."""
    cause: str
    """``first``, ``connection``, ``lost_frames``, ``lost_records``, ``down`` or ``up``."""
    text: str
    place: EventPosition
    market_ms: UnixMs
