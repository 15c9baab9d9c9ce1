"""What the gateway shows against what is on the topics: the rows of each channel, by REST and by WebSocket."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from schemas.structs import FeedStatus, FlowRow, ReferenceMessage
from stock_tracker.verify.core.differences import Difference, EventPosition

Placed = tuple[EventPosition, Any]
"""A message or an event, with its place."""
Key = tuple[Any, ...]

EVENT_KEYS: Final[Mapping[str, tuple[str, ...]]] = {"alert": ("alert_id",), "candle": ("symbol", "minute_ms", "revision")}
"""What names an event, by channel."""
SCOPE_MARK: Final = "#"
"""In front of the scopes of channel ``flow``, which has symbols too (``docs/gateway.md``)."""
_STATUS: Final = ("feed", "epoch", "day", "received", "dead_letters", "dropped", "connects")
"""Columns of ``status`` that a connector says; what the others say moves though the market stands, or is the gateway's own."""


@dataclass(frozen=True)
class Snapshot:
    """A channel as the gateway shows it."""

    channel: str
    way: str
    """``REST`` or ``WebSocket``."""
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __str__(self) -> str:
        return f"gateway {self.channel} by {self.way}"

    def named_rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row by the names of its columns."""
        for row in self.rows:
            yield dict(zip(self.columns, row, strict=True))


def compare_rows(snapshot: Snapshot, last: Iterable[Placed]) -> Iterator[Difference]:
    """Compare a channel of rows with the last message of each key on its topics: it shows each of them once, and nothing else."""
    expected = dict(_row_of(at, message, snapshot.columns) for at, message in last)
    key = snapshot.columns[0]
    yield from _compare(snapshot, expected, lambda row: (row[key],), expected.keys())


def compare_events(snapshot: Snapshot, events: Iterable[Placed], due: Callable[[EventPosition], bool]) -> Iterator[Difference]:
    """Compare a channel of events with the events of its topic: it shows none but those, each once, and all that are due.

    Args:
        snapshot: What the gateway shows.
        events: Those that it may show.
        due: Whether it must show the event that is there.
    """
    names = EVENT_KEYS[snapshot.channel]
    expected = {tuple(getattr(event, name) for name in names): (at, msgspec.to_builtins(event)) for at, event in events}
    must = {key for key, (at, _) in expected.items() if due(at)}
    yield from _compare(snapshot, expected, lambda row: tuple(row[name] for name in names), must)


def _row_of(at: EventPosition, message: Any, columns: Sequence[str]) -> tuple[Key, tuple[EventPosition, dict[str, Any]]]:
    """The key of a message, and the columns of its row as far as the topic says what they must show."""
    if isinstance(message, FlowRow):
        said = {**msgspec.to_builtins(message), "net_volume": message.bought - message.sold, "key": SCOPE_MARK + message.scope}
    elif isinstance(message, ReferenceMessage):
        said = msgspec.to_builtins(message.record)
    elif isinstance(message, FeedStatus):
        said = {**msgspec.to_builtins(message), "day": message.trading_day}
    else:
        said = msgspec.to_builtins(message)
    said.setdefault("key", said.get("symbol"))
    names = _STATUS if isinstance(message, FeedStatus) else columns
    return (said[columns[0]],), (at, {name: said.get(name) for name in names})


def _compare(
    snapshot: Snapshot,
    expected: Mapping[Key, tuple[EventPosition, Mapping[str, Any]]],
    key_of: Callable[[dict[str, Any]], Key],
    must: Iterable[Key],
) -> Iterator[Difference]:
    shown: set[Key] = set()
    for row in snapshot.named_rows():
        key = key_of(row)
        name = str(row.get("symbol", key[0]))
        if key in shown:
            yield Difference("doubled_in_gateway", name, f"{snapshot} shows {_named(key)} more than once", None, str(snapshot))
        elif key not in expected:
            yield Difference(
                "unknown_in_gateway", name, f"{snapshot} shows {_named(key)}, the topics do not", None, str(snapshot)
            )
        else:
            at, said = expected[key]
            wrong = [column for column, value in said.items() if column in row and row[column] != value]
            if wrong:
                detail = ", ".join(f"{column} is {row[column]!r}, not {said[column]!r}" for column in wrong)
                yield Difference("wrong_in_gateway", name, f"{snapshot}: {detail}", at, fields=tuple(wrong))
        shown.add(key)
    for key in sorted(set(must) - shown):
        at, said = expected[key]
        yield Difference("missing_in_gateway", str(said.get("symbol", key[0])), f"{snapshot} lacks {_named(key)}", at)


def _named(key: Key) -> str:
    return " ".join(map(str, key))
