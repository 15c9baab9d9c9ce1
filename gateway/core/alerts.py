"""The alerts of late, for clients that come or come back (pure).

Alerts are events, not state: each client gets each of them, once and in order. A position is the offset of the Kafka message and
the place within it, in one number, so that a cursor can stand between two alerts of one message.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from gateway.core import cursor
from gateway.core.channels import CHANNELS
from schemas.position import Position
from schemas.structs import AlertEvent, AlertsFrame
from schemas.topics import encode

KEPT = 1_000
_PLACES = 16


class Alert(msgspec.Struct, frozen=True, gc=False):
    """An alert, ready for the wire."""

    slot: int
    """Partition."""
    position: int
    symbol: str
    ts_ms: int
    data: bytes
    """The event as a JSON object."""
    row: bytes
    """The event as a JSON list in the order of the channel's columns."""


def alerts_of(position: Position, frame: AlertsFrame) -> list[Alert]:
    """The alerts in the message of ``market.alerts`` at ``position``."""
    return [_alert(position.partition, (position.offset << _PLACES) + place, event) for place, event in enumerate(frame.events)]


def _alert(slot: int, position: int, event: AlertEvent) -> Alert:
    row = encode(tuple(getattr(event, name) for name in CHANNELS["alert"].columns))
    return Alert(slot=slot, position=position, symbol=event.symbol, ts_ms=event.ts_ms, data=encode(event), row=row)


@dataclass(slots=True)
class Recent:
    """The last :data:`KEPT` alerts, oldest first."""

    stream: str = ""
    complete: bool = False
    """What was on the topic when reading began is here."""
    _alerts: deque[Alert] = field(default_factory=deque)
    positions: dict[int, int] = field(default_factory=dict)
    """The last position seen, by slot."""
    _dropped: dict[int, int] = field(default_factory=dict)
    """The last position that is no longer here, by slot."""

    def begin(self, stream: str, starts: Mapping[int, int]) -> None:
        """Forget everything: reading begins at the offsets ``starts``, by partition."""
        self.stream = stream
        self._alerts.clear()
        self.positions = {slot: (offset << _PLACES) - 1 for slot, offset in starts.items() if offset > 0}
        self._dropped = dict(self.positions)
        self.complete = False

    def settle(self) -> None:
        """Put what was read so far, partition by partition, into the order of its time: clients may come now."""
        self._alerts = deque(sorted(self._alerts, key=lambda alert: (alert.ts_ms, alert.slot, alert.position)))
        self.complete = True
        self._trim()

    def add(self, alert: Alert) -> None:
        """Append ``alert``; once settled, drop the oldest beyond :data:`KEPT`."""
        self._alerts.append(alert)
        self.positions[alert.slot] = alert.position
        if self.complete:
            self._trim()

    def _trim(self) -> None:
        while len(self._alerts) > KEPT:
            alert = self._alerts.popleft()
            self._dropped[alert.slot] = max(alert.position, self._dropped.get(alert.slot, -1))

    def since(self, positions: cursor.Positions | None) -> tuple[list[Alert], bool]:
        """The alerts after ``positions`` (None: all that are here), and whether none is missing between."""
        if positions is None:
            return list(self._alerts), False
        whole = all(positions.get(slot, -1) >= dropped for slot, dropped in self._dropped.items())
        return [alert for alert in self._alerts if alert.position > positions.get(alert.slot, -1)], whole

    def cursor(self) -> str:
        """Where a reader stands who has seen all."""
        return cursor.write(self.stream, self.positions)
