"""``stock-tracker golden``: what the pipelines make of a recorded day, against what they made of it before."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example: stock-tracker golden incident.jsonl.zst --update    and from then on: stock-tracker golden incident.jsonl.zst"


def golden(
    file: Annotated[Path, typer.Argument(help="A fixture, as stock-tracker record writes them.", show_default=False)],
    app: Annotated[str, typer.Option(help="Which pipeline: prices, foreign, indices, alerts, or all of them.")] = "all",
    update: Annotated[
        bool, typer.Option("--update/--check", help="Write the golden anew, or compare with it; exit 1 when something differs.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--golden", help="The golden; DAY.golden.jsonl.zst beside DAY.jsonl.zst if not given.")
    ] = None,
    on_broker: Annotated[
        bool,
        typer.Option("--broker", help="Through the real apps on a real Kafka, on topics that are deleted afterwards."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """Run a fixture through the pipelines' real topologies and compare all that they publish with a golden.

    Without --broker no Kafka is needed. The golden is the same for both.
    """
    import json
    import os
    import warnings
    from contextlib import ExitStack
    from functools import partial

    # Quix imports a library that warns of what it imports itself, whatever the filters say: nothing an operator could mend.
    with warnings.catch_warnings(record=True):
        from stock_tracker.golden.brokerless import outputs_of
    from stock_tracker.golden import run

    if app not in run.APPS:
        raise typer.BadParameter(f"{app!r} is none of {', '.join(run.APPS)}", param_hint="--app")
    if not file.is_file():
        raise typer.BadParameter(f"there is no file {file}", param_hint="FILE")
    place = output or run.golden_of(file, app)
    with ExitStack() as stack:
        runner: run.Runner = outputs_of
        if on_broker:
            from stock_tracker.golden.broker import outputs_on
            from stock_tracker.kafka.connection import kafka_config
            from stock_tracker.progress import progress

            runner = partial(outputs_on, kafka_config(os.environ), stack.enter_context(progress()))
        count = run.update(file, app, place, runner) if update else 0
        report = None if update else run.check(file, app, place, runner)
    if report is None:
        print(json.dumps({"golden": str(place), "messages": count}) if as_json else f"{place}: {count} messages")
        return
    if as_json:
        first = None if report.first is None else list(report.first.sentences())
        print(json.dumps({"messages": report.messages, "differing": report.by_topic, "first": first}))
    else:
        for line in report.sentences():
            print(line)
    if report.first is not None:
        raise typer.Exit(1)
