"""Whether the numbers are right: what was published of a day against what a reference makes of the day's records.

Events are judged by what the records say where the day can be read in one way only, and summaries and rows by the events below
them. What is not judged is never silent: :data:`NEVER_JUDGED` names the fields that no reference makes, and :func:`check` says of
which symbols a day could not be read.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.position import Position
from schemas.structs import Frame, TradeEvent
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.reference import alerts, board, books, candles, flows, indices, ledger_lines, lines
from stock_tracker.verify.core.reference.breadth import BreadthCounts
from stock_tracker.verify.core.reference.day import gather
from stock_tracker.verify.core.reference.flows import FlowSums

Messages = Iterable[tuple[Position, Any]]
"""The messages of a topic, in order of each partition, with their places."""
PlacedThings = Sequence[tuple[EventPosition, Any]]
"""Events of a topic in order of each partition, rows, or adopted terms; with their places."""

NEVER_JUDGED: Final = (
    "market.trades: side and phase of a line, gaps, fills and corrections line by line, status lines, prints without a total, "
    "odd lots: they follow from the order in which records came, of which the delivery is judged, and their sums are",
    "market.quotes: a limit that was not told, and of several feeds the order of the books: records do not say which feed leads",
    "market.daily: all but the last of a symbol; unanchored, repeats, printed_volume",
    "market.foreign: since_ms, ambiguous, and whether a line that grew is a delta or a catch-up",
    "market.basis: slope, stale, and the order of prints and ticks",
    "market.alerts: alert_id, the sentences, and what follows from fields that are not judged themselves",
    "state.prices: phase, session, status, expected, previous_close, candle, phases, repeats, gaps",
    "state.foreign: speeds, acceleration, stale, suspects, unresolved",
    "state.flow: buyers, sellers",
    "state.basis: slope, stale",
)
"""What no reference of this release makes, by topic."""


class NotJudged(NamedTuple):
    """A symbol some of whose numbers nobody can judge, because its day can be read in more than one way."""

    topic: str
    symbol: str
    reason: str


@dataclass
class AcrossSymbols:
    """What is gathered of all symbols, and judged when all of them have been looked at."""

    flow: FlowSums = field(default_factory=FlowSums)
    gaps: alerts.FeedGaps = field(default_factory=alerts.FeedGaps)
    breadth: BreadthCounts = field(default_factory=BreadthCounts)


def check(
    records: Iterable[tuple[Position, Frame]], outputs: Mapping[str, Messages], not_judged: list[NotJudged]
) -> Iterator[Difference]:
    """Compare the numbers of a day with those of the reference, all symbols at once; see :func:`check_symbols`."""
    across = AcrossSymbols()
    published = {topic: things_in(messages) for topic, messages in outputs.items()}
    yield from check_symbols(records, published, not_judged, across)
    yield from check_across(across, published, not_judged)


def things_in(messages: Messages) -> list[tuple[EventPosition, Any]]:
    """The events in some messages; of a topic without events its messages, each in the place of its only one."""
    return [
        (EventPosition(at, idx), thing)
        for at, message in messages
        for idx, thing in enumerate(message.events if hasattr(message, "events") else (message,))
    ]


def check_symbols(
    records: Iterable[tuple[Position, Frame]],
    published: Mapping[str, PlacedThings],
    not_judged: list[NotJudged],
    across: AcrossSymbols,
) -> Iterator[Difference]:
    """Compare the numbers of some symbols of a shard with those of the reference; memory grows with their records.

    Args:
        records: What the frames of all ``ssi.*`` topics say of them, of each partition in order; with the clock.
        published: All that was published of them by the name of the topic: events committed only, and the last row of each key.
            A topic that is not there is not judged; ``pipelines.terms`` says which alert rules held.
        not_judged: Gets what could not be judged, and why.
        across: Gets what they add to what is of no symbol alone.
    """
    told = gather(records)
    events = {topic: _events(told.day, things) for topic, things in published.items() if topic.startswith("market.")}
    rows = {topic: _rows(told.day, things) for topic, things in published.items() if topic.startswith("state.")}
    tape: dict[str, list[tuple[EventPosition, TradeEvent]]] = defaultdict(list)
    for at, line in events.get("market.trades", ()):
        tape[line.symbol].append((at, line))
    doubts: list[tuple[str, str, str]] = []
    if "market.trades" in events:
        yield from lines.check(told, tape, doubts)
        yield from board.check(told, tape, events.get("market.daily"), rows.get("state.prices"), doubts)
        if "market.candles" in events:
            yield from candles.check(told, tape, events["market.candles"])
    if "market.alerts" in events and "pipelines.terms" in published:
        rules = alerts.rules_of(adopted for _, adopted in published["pipelines.terms"])
        yield from alerts.check(rules, events, events["market.alerts"])
        across.gaps.add(rules.get("market.trades", ()), events.get("market.trades", ()), events["market.alerts"])
    yield from books.check(told, events.get("market.quotes"), rows.get("state.prices"))
    if "market.foreign" in events:
        yield from ledger_lines.check(told, events["market.foreign"], rows.get("state.foreign"), doubts)
        across.flow.add(
            told,
            events["market.foreign"],
            flows.sectors_of(published.get("pipelines.terms", ())),
            {symbol for topic, symbol, _ in doubts if topic == "market.foreign"},
        )
    if "state.prices" in rows:
        across.breadth.add(told, rows["state.prices"])
    yield from indices.check(told, events.get("market.indices"), rows.get("state.indices"), doubts)
    yield from indices.check_basis(told, tape, events.get("market.basis"), rows.get("state.basis"))
    not_judged += [NotJudged(*doubt) for doubt in doubts]


def check_across(
    across: AcrossSymbols, published: Mapping[str, PlacedThings], not_judged: list[NotJudged]
) -> Iterator[Difference]:
    """Compare the flow of scopes and the breadth of indices with what all symbols add to them, and alerts of lost connections.

    Args:
        across: What :func:`check_symbols` gathered of all symbols.
        published: ``market.flow``, committed, and the last row of each key of ``state.flow`` and ``state.breadth``. What is not
            there is not judged.
        not_judged: Gets what could not be judged, and why.
    """
    doubts: list[tuple[str, str, str]] = []
    yield from across.gaps.check()
    if "state.breadth" in published:
        yield from across.breadth.check(_rows(across.breadth.day, published["state.breadth"]), doubts)
    flow, rows = published.get("market.flow"), published.get("state.flow")
    yield from flows.check(
        across.flow,
        None if flow is None else _events(across.flow.day, flow),
        None if rows is None else _rows(across.flow.day, rows),
        doubts,
    )
    not_judged += [NotJudged(*doubt) for doubt in doubts]


def _events(day: int, things: PlacedThings) -> list[tuple[EventPosition, Any]]:
    return [(at, event) for at, event in things if not day or event.day == day]


def _rows(day: int, things: PlacedThings) -> dict[str, tuple[EventPosition, Any]]:
    kept: dict[str, tuple[EventPosition, Any]] = {}
    for at, row in things:
        key = row.scope if hasattr(row, "scope") else row.symbol
        if row.day == day and (key not in kept or row.src >= kept[key][1].src):
            kept[key] = (at, row)
    return kept
