"""Decode again what SSI sent, and compare it with what was published then. Pure.

``ssi.wire`` keeps the hub's messages as they came. When the decoder was wrong and has been mended, it reads them once more: what
it makes of them now and what is on the ``ssi.*`` topics differ exactly where it was wrong, or where Kafka did not take a frame.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from connectors.ssi.core.channels import SubscribedChannels
from connectors.ssi.core.decode import DATA_TYPE_OF, Decoder
from connectors.ssi.core.errors import InvalidRecord, Reason
from connectors.ssi.core.frames import partitions_of
from connectors.ssi.core.hub_client import HubClient, Publish, RejectMessage
from connectors.ssi.core.snapshot_trades import SnapshotTrades
from connectors.ssi.core.symbols import Symbols
from schemas.calendar import day_of
from schemas.kinds import is_from_ssi
from schemas.position import Partition
from schemas.records import SsiRecord
from schemas.structs import Frame, LossMarker, SnapshotRecord
from schemas.topics import encode
from schemas.units import MonotonicMs, UnixMs, UnixUs

MARGIN_US: Final = 1_000_000
"""By how much the receive time of a frame, which is that of its first record, may differ from that of a record in it."""
MOST_KEPT: Final = 1_000
"""How many differences are kept to be shown; all are counted."""


class WireMessage(NamedTuple):
    """A hub message as it stands on ``ssi.wire``."""

    feed: str
    epoch: int
    recv_us: UnixUs
    value: bytes

    @classmethod
    def of(cls, headers: Mapping[str, bytes | str], value: bytes) -> "WireMessage":
        """The message with these Kafka headers. Raises KeyError or ValueError if they are not the connector's."""
        texts = {name: text.decode() if isinstance(text, bytes) else text for name, text in headers.items()}
        return cls(texts["feed"], int(texts["epoch"]), UnixUs(int(texts["recv_us"])), value)


class Again(NamedTuple):
    """What a hub message holds now."""

    records: list[SsiRecord]
    rejected: list[Reason]


class Redecoder:
    """Decodes the hub messages of all feeds, each in the order in which they came."""

    def __init__(self, channels: str) -> None:
        """Begin with no message.

        Args:
            channels: What the feeds were subscribed to, as SwitchChannels takes it.
        """
        self.symbols = Symbols()
        self._subscription = SubscribedChannels(channels)
        self._client = HubClient("", channels)
        self._decoders: dict[str, Decoder] = {}
        self._snapshot_trades: dict[tuple[str, int], SnapshotTrades] = {}

    def read(self, message: WireMessage) -> Again:
        """Decode ``message``.

        A record that is dated later than its message was received is rejected, and one that nobody asked for left out, as they
        were then.
        """
        again = Again([], [])
        for action in self._client.receive(message.value, MonotonicMs(0)):
            if isinstance(action, RejectMessage):
                again.rejected.extend([action.reason] * action.count)
            elif isinstance(action, Publish):
                self._decode(action.arguments, message, again)
        return again

    def _decode(self, arguments: Any, message: WireMessage, again: Again) -> None:
        decoder = self._decoders.setdefault(message.feed, Decoder(self.symbols))
        trades = self._snapshot_trades.setdefault((message.feed, message.epoch), SnapshotTrades(self._subscription))
        date = day_of(UnixMs(message.recv_us // 1000))
        for argument in arguments:
            try:
                record = decoder.decode(argument)
            except InvalidRecord as error:
                again.rejected.append(error.reason)
                continue
            if record.trading_day > date:
                again.rejected.append(Reason.FUTURE_DAY)
                continue
            if not self._subscription.covers(DATA_TYPE_OF[type(record)], record.symbol):
                continue
            if isinstance(record, SnapshotRecord) and (trade := trades.trade_in(record)) is not None:
                again.records.append(trade)
            again.records.append(record)


class RecordDifference(NamedTuple):
    """A record that only one of the two sides has."""

    where: str
    """``published`` or ``again``."""
    feed: str
    epoch: int
    partition: Partition
    record: dict[str, Any]


class RedecodeReport(NamedTuple):
    """How the records of a stretch of ``ssi.wire`` compare with those that were published."""

    same: int
    """Records that are the same on both sides."""
    only_again: int
    """Records that were not published so."""
    only_published: int
    """Published records that are not made again."""
    rejected: dict[str, int]
    """What cannot be used today, by reason."""
    lost: int
    """Records that the connector threw away then, by its own loss markers."""
    differences: list[RecordDifference]
    """The first of them."""

    @property
    def is_same(self) -> bool:
        """Whether there is no difference."""
        return not self.only_again and not self.only_published

    def sentences(self) -> Iterator[str]:
        """The same for people, a line each."""
        yield f"{self.same:,} records are the same again"
        yield f"{self.only_again:,} records come out that were not published so"
        yield f"{self.only_published:,} records were published and do not come out again"
        if self.lost:
            yield f"{self.lost:,} records the connector had to throw away then, because Kafka did not take them"
        for reason, count in sorted(self.rejected.items()):
            yield f"{count:,} parts cannot be used: {reason}"
        for difference in self.differences[:20]:
            sign = "+" if difference.where == "again" else "-"
            yield f"{sign} {difference.partition.topic}/{difference.partition.number} {encode(difference.record).decode()}"


class _Open(NamedTuple):
    """How often one record stands on one side and not yet on the other, and when it was received last."""

    balance: int
    recv_us: int


_Key = tuple[str, int, Partition, bytes]


class Comparison:
    """Takes what both sides have of a stretch of time, in whatever order, and keeps what the other side has not had yet.

    The receive time of a frame is that of its first record. So frames that begin a little outside the stretch count for the
    records in it, and those of its edges may hold records of outside: these are not missed.
    """

    def __init__(self, from_us: int, to_us: int, shards: int, symbols: Symbols) -> None:
        """Begin with nothing.

        Args:
            from_us: Begin of the stretch, as receive time in microseconds.
            to_us: Its end, which is not in it.
            shards: How many partitions the record topics have.
            symbols: What is known of symbols while the messages are decoded.
        """
        self._from_us = from_us
        self._to_us = to_us
        self._shards = shards
        self._symbols = symbols
        self._open: dict[_Key, _Open] = {}
        self._same = 0
        self._rejected: Counter[str] = Counter()
        self._lost = 0

    def add_again(self, message: WireMessage, again: Again) -> None:
        """Take what a message of the stretch holds now."""
        self._rejected.update(reason.value for reason in again.rejected)
        for record in again.records:
            (partition,) = partitions_of(record, self._shards, self._symbols.is_index)
            self._add((message.feed, message.epoch, partition, encode(record)), 1, message.recv_us)

    def add_published(self, partition: Partition, frame: Frame) -> None:
        """Take a frame, which may lie outside the stretch."""
        if not self._from_us - MARGIN_US <= frame.recv_us < self._to_us + MARGIN_US:
            return
        for record in frame.records:
            if is_from_ssi(record):
                self._add((frame.feed, frame.epoch, partition, encode(record)), -1, frame.recv_us)
            elif isinstance(record, LossMarker):
                self._lost += record.records

    def _add(self, key: _Key, sign: int, recv_us: int) -> None:
        found = self._open.pop(key, None)
        balance = sign + (found.balance if found else 0)
        if found and found.balance * sign < 0:
            self._same += 1
        if balance:
            self._open[key] = _Open(balance, recv_us)

    def report(self) -> RedecodeReport:
        """What is the same and what is not, once both sides were read to the end."""
        only_again, only_published = 0, 0
        differences: list[RecordDifference] = []
        for (feed, epoch, partition, record), left in self._open.items():
            is_inside = self._from_us + MARGIN_US <= left.recv_us < self._to_us - MARGIN_US
            if left.balance > 0:
                only_again += left.balance
            elif is_inside:
                only_published -= left.balance
            else:
                continue
            if len(differences) < MOST_KEPT:
                where = "again" if left.balance > 0 else "published"
                differences.append(RecordDifference(where, feed, epoch, partition, msgspec.json.decode(record)))
        return RedecodeReport(self._same, only_again, only_published, dict(self._rejected), self._lost, differences)
