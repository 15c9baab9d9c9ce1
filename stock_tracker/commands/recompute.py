"""``stock-tracker recompute``: a trading day computed again, compared with what stands, and put in its place."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example: stock-tracker recompute --day 20261120    then, if it is right: stock-tracker recompute --day 20261120 --swap"


def recompute(
    day: Annotated[int, typer.Option(help="The trading day, as 20261120; it must be over.", show_default=False)],
    source: Annotated[
        str, typer.Option("--from", help="records (a pipeline was mended), wire (the decoder was), or a recording.")
    ] = "records",
    swap: Annotated[bool, typer.Option("--swap", help="Put what was computed in the place of what stands.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Delete what was computed; what stands stays.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compute a day again on topics and in a database beside what stands, and say where they differ; exit 1 if they do."""
    import json
    import os
    from contextlib import closing

    from connectors.clickhouse.client import connect
    from connectors.clickhouse.settings import SinkSettings
    from schemas.calendar import as_date
    from schemas.units import TradingDay
    from stock_tracker.home import Home
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress
    from stock_tracker.recompute import run, tables

    trading_day = TradingDay(day)
    try:
        as_date(trading_day)
    except ValueError as error:
        raise typer.BadParameter(f"{day} is no date: write it as 20261120", param_hint="--day") from error
    if source not in tuple(run.RecomputeSource) and not Path(source).is_file():
        raise typer.BadParameter("it is neither records nor wire nor a file", param_hint="--from")
    settings = SinkSettings(kafka=kafka_config(os.environ), home=Home.of(os.environ).root)
    beside = run.side_database(settings.database, trading_day)
    with (
        progress() as tell,
        closing(connect(settings.clickhouse_url, settings.user, settings.read_password(), "default")) as client,
    ):
        if forget:
            run.forget(settings, trading_day)
            print(f"What was computed of {day} is deleted")
            return
        if not swap:
            origin = run.RecomputeSource(source) if source in tuple(run.RecomputeSource) else Path(source)
            run.recompute(settings, trading_day, origin, tell)
        else:
            tables.swap(client, settings.database, beside, trading_day, tell)
        found = tables.compare(client, settings.database, beside, trading_day)
    differ = any(difference.differing for difference in found)
    if as_json:
        print(json.dumps({"day": day, "beside": beside, "tables": [difference._asdict() for difference in found]}))
    else:
        print(f"{'table':<16} {'standing':>10} {'again':>10} {'differ':>8}")
        for difference in found:
            print(difference.sentence())
        print("They differ: look at them, then stock-tracker recompute --swap" if differ else "They are the same")
    if differ:
        raise typer.Exit(1)
