"""Write docs/metrics.md: every metric that the processes export. ``make metrics`` runs it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

import connectors.clickhouse.metrics
import connectors.ssi.metrics
import gateway.metrics
import pipelines.metrics
import stock_tracker.forward.metrics

PAGE: Final = Path(__file__).parents[1] / "docs" / "metrics.md"
PARTS: Final = {
    "ssi": (connectors.ssi.metrics, "The connector", "`stock-tracker ssi run`"),
    "pipelines": (pipelines.metrics, "The pipelines", "`stock-tracker run`"),
    "sink": (connectors.clickhouse.metrics, "The archive's sink", "`stock-tracker archive sink`"),
    "archive": (connectors.clickhouse.metrics, "The embedded archive", "`stock-tracker archive serve`"),
    "gateway": (gateway.metrics, "The gateway", "`stock-tracker gateway`"),
    "forward": (stock_tracker.forward.metrics, "The forwarder of alerts", "`stock-tracker alerts forward`"),
}
"""By the word after ``stock_tracker_`` in its metrics: where they are, and the part's heading and command."""

_HEAD = """\
# Metrics

Made by `make metrics` from the code; a test compares. Each process serves its own at `/metrics`, and `stock-tracker status` says
where. Names are `stock_tracker_<part>_<thing>_<unit>`, in seconds and bytes; a counter ends in `_total`. No label is a symbol.

Besides these each process exports Python's own: `process_resident_memory_bytes`, `process_open_fds`,
`process_start_time_seconds`, `process_cpu_seconds_total`. Memory or descriptors that grow from day to day: start the process
again outside the session, and report it.

`infra/prometheus/rules` has rules for them, [runbook.md](runbook.md) says what to do when one fires; `infra/grafana` has boards.
"""


class Metric(NamedTuple):
    """A metric as the page has it."""

    name: str
    """As Prometheus calls it; of a histogram without ``_bucket``, ``_sum`` and ``_count``."""
    kind: str
    unit: str
    labels: tuple[str, ...]
    meaning: str
    remedy: str


def metrics_of(part: str) -> Iterator[Metric]:
    """The metrics of a part, in the order in which its module has them."""
    for value in vars(PARTS[part][0]).values():
        if isinstance(value, MetricWrapperBase) and value._name.startswith(f"stock_tracker_{part}_"):
            yield _metric(value)


def exported() -> set[str]:
    """Every name that Prometheus can have from us, and so every name that a rule or a board may ask for."""
    names: set[str] = set()
    for metric in (metric for part in PARTS for metric in metrics_of(part)):
        ends = ("_bucket", "_sum", "_count") if metric.kind == "histogram" else ("",)
        names |= {metric.name + end for end in ends}
    return names


def page() -> str:
    """What docs/metrics.md should say."""
    lines = [_HEAD]
    for part, (_, heading, command) in PARTS.items():
        lines += [f"## {heading}", "", f"{command}: `stock_tracker_{part}_…`", ""]
        lines += ["| metric | kind | unit | what it means | what to do |", "|---|---|---|---|---|"]
        for metric in metrics_of(part):
            labels = f"{{{','.join(metric.labels)}}}" if metric.labels else ""
            name = metric.name.removeprefix(f"stock_tracker_{part}_")
            lines.append(f"| `{name}{labels}` | {metric.kind} | {metric.unit} | {metric.meaning} | {metric.remedy} |")
        lines.append("")
    return "\n".join(lines)


def _metric(metric: MetricWrapperBase) -> Metric:
    meaning, _, remedy = metric._documentation.partition(". ")
    kind = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}[type(metric)]
    last = re.split("_", metric._name)[-1]
    unit = "0 or 1" if last in ("up", "ready", "state") else last
    name = metric._name + ("_total" if kind == "counter" else "")
    return Metric(name, kind, unit, metric._labelnames, meaning.rstrip("."), remedy.rstrip("."))


if __name__ == "__main__":
    PAGE.write_text(page())
