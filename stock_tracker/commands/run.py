"""``stock-tracker run``: the pipelines, one or several in this process."""

from typing import Annotated

import typer

from pipelines.catalogue import CATALOGUE, NAMES, named
from pipelines.errors import UnknownPipeline
from stock_tracker.commands.options import HealthPort, Wait

EPILOG = f"Example: stock-tracker run {NAMES[0]}    or, on one small machine: stock-tracker run {' '.join(NAMES)}"
_WHICH = "; ".join(f"{pipeline.name} ({pipeline.does})" for pipeline in CATALOGUE)


def _check(names: list[str]) -> list[str]:
    """``names``, if there are pipelines of these names, each said once."""
    try:
        for name in names:
            named(name)
    except UnknownPipeline as error:
        raise typer.BadParameter(str(error)) from error
    if len(set(names)) < len(names):
        raise typer.BadParameter("a pipeline is named twice: the second would take the first one's shards")
    return names


def run(
    names: Annotated[list[str], typer.Argument(help=f"Which: {_WHICH}.", metavar="NAME", callback=_check)],
    port: HealthPort = 0,
    wait: Wait = 0,
    instances: Annotated[
        int,
        typer.Option(help="How many processes share the shards. More than there are shards are of no use.", min=1, max=64),
    ] = 1,
) -> None:
    """Run pipelines until stopped; each begins where its last commit ended."""
    import os
    import warnings

    from stock_tracker.lean_quix import without_unused_clients

    # Quix imports a library that warns of what it imports itself, whatever the filters say: nothing an operator could mend.
    with warnings.catch_warnings(record=True), without_unused_clients():
        from pipelines.service import run as run_pipelines
    from pipelines.settings import PipelineSettings
    from schemas.deployment import dead_letter_limit
    from stock_tracker.home import Home
    from stock_tracker.instances import Child, beside, instance_names
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.kafka.topics import wait_for
    from stock_tracker.service import log_to_stderr, serving_health, spare_the_collector
    from stock_tracker.tracing import tracing

    log_to_stderr()
    settings = PipelineSettings(
        kafka=kafka_config(os.environ), dead_letter_limit=dead_letter_limit(os.environ), home=Home.of(os.environ).root
    )
    _, *others = instance_names(settings.instance, instances)
    with serving_health(port) as health, tracing(os.environ, "pipelines") as tracer:
        wait_for(settings.kafka, settings.topic_prefix, wait)
        with beside([Child(name, ["run", *names], {"PIPELINE_INSTANCE": name}) for name in others]):
            run_pipelines(names, settings, health, spare_the_collector, tracer)
