"""What the gateway counts. Read them at ``/metrics``."""

from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

READY: Final = Gauge("stock_tracker_gateway_ready", "1 when the state has been read and Kafka answers; 0: /readyz says why")
CONNECTIONS: Final = Gauge(
    "stock_tracker_gateway_connections", "Open WebSocket connections; near the cap, raise it or add an instance"
)
TCP_CONNECTIONS: Final = Gauge(
    "stock_tracker_gateway_tcp_connections",
    "Open TCP connections; far more than WebSockets: somebody connects and asks for nothing",
)
MESSAGES: Final = Counter(
    "stock_tracker_gateway_sent_messages_total", "Messages sent to clients; flat while connections are open: look at the log"
)
BYTES: Final = Counter(
    "stock_tracker_gateway_sent_bytes_total", "Bytes of these messages; near the network's limit, raise throttle_ms"
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
    "Rows taken from Kafka, by channel; flat in a session: the app that writes them is down",
    ["channel"],
)
OLDER_ROWS: Final = Counter(
    "stock_tracker_gateway_older_rows_total",
    "Rows ignored since a newer one is shown; many of them: an app is being restarted",
    ["channel"],
)
ALERTS: Final = Counter("stock_tracker_gateway_alerts_total", "Alerts taken from Kafka; none all day: is the alerts app running?")
CANDLES: Final = Counter(
    "stock_tracker_gateway_candles_total", "Candles taken from Kafka; none while trading: is prices running?"
)
EVENTS: Final = {"alert": ALERTS, "candle": CANDLES}
"""By channel."""
UNREADABLE: Final = Counter(
    "stock_tracker_gateway_unreadable_messages_total",
    "Messages that are not what their topic holds; see the log, then who wrote them",
    ["topic"],
)
CONFLATED: Final = Counter(
    "stock_tracker_gateway_conflated_total",
    "Intervals that a client missed because it did not read; its rows are sent later, latest only",
)
CLOSED: Final = Counter(
    "stock_tracker_gateway_closed_total", "Connections closed, by close code; 4008: clients too slow for their events", ["code"]
)
REFUSED: Final = Counter(
    "stock_tracker_gateway_refused_total",
    "Requests and connections refused, by reason; no place: raise GATEWAY_MAX_CONNECTIONS, or add an instance",
    ["reason"],
)
FLUSH: Final = Histogram(
    "stock_tracker_gateway_flush_seconds",
    "Time to write one interval's changes to all clients; near the interval, add an instance",
    ["throttle_ms"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1),
)
REBUILDS: Final = Counter(
    "stock_tracker_gateway_rebuilds_total", "Times the state was read from the beginning; grows when topics are made anew"
)
