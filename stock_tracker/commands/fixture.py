"""``stock-tracker fixture``: look into recorded days, and make others out of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from connectors.fixtures.core.layout import FixtureMessage, Header
    from schemas.units import TradingDay

app = typer.Typer(
    help="Recorded days in files: look into them, and make others out of them.",
    no_args_is_help=True,
    epilog="Example: stock-tracker fixture cut day.jsonl.zst --from 10:14 --to 10:17 --symbols VNM,FPT -o incident.jsonl.zst",
)

FixtureFile = Annotated[Path, typer.Argument(help="A fixture; docs/fixtures.md describes it.", exists=True, dir_okay=False)]
Into = Annotated[
    Path, typer.Option("-o", "--output", help="The file to write; compressed if it ends in .zst.", show_default=False)
]


@app.command(epilog="Example: stock-tracker fixture inspect day.jsonl.zst")
def inspect(file: FixtureFile) -> None:
    """Say what is in a fixture. Of a damaged one: what can be read, and where that ends; exit 1."""
    _survey(file)


@app.command(epilog="Example: stock-tracker fixture verify day.jsonl.zst")
def verify(file: FixtureFile) -> None:
    """Read a fixture to its end, decode every message, and look at topics and offsets; exit 1 if something is wrong."""
    problems = _survey(file)
    for problem in problems[:20]:
        print(problem)
    if len(problems) > 20:
        print(f"and {len(problems) - 20} more")
    if problems:
        raise typer.Exit(1)
    print("nothing is wrong with it")


@app.command(
    epilog="Example: stock-tracker fixture cut day.jsonl.zst --from 10:14 --to 10:17 --symbols VNM -o incident.jsonl.zst"
)
def cut(
    file: FixtureFile,
    output: Into,
    since: Annotated[str | None, typer.Option("--from", help="Market time to begin at, HH:MM[:SS].")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Market time to end before.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Only these, with commas between; leaves out all but the records.")] = None,
    topics: Annotated[str | None, typer.Option(help="Only these, with commas between.")] = None,
) -> None:
    """Write a part of a fixture: a stretch of market time, some symbols, some topics."""
    from connectors.fixtures.core.parts import between, of_symbols

    wanted = None if topics is None else set(topics.split(","))
    with _opened(file) as (header, messages):
        begins, ends = (market_ms(text, header.trading_day, name) for text, name in ((since, "--from"), (until, "--to")))
        part: Iterator[FixtureMessage] = between(messages, begins, ends)
        if symbols is not None:
            part = of_symbols(part, frozenset(symbols.split(",")))
        _write(output, header, (message for message in part if wanted is None or message.topic in wanted))


@app.command(epilog="Example: stock-tracker fixture anonymise incident.jsonl.zst -o public.jsonl.zst")
def anonymise(file: FixtureFile, output: Into) -> None:
    """Leave out what tells of the recorder: verbatim text, headers, and when and where messages were received."""
    from connectors.fixtures.core.parts import anonymised

    with _opened(file) as (header, messages):
        _write(output, header, anonymised(messages))


@app.command(
    "from-kcat",
    epilog="Example: kcat -C -e -J -b localhost -t ssi.ticks > ticks.json; stock-tracker fixture from-kcat ticks.json -o t.jsonl",
)
def from_kcat(
    file: Annotated[Path, typer.Argument(help="What kcat -C -e -J printed.", exists=True, dir_okay=False)],
    output: Into,
    prefix: Annotated[str, typer.Option(help="What the names of the topics begin with, to be taken off.")] = "",
) -> None:
    """Make a fixture of what kcat -J printed."""
    from connectors.fixtures.core.kcat import from_kcat as read
    from connectors.fixtures.core.layout import Header

    with file.open("rb") as lines:
        _write(output, Header(topics=[], trading_day=None), read(lines, str(file), prefix))


@app.command(epilog="Example: stock-tracker fixture explode incident.jsonl.zst | jq 'select(.symbol == \"VNM\")'")
def explode(file: FixtureFile) -> None:
    """Print each record and event as a line of JSON of its own, with the place of its message."""
    import os
    import sys

    import msgspec

    from connectors.fixtures.core.parts import exploded

    try:
        with _opened(file) as (_, messages):
            for line in exploded(messages):
                sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    except BrokenPipeError:
        # Whoever reads the lines, such as head, has enough. Python would complain once more when it closes its output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@app.command("to-parquet", epilog="Example: stock-tracker fixture to-parquet incident.jsonl.zst -o incident.parquet")
def to_parquet(file: FixtureFile, output: Into) -> None:
    """Write each record and event as a row of a Parquet file, as explode prints them."""
    import tempfile

    import chdb
    import msgspec

    from connectors.fixtures.core.parts import exploded

    with tempfile.TemporaryDirectory() as folder, _opened(file) as (_, messages):
        lines = Path(folder) / "lines.jsonl"
        with lines.open("wb") as out:
            out.writelines(msgspec.json.encode(line) + b"\n" for line in exploded(messages))
        # A field may first appear in any line, so all of them are looked at before the columns are decided.
        rows = f"SELECT * FROM file('{lines}', JSONEachRow) SETTINGS input_format_max_rows_to_read_for_schema_inference = {2**31}"  # noqa: S608
        output.write_bytes(chdb.query(rows, "Parquet").bytes())


def _opened(file: Path):  # type: ignore[no-untyped-def] # the type of a context manager that is imported late
    from connectors.fixtures.files import open_fixture

    return open_fixture(file)


def _survey(file: Path) -> list[str]:
    from datetime import datetime

    from connectors.fixtures.core.errors import FixtureError
    from connectors.fixtures.core.survey import Survey, sentences, survey
    from schemas.calendar import ICT

    def clock(ms: int | None) -> str:
        return "no clock tick" if ms is None else datetime.fromtimestamp(ms / 1000, ICT).strftime("%H:%M:%S")

    seen = Survey()
    broken: FixtureError | None = None
    with _opened(file) as (header, messages):
        try:
            survey(header, messages, seen)
        except FixtureError as error:
            broken = error
        for line in sentences(header, seen, f"{clock(seen.first_ms)} to {clock(seen.last_ms)}"):
            print(line)
    if broken is not None:
        raise broken
    return seen.problems


def _write(output: Path, header: "Header", messages: "Iterable[FixtureMessage]") -> None:
    import msgspec

    from connectors.fixtures.files import write_fixture

    kept = list(messages)
    topics = sorted({message.topic for message in kept})
    partitions = {topic: count for topic, count in header.partitions.items() if topic in topics}
    write_fixture(output, msgspec.structs.replace(header, topics=topics, partitions=partitions), kept)
    print(f"{output}: {len(kept)} messages, {output.stat().st_size:,} bytes")


def trading_day_of(text: str, option: str) -> "TradingDay":
    """The trading day that somebody typed."""
    from schemas.calendar import as_date
    from schemas.units import TradingDay

    try:
        day = TradingDay(int(text))
        as_date(day)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day such as 20261123", param_hint=option) from None
    return day


def market_ms(text: str | None, day: int | None, option: str) -> int | None:
    """The market time that somebody typed, on ``day``."""
    from datetime import time

    from schemas.calendar import at
    from schemas.units import TradingDay

    if text is None:
        return None
    try:
        said = time.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 10:14 or 10:14:30", param_hint=option) from None
    if day is None:
        raise typer.BadParameter("the fixture is of several days", param_hint=option)
    return at(TradingDay(day), said.hour, said.minute, said.second)
