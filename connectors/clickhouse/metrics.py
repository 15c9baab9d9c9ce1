"""What the archive's processes count. A help text is what it means, and after that what to do when it is off.

``make metrics`` writes docs/metrics.md from them.
"""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

REQUESTS: Final = Counter(
    "stock_tracker_archive_requests",
    "Requests to the embedded ClickHouse, by what the user may do and ClickHouse's error code (0: done). 516: a client has the"
    " wrong password; 241: a query needs more memory than ARCHIVE_QUERY_MEMORY_BYTES.",
    ["access", "code"],
)
FOREIGN_REQUESTS: Final = Counter(
    "stock_tracker_archive_foreign_requests",
    "Requests refused because a web page made a browser send them. If it grows, see which page is open on this machine.",
)
RUNNING: Final = Gauge(
    "stock_tracker_archive_running_requests", "Requests being served now. Many for long: ask system.processes which they are."
)
REQUEST_SECONDS: Final = Histogram(
    "stock_tracker_archive_request_seconds",
    "From a request's body to the end of its answer. If inserts grow slow, the disk or a large query is in their way.",
    ["access"],
    buckets=(0.005, 0.02, 0.05, 0.1, 0.3, 1, 3, 10, 30, 100),
)

ROWS: Final = Counter(
    "stock_tracker_sink_rows", "Rows that ClickHouse has taken. Flat while its topic grows: see the sink's /readyz.", ["table"]
)
INSERT_SECONDS: Final = Histogram(
    "stock_tracker_sink_insert_seconds",
    "One insert with its views. If it grows past a second, ClickHouse is overloaded: look at its queries and merges.",
    ["table"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 1, 3, 10, 60),
)
REJECTED: Final = Counter(
    "stock_tracker_sink_rejected_rows",
    "Messages and rows that do not fit their table and are in the table dlq instead. Any: see `SELECT reason, detail FROM dlq`.",
    ["topic"],
)
REPLAYED: Final = Counter(
    "stock_tracker_sink_replayed_batches",
    "Batches inserted again because a sink died or lost its partitions between declaring and finishing them. Grows at restarts.",
)
REPAIRED: Final = Counter(
    "stock_tracker_sink_repaired_rows",
    "Rows (inserts, of a table behind a view) that were put back: a killed ClickHouse had taken note of them and then lost them."
    " Grows with its kills.",
    ["table"],
)
FAILURES: Final = Counter(
    "stock_tracker_sink_failed_inserts",
    "Inserts that ClickHouse did not take and that are tried again. If it grows, start ClickHouse, or read the sink's log.",
)
UP: Final = Gauge(
    "stock_tracker_sink_clickhouse_up", "1 while ClickHouse takes what it is sent. At 0 nothing is lost: Kafka keeps it."
)
BUFFERED: Final = Gauge(
    "stock_tracker_sink_buffered_rows",
    "Rows read from Kafka and not yet in ClickHouse. At ARCHIVE_BUFFER_ROWS no more is read: ClickHouse is away or slow.",
)
LAG: Final = Gauge(
    "stock_tracker_sink_lag_messages",
    "Kafka messages that are not yet in ClickHouse. If it grows, ClickHouse is away or too slow.",
    ["topic"],
)
MADE_ANEW: Final = Counter(
    "stock_tracker_sink_remade_topics",
    "Topics that were deleted and made anew under the sink, which reads them from their beginning. Any: what of the"
    " old one had not been archived is gone, so find out who deletes topics.",
    ["topic"],
)
LOST: Final = Counter(
    "stock_tracker_sink_expired_messages",
    "Offsets that Kafka had deleted before the archive read them. Any: the sink was away for longer than the topic's retention.",
    ["topic"],
)
