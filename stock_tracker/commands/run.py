"""``stock-tracker run``: the pipelines, one or several in this process."""

from enum import StrEnum
from typing import Annotated

import typer

EPILOG = "Example: stock-tracker run prices    or, on one small machine: stock-tracker run prices foreign indices alerts"


class Name(StrEnum):
    """A pipeline."""

    PRICES = "prices"
    FOREIGN = "foreign"
    INDICES = "indices"
    ALERTS = "alerts"


def run(
    names: Annotated[list[Name], typer.Argument(help="Which: prices, foreign, indices, alerts.", metavar="NAME")],
    port: Annotated[
        int, typer.Option(help="Where /healthz, /readyz and /metrics are served; 0 takes a free port.", min=0, max=65535)
    ] = 0,
    wait: Annotated[float, typer.Option(help="How many seconds to wait for Kafka and the topics before giving up.", min=0)] = 0,
) -> None:
    """Run pipelines until stopped; each begins where its last commit ended."""
    if len(set(names)) < len(names):
        raise typer.BadParameter("a pipeline is named twice: the second would take the first one's shards")
    import os
    import warnings

    # Quix imports a library that warns of what it imports itself, whatever the filters say: nothing an operator could mend.
    with warnings.catch_warnings(record=True):
        from pipelines.service import run as run_pipelines
    from pipelines.settings import PipelineSettings
    from stock_tracker.connection import kafka_config
    from stock_tracker.home import Home
    from stock_tracker.service import log_to_stderr, serving_health
    from stock_tracker.topics import wait_for

    log_to_stderr()
    settings = PipelineSettings(kafka=kafka_config(os.environ), home=Home.of(os.environ).root)
    with serving_health(port) as health:
        wait_for(settings.kafka, settings.topic_prefix, wait)
        run_pipelines([name.value for name in names], settings, health)
