"""What the forwarder of alerts counts. A help text is what it means, and after that what to do.

``make metrics`` writes docs/metrics.md from them.
"""

from typing import Final

from prometheus_client import Counter, Gauge

SENT: Final = Counter(
    "stock_tracker_forward_sent_alerts", "Alerts that the receiver took. None all day: see the filters, and the alerts pipeline."
)
FAILED: Final = Counter(
    "stock_tracker_forward_failed_requests",
    "Posts that the receiver did not take, each of which is tried again. Rising: /readyz has its answer.",
)
UP: Final = Gauge(
    "stock_tracker_forward_receiver_up",
    "1 while the receiver takes what is posted. 0: /readyz says why; nothing is lost meanwhile.",
)
