"""``docs/metrics.md`` says of every metric what it counts and what to do about it, and names no other."""

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics import MetricWrapperBase

import connectors.clickhouse.metrics
import connectors.ssi.metrics
import gateway.metrics
import pipelines.metrics
import stock_tracker.forward.metrics
from tests.make_metrics import PAGE, PARTS, Metric, exported, metrics_of, page

EVERY = [metric for part in PARTS for metric in metrics_of(part)]
UNITS = {
    "seconds", "bytes", "messages", "records", "rows", "fields", "letters", "connections", "requests", "intervals", "batches",
    "inserts", "failures", "connects", "lists", "topics", "keys", "outcomes", "alerts", "candles", "rebuilds", "0 or 1",
}  # fmt: skip


def test_the_page_is_that_of_this_code() -> None:
    assert PAGE.read_text() == page(), "make it anew with `make metrics`"


@pytest.mark.parametrize("metric", EVERY, ids=lambda metric: metric.name)
def test_a_metric_has_a_unit_a_meaning_and_a_remedy(metric: Metric) -> None:
    assert metric.unit in UNITS
    assert metric.meaning
    assert metric.remedy
    assert "symbol" not in metric.labels


def test_no_metric_is_called_after_no_part() -> None:
    modules = (
        connectors.ssi.metrics, pipelines.metrics, connectors.clickhouse.metrics, gateway.metrics, stock_tracker.forward.metrics,
    )  # fmt: skip
    made = [value for module in modules for value in vars(module).values() if isinstance(value, MetricWrapperBase)]
    assert len(made) == len(EVERY)
    assert all(re.fullmatch(rf"stock_tracker_(?:{'|'.join(PARTS)})(?:_[a-z]+)+", metric.name) for metric in EVERY)


def test_what_prometheus_reads_is_what_the_names_say() -> None:
    """Against the text that a scrape gets."""
    scraped = {line.split()[2] for line in generate_latest().decode().splitlines() if line.startswith("# TYPE stock_tracker_")}
    assert {metric.name for metric in EVERY} <= scraped
    assert "stock_tracker_pipelines_receive_to_publish_seconds_bucket" in exported()
