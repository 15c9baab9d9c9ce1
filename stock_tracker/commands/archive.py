"""``stock-tracker archive``: the embedded ClickHouse and the sink into it, or into a server of your own."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stock_tracker.commands.options import HealthPort

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

app = typer.Typer(
    help="The archive: an embedded ClickHouse, or the server that CLICKHOUSE_URL names.",
    no_args_is_help=True,
    epilog="Example: stock-tracker archive serve",
)


class QueryFormat(Enum):
    """How ``archive query`` writes a result."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def clickhouse(self) -> str:
        """ClickHouse's name for it."""
        return {
            QueryFormat.TABLE: "PrettyCompactNoEscapes",
            QueryFormat.CSV: "CSVWithNames",
            QueryFormat.JSON: "JSONEachRow",
            QueryFormat.PARQUET: "Parquet",
            QueryFormat.ARROW: "Arrow",
        }[self]


Port = Annotated[
    int, typer.Option(help="Where /healthz, /readyz and /metrics are served; 0 takes a free port.", min=0, max=65535)
]


@app.command(epilog="Example: stock-tracker archive serve --port 8123")
def serve(
    port: Annotated[int, typer.Option(envvar="ARCHIVE_PORT", help="Where it listens, on 127.0.0.1.", min=0, max=65535)] = 8123,
) -> None:
    """Serve the embedded ClickHouse over its HTTP interface until stopped."""
    import os

    from connectors.clickhouse.server import run
    from connectors.clickhouse.settings import ServerSettings
    from stock_tracker.home import Home
    from stock_tracker.service import log_to_stderr, run_until_signalled

    log_to_stderr()
    settings = ServerSettings(home=Home.of(os.environ).root, port=port)
    run_until_signalled(lambda stop: run(settings, stop))


@app.command(epilog="Example: CLICKHOUSE_URL=http://127.0.0.1:8123 stock-tracker archive sink")
def sink(
    port: HealthPort = 0,
    wait: Annotated[float, typer.Option(help="How many seconds to wait for Kafka and the topics before giving up.", min=0)] = 0,
) -> None:
    """Write the event topics to ClickHouse, each event exactly once, until stopped."""
    import os
    import signal
    import threading

    from connectors.clickhouse.settings import SinkSettings
    from connectors.clickhouse.sink import run
    from schemas.deployment import dead_letter_limit
    from stock_tracker.home import Home
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.kafka.topics import wait_for
    from stock_tracker.service import log_to_stderr, serving_health, spare_the_collector
    from stock_tracker.tracing import tracing

    log_to_stderr()
    settings = SinkSettings(kafka=kafka_config(os.environ), home=Home.of(os.environ).root)
    limit = dead_letter_limit(os.environ)
    stop = threading.Event()
    spare_the_collector()
    with serving_health(port) as health, tracing(os.environ, "sink") as tracer:
        wait_for(settings.kafka, settings.topic_prefix, wait)
        # Only now is there something to bring to a good end: while it waits, a signal just ends it.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(settings, limit, stop, health, tracer)


@app.command(epilog="Example: CLICKHOUSE_URL=http://127.0.0.1:8123 stock-tracker archive migrate")
def migrate(
    again: Annotated[
        list[int] | None,
        typer.Option(help="Number of a migration to apply once more: it brings back what was dropped since. May be repeated."),
    ] = None,
) -> None:
    """Bring the tables to what this version needs; the sink does so too when it starts."""
    from connectors.clickhouse import migrations
    from connectors.clickhouse.layout import inspect

    numbers = {migration.number for migration in migrations.load()}
    if strange := set(again or ()) - numbers:
        raise typer.BadParameter(f"there is no migration {min(strange)}: the last one is {max(numbers)}", param_hint="--again")
    with opened() as (client, database):
        for done in migrations.migrate(client, database, again=again or ()):
            print(f"applied {done}")
        inspect(client, database)
    print(f"The tables in {database} are what this version needs")


@app.command("cluster-sql", epilog="Example: stock-tracker archive cluster-sql stocks | clickhouse-client --multiquery")
def cluster_sql(
    name: Annotated[str, typer.Argument(help="The cluster's name in the configuration of its servers.")],
    database: Annotated[str, typer.Option(envvar="ARCHIVE_DATABASE", help="Where the tables go.")] = "market",
) -> None:
    """Print the statements that make the tables on a cluster of ClickHouse servers, replicated. Nothing is run.

    They are made of the same files as the others. They have been held against ClickHouse's parser, and never run on a cluster.
    """
    from connectors.clickhouse import migrations

    for statement in migrations.for_cluster(database, name):
        print(f"{statement};\n")


@app.command(epilog="Example: stock-tracker archive status --json")
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """Show which migrations the archive has, and what it lacks. Exit 1 when it lacks something."""
    import json

    from connectors.clickhouse import migrations
    from connectors.clickhouse.core.errors import ColumnsMissing
    from connectors.clickhouse.layout import inspect

    missing: tuple[str, ...] = ()
    with opened() as (client, database):
        applied = migrations.applied(client, database)
        lacking = migrations.pending(client, database)
        if not lacking:
            try:
                inspect(client, database)
            except ColumnsMissing as error:
                missing = error.missing
    newer = sorted(applied.keys() - {migration.number for migration in migrations.load()})
    if as_json:
        numbers = {"applied": sorted(applied), "newer": newer, "lacking": [m.number for m in lacking]}
        print(json.dumps({"database": database, **numbers, "missing": missing}))
    else:
        print(f"{database} has {len(applied)} migrations")
        for number in newer:
            print(f"{number:03d}_{applied[number].name}.sql is a newer release's: this one can go on")
        for migration in lacking:
            print(f"it lacks {migration}: stock-tracker archive migrate")
        for sentence in missing:
            print(sentence)
    if lacking or missing:
        raise typer.Exit(1)


@app.command(epilog='Example: stock-tracker archive query "SELECT * FROM day_summary LIMIT 5" --format parquet --to days.parquet')
def query(
    sql: Annotated[str, typer.Argument(help="One reading statement, without FORMAT.", show_default=False)],
    format_: Annotated[QueryFormat, typer.Option("--format", help="How the result is written.")] = QueryFormat.TABLE,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="The file to write; without it, standard output.")] = None,
) -> None:
    """Ask the archive, and print or keep the answer."""
    import sys
    from contextlib import ExitStack

    from clickhouse_connect.driver.exceptions import DatabaseError

    from connectors.clickhouse.client import first_line
    from connectors.clickhouse.core.errors import StatementFailed

    with opened(reading=True) as (client, _), ExitStack() as files:
        # The answer is handed on as it comes: it may be larger than the memory.
        try:
            answer: Any = client.raw_stream(sql, fmt=format_.clickhouse)
        except DatabaseError as error:
            # What is wrong is with the question, not with the tables.
            raise StatementFailed(error.code or 0, first_line(error)) from error
        files.callback(answer.close)
        unfinished = None if to is None else to.with_name(f".{to.name}.unfinished")
        out = sys.stdout.buffer if unfinished is None else files.enter_context(unfinished.open("wb"))
        while piece := answer.read(1 << 20):
            out.write(piece)
        out.flush()
    if to is not None and unfinished is not None:
        unfinished.replace(to)
        print(f"{to} is written", file=sys.stderr)


@app.command(epilog="Example: stock-tracker archive backup november")
def backup(
    name: Annotated[str, typer.Argument(help="What to call it.", show_default=False)],
    into: Annotated[
        str | None,
        typer.Option(help="Where a server of your own keeps it, in ClickHouse's words: \"Disk('backups', 'november')\"."),
    ] = None,
) -> None:
    """Make a backup of the whole archive; the embedded server keeps it in archive/backups."""
    from connectors.clickhouse.backups import back_up

    with opened() as (client, database):
        back_up(client, database, into or _backup_file(name))
    print(f"Backup {name} of {database} is made")


@app.command(epilog="Example: stock-tracker archive restore november")
def restore(
    name: Annotated[str, typer.Argument(help="What the backup is called.", show_default=False)],
    from_: Annotated[str | None, typer.Option("--from", help="Where a server of your own has it, in ClickHouse's words.")] = None,
) -> None:
    """Bring a backup back, into a database that is not there (ARCHIVE_DATABASE names it)."""
    from connectors.clickhouse import backups

    with opened() as (client, database):
        backups.restore(client, database, from_ or _backup_file(name))
    print(f"{database} is as it was when backup {name} was made: `stock-tracker archive backfill` stores what has come since")


def _backup_file(name: str) -> str:
    import os
    import re

    from connectors.clickhouse.backups import file_of
    from connectors.clickhouse.settings import ArchiveHome
    from stock_tracker.home import Home

    if not re.fullmatch(r"\w[\w.-]*", name):
        raise typer.BadParameter("letters, digits, dots, dashes and underscores only", param_hint="NAME")
    return file_of(ArchiveHome(home=Home.of(os.environ).root).backups, name)


@app.command(epilog="Example: stock-tracker archive coverage --from 20261101 --to 20261130 --symbols VNM,VN30")
def coverage(
    from_: Annotated[int, typer.Option("--from", help="The first day, as 20261123.", show_default=False)],
    to: Annotated[int, typer.Option(help="The last day.", show_default=False)],
    symbols: Annotated[
        str | None, typer.Option(help="Tell of these symbols and indices, with commas between, where their days come from.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
) -> None:
    """Show what the archive has of each trading day, where from, and what it lacks. Exit 1 when it lacks something."""
    import dataclasses
    import json

    from connectors.clickhouse.coverage import coverage_of, symbols_covered
    from schemas.calendar import as_date
    from schemas.units import TradingDay

    for option, day in (("--from", from_), ("--to", to)):
        try:
            as_date(TradingDay(day))
        except ValueError as error:
            raise typer.BadParameter(f"{day} is no date: write it as 20261123", param_hint=option) from error
    first, last = TradingDay(from_), TradingDay(to)
    named = [symbol.strip().upper() for symbol in (symbols or "").split(",") if symbol.strip()]
    with opened(reading=True) as (client, _):
        days = [] if named else coverage_of(client, first, last)
        stretches = symbols_covered(client, named, first, last) if named else []
    lacks = any(day.lacks for day in days) or any(stretch.source.lacks for stretch in stretches)
    if as_json:
        told = {
            "days": [dataclasses.asdict(day) for day in days],
            "symbols": [stretch._asdict() for stretch in stretches],
        }
        print(json.dumps({**told, "lacks": lacks}))
    else:
        for line in (*days, *stretches):
            print(line)
    if lacks:
        raise typer.Exit(1)


@app.command(epilog="Example: stock-tracker archive export --day 20261120 --out parquet")
def export(
    day: Annotated[int, typer.Option(help="The trading day, as 20261120; it should be over.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder; each day gets one of its own in it.", show_default=False)],
) -> None:
    """Write a day as Parquet files, one a table, each checked for its rows; run again, it writes what is not there."""
    from connectors.clickhouse.export import export_day
    from schemas.calendar import as_date
    from schemas.units import TradingDay
    from stock_tracker.progress import progress

    try:
        as_date(TradingDay(day))
    except ValueError as error:
        raise typer.BadParameter(f"{day} is no date: write it as 20261123", param_hint="--day") from error
    with progress() as tell, opened() as (client, _):
        tables = list(export_day(client, TradingDay(day), out, tell))
    for table in tables:
        print(f"{table.name:16} {table.rows:>12,} rows  {table.file}{'' if table.is_new else ', was there'}")


@app.command(epilog="Example: stock-tracker archive backfill --from http://sink:PASSWORD@127.0.0.1:8123")
def backfill(
    from_: Annotated[
        str | None, typer.Option("--from", help="URL of another archive to copy from, with user and password if it wants them.")
    ] = None,
    from_database: Annotated[str, typer.Option(help="Name of the other archive's database.")] = "market",
) -> None:
    """Store what the archive lacks of the topics, and of another archive; stop the sink first."""
    import os
    from contextlib import closing

    from connectors.clickhouse import backfill
    from connectors.clickhouse.client import connect
    from connectors.clickhouse.settings import SinkSettings
    from connectors.clickhouse.writer import Writer
    from stock_tracker.home import Home
    from stock_tracker.kafka.connection import kafka_config

    settings = SinkSettings(kafka=kafka_config(os.environ), home=Home.of(os.environ).root)
    with closing(Writer(settings)) as writer:
        if from_ is not None:
            with closing(connect(from_, "default", "", from_database, ca_file=settings.ca_file)) as other:
                backfill.from_archive(other, writer, settings.batch_rows, print)
        backfill.from_topics(settings, writer, print)


@app.command(epilog="Example: stock-tracker archive profiles --day 20261123 --to profiles.json")
def profiles(
    day: Annotated[int, typer.Option(help="The trading day that they are for, as 20261123.", show_default=False)],
    to: Annotated[Path, typer.Option(help="The file to write; SSI_PROFILES names it to the connector.", show_default=False)],
) -> None:
    """Write what symbols usually trade in each five minutes, from the 20 trading days before one."""
    from connectors.clickhouse.profiles import profiles_for
    from schemas.calendar import as_date
    from schemas.units import TradingDay

    try:
        as_date(TradingDay(day))
    except ValueError as error:
        raise typer.BadParameter(f"{day} is no date: write it as 20261123", param_hint="--day") from error
    with opened() as (client, _):
        made = profiles_for(client, TradingDay(day))
    unfinished = to.with_name(f".{to.name}.unfinished")
    unfinished.write_text(made.model_dump_json(by_alias=True))
    # The connector may read it at any time: it finds the old file or the new one, whole.
    unfinished.replace(to)
    print(f"{to} says what {len(made.profiles)} symbols usually trade on {day}")


@contextmanager
def opened(*, reading: bool = False) -> "Iterator[tuple[Client, str]]":
    """The archive that the environment names, and the name of its database.

    Args:
        reading: Whether to open it as the embedded server's anonymous reader where no password is set; else as its writer.
    """
    import os

    from connectors.clickhouse.client import connect, naming_errors
    from connectors.clickhouse.core.access import ANONYMOUS
    from connectors.clickhouse.settings import SinkSettings
    from stock_tracker.home import Home

    settings = SinkSettings(kafka={}, home=Home.of(os.environ).root)
    url, user = settings.clickhouse_url, settings.user
    password = settings.read_password()
    if reading and settings.password is None:
        user, password = ANONYMOUS, ""
    client = connect(url, user, password, settings.database, settings.password_file, settings.ca_file)
    try:
        with naming_errors(url, user, settings.database, settings.password_file):
            yield client, settings.database
    finally:
        client.close()
