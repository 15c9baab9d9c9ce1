"""What the connector counts. A help text is what it means, and after that what to do when the number is off.

``make metrics`` writes docs/metrics.md from them.

While records are decoded they are counted in plain integers, which is fast. Once a second :class:`Tally` adds what has come since
to the metrics that Prometheus reads.
"""

from collections import Counter as Counts
from typing import Any, Final

from prometheus_client import Counter, Gauge

from connectors.ssi.core.market_clock import MarketTime
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.publisher import Publisher
from connectors.ssi.reference import Reference
from connectors.ssi.session import Session

RECORDS: Final = Counter(
    "stock_tracker_ssi_records_total",
    "Records published. Not growing in a trading session: look at the feed's status and at SSI_CHANNELS.",
    ["type"],
)
DEAD_LETTERS: Final = Counter(
    "stock_tracker_ssi_dead_letters_total",
    "Records and hub messages that could not be used. Rising: read ssi.dlq; SSI may have changed its format.",
    ["reason"],
)
LEFT_OUT: Final = Counter(
    "stock_tracker_ssi_left_out_fields_total",
    "Fields that could not be read in records that could. Rising: SSI may have changed it.",
    ["type", "field"],
)
DROPPED_RECORDS: Final = Counter(
    "stock_tracker_ssi_dropped_records_total",
    "Records thrown away because Kafka did not answer for too long or refused them. Not 0: look at the broker.",
)
DROPPED_MESSAGES: Final = Counter(
    "stock_tracker_ssi_dropped_messages_total",
    "Other messages thrown away. Not 0: look at the broker.",
    ["topic"],
)
DELIVERY_FAILURES: Final = Counter(
    "stock_tracker_ssi_delivery_failures_total",
    "Messages that Kafka refused. Not 0: read the connector's log for the reason.",
    ["topic"],
)
CONNECTS: Final = Counter(
    "stock_tracker_ssi_connects_total",
    "Connections made to SSI's hub. More than one a trading day: the network, or a second client with the same key.",
)
ENDED: Final = Counter(
    "stock_tracker_ssi_ended_connections_total",
    "Connections, and attempts to make one, that ended, by the kind of error. Others than PlannedReconnect, the daily one, "
    "rising: ssi.status and the log say why.",
    ["error"],
)
UNWANTED_RECORDS: Final = Counter(
    "stock_tracker_ssi_unwanted_records_total",
    "Records left out because SSI_CHANNELS does not ask for them. Normal: SSI sends every type for every symbol that is named.",
    ["type"],
)
OLD_REFERENCE_LISTS: Final = Gauge(
    "stock_tracker_ssi_old_reference_lists",
    "Lists of reference data that are not of today: kept from an earlier day, or missing. Not 0 in a session: /readyz says why.",
)
UP: Final = Gauge(
    "stock_tracker_ssi_up_state",
    "1 while SSI's stream is connected and subscribed. 0: ssi.status and the log say why.",
)
WAITING_RECORDS: Final = Gauge(
    "stock_tracker_ssi_waiting_records",
    "Records that wait for Kafka. Growing: the broker is slow or does not answer.",
)
FEED_LAG: Final = Gauge(
    "stock_tracker_ssi_feed_lag_seconds",
    "Market time minus the exchange time of the last record. Seconds are normal at the auctions; minutes are not.",
)


class Tally:
    """Adds to the metrics what the parts of one connector have counted since the last time."""

    def __init__(
        self, stream: RecordStream, outbox: Outbox, publisher: Publisher, session: Session, reference: Reference
    ) -> None:
        self._stream = stream
        self._outbox = outbox
        self._publisher = publisher
        self._session = session
        self._reference = reference
        self._seen: dict[Counter, Counts[Any]] = {}
        """What each metric has been told already, by label."""

    def observe(self, market: MarketTime | None) -> None:
        """Bring the metrics up to date; ``market`` is the market time now, None while it is unknown."""
        self._add(RECORDS, self._stream.records)
        self._add(DEAD_LETTERS, self._stream.rejected)
        self._add(LEFT_OUT, self._stream.left_out)
        self._add(DROPPED_MESSAGES, self._outbox.dropped_messages)
        self._add(DELIVERY_FAILURES, self._publisher.failures)
        self._add(DROPPED_RECORDS, Counts({"": self._outbox.dropped_records}))
        self._add(UNWANTED_RECORDS, self._stream.unwanted)
        self._add(ENDED, self._session.ended)
        OLD_REFERENCE_LISTS.set(self._reference.old_lists)
        self._add(CONNECTS, Counts({"": self._stream.connects}))
        WAITING_RECORDS.set(self._outbox.records)
        if market is not None and self._stream.last_ts_ms:
            FEED_LAG.set((market.ts_ms - self._stream.last_ts_ms) / 1000)

    def _add(self, metric: Counter, counts: Counts[Any]) -> None:
        seen = self._seen.get(metric, Counts())
        for label, count in counts.items():
            if grown := count - seen[label]:
                labels = label if isinstance(label, tuple) else (str(label),)
                (metric.labels(*labels) if label else metric).inc(grown)
        self._seen[metric] = Counts(counts)
