"""The last alerts, for clients that come or come back (pure).

Alerts are events, not state: each client gets each of them, once and in order. A cursor has to be able to stand between two
alerts of one Kafka message, so the offsets here are finer than Kafka's: 65,536 times the message's, plus the alert's place in
the message.
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
"""How many alerts a client that was away can make up for."""
_PLACE_BITS = 16


class Alert(msgspec.Struct, frozen=True, gc=False):
    """An alert, ready for the wire."""

    slot: int
    """The partition of its message, by number."""
    offset: int
    """The place of the alert itself, made of its message's offset and its place in the message."""
    symbol: str
    ts_ms: int
    data: bytes
    """The event as a JSON object."""
    row: bytes
    """The event as a JSON list in the order of the channel's columns."""


def alerts_of(position: Position, frame: AlertsFrame) -> list[Alert]:
    """The alerts in ``frame``, the message of ``market.alerts`` at ``position``."""
    first = position.offset << _PLACE_BITS
    return [_alert(position.partition, offset, event) for offset, event in enumerate(frame.events, first)]


def _alert(slot: int, offset: int, event: AlertEvent) -> Alert:
    row = encode(tuple(getattr(event, name) for name in CHANNELS["alert"].columns))
    return Alert(slot=slot, offset=offset, symbol=event.symbol, ts_ms=event.ts_ms, data=encode(event), row=row)


@dataclass(slots=True)
class Recent:
    """The last :data:`KEPT` alerts, oldest first."""

    stream: str = ""
    """Which logs the offsets are of; empty until reading begins."""
    complete: bool = False
    """Whether everything has been read that was on the topic when reading began: clients may come."""
    _alerts: deque[Alert] = field(default_factory=deque)
    offsets: dict[int, int] = field(default_factory=dict)
    """The offset of the last alert read, by slot."""
    _dropped: dict[int, int] = field(default_factory=dict)
    """The offset of the last alert that is not here any more, or never was, by slot."""

    def begin(self, stream: str, starts: Mapping[int, int]) -> None:
        """Forget everything: ``stream`` is read from ``starts`` on, Kafka's offsets by partition."""
        self.stream = stream
        self._alerts.clear()
        self.offsets = {slot: (offset << _PLACE_BITS) - 1 for slot, offset in starts.items() if offset > 0}
        self._dropped = dict(self.offsets)
        self.complete = False

    def settle(self) -> None:
        """Let clients come: everything that was there has been read, though partition by partition, so sort it by time."""
        self._alerts = deque(sorted(self._alerts, key=lambda alert: (alert.ts_ms, alert.slot, alert.offset)))
        self.complete = True
        self._trim()

    def add(self, alert: Alert) -> None:
        """Append ``alert``; once settled, drop the oldest beyond :data:`KEPT`."""
        self._alerts.append(alert)
        self.offsets[alert.slot] = alert.offset
        if self.complete:
            self._trim()

    def _trim(self) -> None:
        while len(self._alerts) > KEPT:
            alert = self._alerts.popleft()
            self._dropped[alert.slot] = max(alert.offset, self._dropped.get(alert.slot, -1))

    def since(self, offsets: cursor.Offsets | None) -> tuple[list[Alert], bool]:
        """The alerts that a client lacks which has read up to ``offsets``, and whether all of these are still here.

        None is for a client that has read nothing: it gets all that are here, and nobody can say what it missed.
        """
        if offsets is None:
            return list(self._alerts), False
        whole = all(offsets.get(slot, -1) >= dropped for slot, dropped in self._dropped.items())
        return [alert for alert in self._alerts if alert.offset > offsets.get(alert.slot, -1)], whole

    def cursor(self) -> str:
        """The cursor of a client that has read everything."""
        return cursor.write(self.stream, self.offsets)
