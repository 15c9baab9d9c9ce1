"""Every topic, once: what it holds, how it is split, how long it is kept.

Names carry no prefix here; ``TOPIC_PREFIX`` (tests, replays) is put in front by :meth:`Topic.named`. Partition counts come from
the deployment: 6 in production, 3 locally, for the *sharded* topics, and always 1 for the others.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

import msgspec

from schemas import structs
from schemas.errors import InvalidMessage, NewerMessage
from schemas.message import version_of
from schemas.upgrades import UPGRADES

M = TypeVar("M")

_MINUTE_MS = 60_000
_DAY_MS = 24 * 60 * _MINUTE_MS

encode = msgspec.json.Encoder().encode
"""A message (a twin of :mod:`schemas.structs`) as JSON bytes."""


@dataclass(frozen=True)
class Topic(Generic[M]):
    """A topic and the one type of value on it."""

    name: str
    message: type[M] | None
    """The twin that its values decode to; None for raw bytes."""
    sharded: bool
    """Split by shard and keyed by shard key; compacted ones by what their values are of. Else one partition."""
    cleanup: Literal["delete", "compact"]
    retention_ms: int | None
    """How long a message stays; None for compacted topics, which keep the last value of each key."""
    compression: Literal["lz4", "zstd"] = "lz4"

    def named(self, prefix: str) -> str:
        """The topic's name in Kafka."""
        return f"{prefix}{self.name}"

    def partitions(self, shards: int) -> int:
        """How many partitions it has in a deployment of ``shards``."""
        return shards if self.sharded else 1

    def config(self) -> dict[str, str]:
        """Its Kafka settings.

        Time stamps are the broker's: with exchange time a replayed old day would be older than its retention, and gone.
        """
        config = {"cleanup.policy": self.cleanup, "message.timestamp.type": "LogAppendTime"}
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        else:
            # A gateway reads all of it before it serves: short segments keep what compaction cannot touch small.
            config |= {
                "segment.ms": str(5 * _MINUTE_MS),
                "min.cleanable.dirty.ratio": "0.1",
                "max.compaction.lag.ms": str(10 * _MINUTE_MS),
            }
        return config

    @cached_property
    def _decoder(self) -> "msgspec.json.Decoder[Any]":
        return msgspec.json.Decoder(self.message)

    @cached_property
    def version(self) -> int:
        """The version that this release writes its messages in."""
        return version_of(self.message) if self.message is not None else 0

    def decode(self, value: bytes) -> M:
        """The message in ``value``, brought up to this release's version if an earlier release wrote it.

        Raises:
            InvalidMessage: It is not one of this topic's messages.
            NewerMessage: A newer release wrote it. It must not be skipped: whoever reads the topic stops.
        """
        try:
            message: M = self._decoder.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            return self._decode_other(value, str(error))
        if message.schema_ != self.version:  # type: ignore[attr-defined]
            return self._decode_other(value, "")
        return message

    def _decode_other(self, value: bytes, reason: str) -> M:
        """The message of another version in ``value``; ``reason`` says why it is none of this one, where it is not that alone."""
        try:
            found = _envelope.decode(value).version
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise InvalidMessage(self.name, reason or str(error)) from error
        if found > self.version:
            raise NewerMessage(self.name, found, self.version)
        if found == self.version:
            raise InvalidMessage(self.name, reason)
        upgrades = UPGRADES.get(self.name, {})
        try:
            older: Any = msgspec.json.decode(value)
            for number in range(found, self.version):
                older = upgrades[number](older)
            message: M = msgspec.convert({**older, "schema": self.version}, self.message)
        except KeyError as error:
            raise InvalidMessage(self.name, f"this release does not read version {found} of it ({error} is missing)") from error
        except (msgspec.MsgspecError, RecursionError, AttributeError, LookupError, TypeError, ValueError) as error:
            # An upgrade function takes the message for what it should be, and meets whatever is there.
            raise InvalidMessage(self.name, f"version {found}: {error}") from error
        return message


class _Envelope(msgspec.Struct):
    """What every message says of itself, whatever its version."""

    version: Annotated[int, msgspec.Meta(ge=1)] = msgspec.field(name="schema")


_envelope = msgspec.json.Decoder(_Envelope)


SSI_WIRE = Topic[bytes]("ssi.wire", None, sharded=False, cleanup="delete", retention_ms=3 * _DAY_MS, compression="zstd")
"""The messages of SSI's hub, verbatim; headers ``feed``, ``epoch``, ``seq``, ``recv_us``. Evidence, and re-decoding."""
SSI_TICKS = Topic("ssi.ticks", structs.Frame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
"""Records of stocks, funds and warrants: trade, quote, snapshot, bar, odd_lot, status, reference; clock ticks."""
SSI_FOREIGN = Topic("ssi.foreign", structs.Frame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
"""Foreign records, the reference records of the same symbols; clock ticks."""
SSI_INDICES = Topic("ssi.indices", structs.Frame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
"""Index records, and every record of the futures on an index, in the index's shard; clock ticks."""
SSI_REFERENCE = Topic("ssi.reference", structs.ReferenceMessage, sharded=False, cleanup="compact", retention_ms=None)
"""Reference data by symbol, for whoever is not in a shard."""
SSI_STATUS = Topic("ssi.status", structs.FeedStatus, sharded=False, cleanup="compact", retention_ms=None)
"""What each connector says of itself, by feed."""
SSI_DLQ = Topic("ssi.dlq", structs.DeadLetter, sharded=False, cleanup="delete", retention_ms=30 * _DAY_MS)
"""Dead letters of every process."""

MARKET_TRADES = Topic("market.trades", structs.TradesFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_QUOTES = Topic("market.quotes", structs.QuotesFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_DAILY = Topic("market.daily", structs.DailyFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_CANDLES = Topic("market.candles", structs.CandlesFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_FOREIGN = Topic("market.foreign", structs.LedgerFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_FLOW = Topic("market.flow", structs.FlowFrame, sharded=False, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_INDICES = Topic("market.indices", structs.IndexFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_BASIS = Topic("market.basis", structs.BasisFrame, sharded=True, cleanup="delete", retention_ms=7 * _DAY_MS)
MARKET_ALERTS = Topic("market.alerts", structs.AlertsFrame, sharded=True, cleanup="delete", retention_ms=30 * _DAY_MS)
PARTIAL_FLOW = Topic("partial.flow", structs.PartialFlow, sharded=False, cleanup="delete", retention_ms=7 * _DAY_MS)
"""Between the two stages of the foreign app. It is kept as long as the records: ``verify`` folds it again."""
PARTIAL_BREADTH = Topic("partial.breadth", structs.PartialBreadth, sharded=False, cleanup="delete", retention_ms=7 * _DAY_MS)
"""Between the two stages of the prices app; kept as long, for the same reason."""

STATE_PRICES = Topic("state.prices", structs.PriceRow, sharded=True, cleanup="compact", retention_ms=None)
STATE_FOREIGN = Topic("state.foreign", structs.ForeignRow, sharded=True, cleanup="compact", retention_ms=None)
STATE_FLOW = Topic("state.flow", structs.FlowRow, sharded=False, cleanup="compact", retention_ms=None)
STATE_INDICES = Topic("state.indices", structs.IndexRow, sharded=True, cleanup="compact", retention_ms=None)
STATE_BREADTH = Topic("state.breadth", structs.BreadthRow, sharded=False, cleanup="compact", retention_ms=None)
STATE_BASIS = Topic("state.basis", structs.BasisRow, sharded=True, cleanup="compact", retention_ms=None)

STATE_PROGRESS = Topic("state.progress", structs.ShardProgress, sharded=False, cleanup="compact", retention_ms=None)
"""How far each shard has been folded, by record topic and partition (``ssi.ticks/0``): no market data, and nothing to compare."""

PIPELINES_TERMS = Topic("pipelines.terms", structs.TermsAdopted, sharded=False, cleanup="compact", retention_ms=None)
"""What the pipelines fold with, and since when; each adoption has a key of its own, so that all of them stay."""

RECORD_TOPICS = (SSI_TICKS, SSI_FOREIGN, SSI_INDICES)
"""The topics of SSI's records. Clock ticks go to each of their partitions too."""
EVENT_TOPICS = (
    MARKET_TRADES,
    MARKET_QUOTES,
    MARKET_DAILY,
    MARKET_CANDLES,
    MARKET_FOREIGN,
    MARKET_FLOW,
    MARKET_INDICES,
    MARKET_BASIS,
    MARKET_ALERTS,
)
"""What the archive reads."""
STATE_TOPICS = (STATE_PRICES, STATE_FOREIGN, STATE_FLOW, STATE_INDICES, STATE_BREADTH, STATE_BASIS)
"""What the gateway shows."""
TOPICS: tuple[Topic[Any], ...] = (
    SSI_WIRE,
    *RECORD_TOPICS,
    SSI_REFERENCE,
    SSI_STATUS,
    SSI_DLQ,
    *EVENT_TOPICS,
    PARTIAL_FLOW,
    PARTIAL_BREADTH,
    *STATE_TOPICS,
    STATE_PROGRESS,
    PIPELINES_TERMS,
)
"""All of them."""
