"""What waits for Kafka, in bounds: the oldest is thrown away when it is too much, and the stream tells how much was lost. Pure.

Frames are bounded by the number of records in them, everything else by its bytes. Of the latter, verbatim hub messages and status
are thrown away first (*bulk*): the one is evidence only, the other is said again every second. Reference data and dead letters
come once, so they are thrown away only when no bulk is left.
"""

from collections import Counter, deque
from typing import NamedTuple

from connectors.ssi.core.frames import Cut, loss_of, with_losses
from schemas.position import Partition
from schemas.structs import LossMarker, ProfileRecord, ReferenceRecord
from schemas.topics import SSI_STATUS, SSI_WIRE, encode

_BULK = frozenset({SSI_WIRE.name, SSI_STATUS.name})


class Outgoing(NamedTuple):
    """A message for Kafka."""

    topic: str
    """Without the prefix of the deployment."""
    key: str | None
    value: bytes
    headers: tuple[tuple[str, str], ...] = ()
    cut: Cut | None = None
    """The frame that ``value`` encodes; None for any other message."""

    @property
    def partition(self) -> Partition:
        """Where it goes: whatever is not a frame goes to a topic of one partition."""
        return self.cut.partition if self.cut else Partition(self.topic, 0)

    @property
    def weight(self) -> int:
        """How many records it counts as, where records in flight are bounded: at least 1."""
        return max(1, len(self.cut.frame.records)) if self.cut else 1


class Outbox:
    """Frames and other messages on their way to Kafka, oldest first."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._frames: deque[Cut] = deque()
        self._others: deque[Outgoing] = deque()
        """Reference data and dead letters."""
        self._bulk: deque[Outgoing] = deque()
        self._lost: dict[Partition, LossMarker] = {}
        """What was lost in a partition and has not been told there yet."""
        self._kept: dict[Partition, dict[tuple[str, str], ReferenceRecord | ProfileRecord]] = {}
        """The reference records and profiles in lost frames, by kind and symbol: the next frame of the partition brings them."""
        self.records = 0
        """Records that wait in frames, clock ticks and reference records among them."""
        self.bytes = 0
        """Bytes of the other messages that wait."""
        self.dropped_records = 0
        """SSI's records that were thrown away since the start."""
        self.dropped_messages: Counter[str] = Counter()
        """Other messages that were thrown away since the start, by topic."""

    def put(self, cut: Cut) -> None:
        """Add a frame; if too many records wait then, throw away the oldest frames."""
        self._frames.append(cut)
        self.records += len(cut.frame.records)
        while self.records > self._max_records and len(self._frames) > 1:
            oldest = self._frames.popleft()
            self.records -= len(oldest.frame.records)
            self.lose(oldest)

    def post(self, outgoing: Outgoing) -> None:
        """Add any other message; if too many bytes wait then, throw away the oldest, bulk first."""
        (self._bulk if outgoing.topic in _BULK else self._others).append(outgoing)
        self.bytes += len(outgoing.value)
        while self.bytes > self._max_bytes and len(self._others) + len(self._bulk) > 1:
            oldest = (self._bulk or self._others).popleft()
            self.bytes -= len(oldest.value)
            self.dropped_messages[oldest.topic] += 1

    def put_back(self, outgoing: Outgoing) -> None:
        """Take back what :meth:`take` gave last; the next :meth:`take` gives it again."""
        if outgoing.cut is not None:
            self._frames.appendleft(outgoing.cut)
            self.records += len(outgoing.cut.frame.records)
            return
        (self._bulk if outgoing.topic in _BULK else self._others).appendleft(outgoing)
        self.bytes += len(outgoing.value)

    def lose(self, cut: Cut) -> None:
        """Take note that ``cut`` will never reach Kafka: the next frame of its partition will begin with a loss marker.

        Reference records and profiles in it go into that frame too: they come once a day and cost little.
        """
        self.dropped_records += cut.records
        if (marker := loss_of(cut, self._lost.get(cut.partition))) is not None:
            self._lost[cut.partition] = marker
        for record in cut.frame.records:
            if isinstance(record, ReferenceRecord | ProfileRecord):
                self._kept.setdefault(cut.partition, {})[type(record).__name__, record.symbol] = record

    def take(self) -> Outgoing | None:
        """Remove and return what Kafka should get next, None when nothing waits; frames go before the rest."""
        if self._frames:
            cut = self._frames.popleft()
            self.records -= len(cut.frame.records)
            kept = self._kept.pop(cut.partition, {})
            cut = with_losses(cut, self._lost.pop(cut.partition, None), list(kept.values()))
            return Outgoing(cut.partition.topic, cut.key, encode(cut.frame), cut=cut)
        if waiting := self._others or self._bulk:
            outgoing = waiting.popleft()
            self.bytes -= len(outgoing.value)
            return outgoing
        return None

    def __len__(self) -> int:
        return len(self._frames) + len(self._others) + len(self._bulk)
