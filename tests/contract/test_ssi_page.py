"""``docs/ssi.md`` explains every metric of the connector, and none that it does not have."""

import re
from pathlib import Path

from prometheus_client import Counter, Gauge

from connectors.ssi import metrics

PAGE = (Path(__file__).parents[2] / "docs" / "ssi.md").read_text()
PREFIX = "stock_tracker_ssi_"


def names() -> set[str]:
    """The metrics as Prometheus calls them, without what all of them begin with."""
    kept = [value for value in vars(metrics).values() if isinstance(value, Counter | Gauge)]
    return {(metric._name + ("_total" if isinstance(metric, Counter) else "")).removeprefix(PREFIX) for metric in kept}


def test_every_metric_is_on_the_page_and_no_other() -> None:
    table = PAGE.partition("| metric `stock_tracker_ssi_…` |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([a-z_]+_(?:total|state|lists|seconds|records))(?:\{[a-z,]+\})?`", table)) == names()
