"""What the gateway counts. Read them at ``/metrics``; a help text is what it means, and after that what to do.

``make metrics`` writes docs/metrics.md from them.
"""

from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

READY: Final = Gauge("stock_tracker_gateway_ready", "1 when the state has been read and Kafka answers. 0: /readyz says why.")
CONNECTIONS: Final = Gauge(
    "stock_tracker_gateway_connections",
    "Open WebSocket connections and event streams. Near GATEWAY_MAX_CONNECTIONS: raise that, or add an instance.",
)
REPLAYS: Final = Gauge(
    "stock_tracker_gateway_replay_connections",
    "Clients to whom the past is played. At GATEWAY_MAX_REPLAYS: others are refused (1430); raise that if the archive bears it.",
)
TCP_CONNECTIONS: Final = Gauge(
    "stock_tracker_gateway_tcp_connections",
    "Open TCP connections. Far more than WebSockets: somebody connects and asks for nothing; the log names the address.",
)
MESSAGES: Final = Counter(
    "stock_tracker_gateway_sent_messages_total", "Messages sent to clients. Flat while connections are open: look at the log."
)
BYTES: Final = Counter(
    "stock_tracker_gateway_sent_bytes_total", "Bytes of these messages. Near the network's limit: raise GATEWAY_THROTTLE_MS."
)


@dataclass(slots=True)
class Sent:
    """What was sent since the counters were last told; to tell them of each message would cost more than to send it."""

    messages: int = 0
    bytes: int = 0

    def settle(self) -> None:
        """Tell the counters."""
        MESSAGES.inc(self.messages)
        BYTES.inc(self.bytes)
        self.messages = self.bytes = 0


SENT: Final = Sent()

ROWS: Final = Counter(
    "stock_tracker_gateway_rows_total",
    "Rows taken from Kafka. Flat in a session: the pipeline that writes them is down.",
    ["channel"],
)
OLDER_ROWS: Final = Counter(
    "stock_tracker_gateway_older_rows_total",
    "Rows ignored since a newer one is shown. Many: a pipeline was started again and folds anew; rising for "
    "long: two write the same.",
    ["channel"],
)
ALERTS: Final = Counter(
    "stock_tracker_gateway_alerts_total", "Alerts taken from Kafka. None all day: see whether the alerts pipeline runs."
)
CANDLES: Final = Counter(
    "stock_tracker_gateway_candles_total", "Candles taken from Kafka. None while trading: see whether the prices pipeline runs."
)
EVENTS: Final = {"alert": ALERTS, "candle": CANDLES}
"""By channel."""
UNREADABLE: Final = Counter(
    "stock_tracker_gateway_unreadable_messages_total",
    "Messages that are not what their topic holds. Any: the log says which; find out who wrote them.",
    ["topic"],
)
CONFLATED: Final = Counter(
    "stock_tracker_gateway_conflated_intervals_total",
    "Intervals that a client missed because it did not read; it gets the latest rows later. Rising for many clients: their "
    "network, or this machine, is too slow.",
)
CLOSED: Final = Counter(
    "stock_tracker_gateway_closed_connections_total",
    "Connections closed. 4008: clients too slow for their events; docs/gateway.md has the others.",
    ["code"],
)
REFUSED: Final = Counter(
    "stock_tracker_gateway_refused_requests_total",
    "Requests and connections refused. No place: raise GATEWAY_MAX_CONNECTIONS, or add an instance; origin, host: name it in "
    "GATEWAY_ORIGINS or GATEWAY_HOSTS if it is yours; questions: an address asks the archive a lot.",
    ["reason"],
)
FLUSH: Final = Histogram(
    "stock_tracker_gateway_flush_seconds",
    "Time to write one interval's changes to all clients. Near the interval: add an instance.",
    ["throttle_ms"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
REBUILDS: Final = Counter(
    "stock_tracker_gateway_rebuilds_total",
    "Times the state was read from the beginning again. Grows when topics are made anew; if they were not, see the log.",
)
DATA_AGE: Final = Gauge(
    "stock_tracker_gateway_data_age_seconds",
    "How long ago the connector received the newest record or clock tick that the slowest shard shows; NaN where one has "
    "shown none. "
    "Above 5 while the market trades: follow the lag from ssi.ticks on, `stock-tracker status` shows it part by part.",
    ["channel"],
)
CLOCK_SKEW: Final = Gauge(
    "stock_tracker_gateway_clock_skew_seconds",
    "By how much this machine's clock is ahead of the connector's. Below 0 or above 1: set the clocks; ages are wrong by as "
    "much.",
    ["feed"],
)
