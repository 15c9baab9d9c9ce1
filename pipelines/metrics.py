"""What the pipelines tell Prometheus. No label is a symbol: there are thousands of them.

A help text is what it means, and after that what to do; ``make metrics`` writes docs/metrics.md from them.
"""

import time

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter(
    "stock_tracker_pipelines_messages",
    "Messages folded. Flat while the source grows: the pipeline hangs or has no partitions; see /readyz.",
    ["pipeline", "topic"],
)
RECORDS = Counter(
    "stock_tracker_pipelines_records",
    "Records or events in those messages. Flat while messages grow: only clock ticks come; see the connector.",
    ["pipeline", "topic"],
)
PUBLISHED = Counter(
    "stock_tracker_pipelines_published_messages",
    "Messages produced. ssi.dlq growing: the archive's table dlq says what was rejected, and why.",
    ["pipeline", "topic"],
)
OUTCOMES = Counter(
    "stock_tracker_pipelines_outcomes",
    "What records came to: print, gap, repeat, suspect, and so on. `lost` gaps growing: the connector's connection breaks; see "
    "its log.",
    ["pipeline", "outcome"],
)
RECEIVE_TO_PUBLISH = Histogram(
    "stock_tracker_pipelines_receive_to_publish_seconds",
    "From the connector's receive to our produce, by the clocks of both machines. Growing: the pipeline falls behind; run more.",
    ["pipeline"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
STATE_KEYS = Gauge(
    "stock_tracker_pipelines_state_keys",
    "Values that this process keeps for its shards of a topic, all counted within a few minutes. Growing over days: symbols that "
    "are listed no more stay in it.",
    ["pipeline", "topic"],
)
STATE_BYTES = Gauge(
    "stock_tracker_pipelines_state_bytes",
    "Size of these keys and values, without what the engine adds. It has to be read again after the loss of a state directory.",
    ["pipeline", "topic"],
)
RECOVERY = Gauge(
    "stock_tracker_pipelines_recovery_seconds",
    "How long the last recovery of state from changelogs took, 0 before there was one. Growing: changelogs are not compacted.",
    ["pipeline"],
)
LAG = Gauge(
    "stock_tracker_pipelines_lag_messages",
    "Offsets between what was folded and the end of the topic, the marks of transactions among them, so that a few are "
    "normal. Growing: the pipeline is too slow or hangs; run more instances.",
    ["pipeline", "topic"],
)


def observe_receive_to_publish(pipeline: str, recv_us: int) -> None:
    """Record how long ago ``recv_us`` was; the one look at a clock in this package, and nothing published depends on it."""
    RECEIVE_TO_PUBLISH.labels(pipeline).observe(max(0.0, time.time() - recv_us / 1_000_000))
