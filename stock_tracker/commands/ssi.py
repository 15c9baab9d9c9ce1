"""``stock-tracker ssi``: the connector, the simulated SSI, and a look at what SSI sends."""

from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from stock_tracker.commands.options import HealthPort

if TYPE_CHECKING:
    from schemas.units import UnixMs

app = typer.Typer(
    help="SSI's feed: connect to it, simulate it, decode it.",
    no_args_is_help=True,
    epilog="Example: stock-tracker ssi simulate --speed 20 --seed 7",
)


_SHOWN: Final = 10
"""So many rows that cannot be used are listed; all are counted."""


class HistoryOption(Enum):
    """What there is history of."""

    DAYS = "days"
    INDICES = "indices"
    MINUTES = "minutes"


@app.command("run", epilog="Example: SSI_CONSUMER_ID=… SSI_CONSUMER_SECRET_FILE=secret.txt stock-tracker ssi run")
def run_connector(
    port: HealthPort = 0,
) -> None:
    """Connect to SSI and publish what it says to the ssi.* topics, until stopped."""
    import os

    from connectors.ssi.service import run
    from connectors.ssi.settings import SsiSettings
    from schemas.deployment import topic_prefix
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.service import log_to_stderr, run_until_signalled, serving_health, spare_the_collector
    from stock_tracker.tracing import tracing

    log_to_stderr()
    settings = SsiSettings(kafka=kafka_config(os.environ), topic_prefix=topic_prefix(os.environ))
    spare_the_collector()
    with serving_health(port) as health, tracing(os.environ, "connector") as tracer:
        run_until_signalled(lambda stop: run(settings, stop, health, tracer))


_SIMULATE = """\b
Example: stock-tracker ssi simulate --speed 20 --seed 7
\b
Point any client of SSI at http://127.0.0.1:8181/, for REST and for the
stream; the key is demo, and so is its secret.
\b
As fast as a client reads, from its first subscription on:
    stock-tracker ssi simulate --speed max --wait
With everything that can go wrong:
    stock-tracker ssi simulate --faults hostile
A captured day, as it was:
    stock-tracker ssi simulate --day captured.jsonl
What really happened, and what was sent to whom:
    curl http://127.0.0.1:8181/sim/truth
\b
Clients in Python and Node, and all faults: docs/simulator.md"""


@app.command(epilog=_SIMULATE)
def simulate(
    port: Annotated[int | None, typer.Option(help="Where it listens, on 127.0.0.1; 8181 if not given.", min=0, max=65535)] = None,
    seed: Annotated[int | None, typer.Option(help="Which synthetic day: the same seed gives the same records.")] = None,
    speed: Annotated[str | None, typer.Option(help="Market seconds a second (20 if not given), or max.")] = None,
    scale: Annotated[
        float | None, typer.Option(help="Records, as a part of a real day's 2.5 million; 0.05 if not given.", min=0.01, max=100)
    ] = None,
    symbols: Annotated[
        int | None, typer.Option(help="Instruments; as many as fit the scale if not given: 134, or 1900 from scale 1 on.")
    ] = None,
    put_through: Annotated[
        str | None,
        typer.Option(
            help="What X-TRADE says of put-through deals: nothing (index, the default), or each one, with a total of deals (own) "
            "or with the total of prints (shared).",
            metavar="index|own|shared",
        ),
    ] = None,
    start: Annotated[str | None, typer.Option(help="Market time to begin at, HH:MM; 08:55 if not given.")] = None,
    end: Annotated[str | None, typer.Option(help="Market time to stop at, HH:MM[:SS]; 15:45 if not given.")] = None,
    date: Annotated[int | None, typer.Option(help="Trading day, YYYYMMDD; the last one if not given.")] = None,
    day: Annotated[
        Path | None,
        typer.Option(
            help="Play this captured or recorded day instead: Broadcast arguments line by line, or a fixture with ssi.wire.",
            metavar="FILE",
        ),
    ] = None,
    faults: Annotated[
        str | None, typer.Option(help="What goes wrong: calm, rough, hostile, or a file with a schedule.", metavar="NAME|FILE")
    ] = None,
    quota: Annotated[
        str | None, typer.Option(help="How many REST calls are allowed in how many seconds.", metavar="CALLS/SECONDS")
    ] = None,
    snapshot: Annotated[
        bool | None, typer.Option(help="Answer a subscription with the last record of each symbol, which is the default.")
    ] = None,
    second_subscription: Annotated[
        str | None,
        typer.Option(
            help="Whether a second SwitchChannels replaces the first, which is the default, or adds to it.",
            metavar="replaces|adds",
        ),
    ] = None,
    evict: Annotated[bool | None, typer.Option("--evict", help="End a key's connection when the key connects once more.")] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Keep here how far the day has come; killed and started again, it goes on with it.", metavar="DIR"),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Hold the clock until the first client has subscribed.")] = False,
) -> None:
    """Be SSI's servers on this machine, with a market day of your choice: the sandbox that SSI does not have."""
    import os

    from connectors.ssi.simulator.server import run
    from connectors.ssi.simulator.settings import SimulatorSettings
    from stock_tracker.home import cache
    from stock_tracker.service import log_to_stderr, run_until_signalled

    log_to_stderr()
    given = {
        "port": port, "seed": seed, "speed": speed, "start": start, "end": end, "day": date, "recording": day, "faults": faults,
        "quota": quota, "snapshot": snapshot, "second_subscription": second_subscription, "evict": evict,
        "wait_for_client": wait or None, "scale": scale, "symbols": symbols, "put_through": put_through, "state": state,
        "cache": None if "SIM_CACHE" in os.environ else cache(os.environ) / "days",
    }  # fmt: skip
    settings = SimulatorSettings.model_validate({name: value for name, value in given.items() if value is not None})
    run_until_signalled(lambda stop: run(settings, stop))


@app.command(epilog="Example: stock-tracker ssi decode captured.jsonl | head")
def decode(
    file: Annotated[
        str, typer.Argument(help="One Broadcast argument a line, bare or under 'broadcast_arg'; - reads standard input.")
    ],
) -> None:
    """Print what each captured Broadcast argument decodes to, or why it does not, as JSON lines."""
    import contextlib
    import os
    import sys

    from connectors.ssi.core.decode import decode_lines
    from schemas.topics import encode

    try:
        with contextlib.nullcontext(sys.stdin.buffer) if file == "-" else Path(file).open("rb") as lines:
            for decoded in decode_lines(lines):
                sys.stdout.write(encode(decoded).decode() + "\n")
                # Whoever pipes a feed into it wants to see each line when it comes.
                sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads the lines, such as head, has enough. Python would complain once more when it closes its output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise typer.BadParameter(f"{file!r} cannot be read: {error.strerror}", param_hint="FILE") from None


@app.command(epilog="Example: stock-tracker ssi redecode --from 2026-11-23T09:15 --to 2026-11-23T09:30")
def redecode(
    since: Annotated[str, typer.Option("--from", help="Begin, as the connector received it: YYYY-MM-DDTHH:MM[:SS] in Vietnam.")],
    until: Annotated[str, typer.Option("--to", help="End, which is not in it.")],
    into: Annotated[
        str, typer.Option(help="What the names of the topics begin with that today's frames are written to; empty writes none.")
    ] = "redecoded.",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """Decode a stretch of ssi.wire again, write it to topics beside the real ones, and compare; exit 1 when they differ."""
    import json
    import os

    from connectors.ssi.redecode import redecode
    from connectors.ssi.settings import SsiSettings
    from schemas.deployment import topic_prefix
    from stock_tracker.kafka.connection import kafka_config

    channels = os.environ.get("SSI_CHANNELS") or str(SsiSettings.model_fields["channels"].default)
    report = redecode(
        kafka_config(os.environ), topic_prefix(os.environ), channels, _received(since, "--from"), _received(until, "--to"), into
    )
    if as_json:
        differences = [difference._asdict() for difference in report.differences]
        print(json.dumps({**report._asdict(), "differences": differences}))
    else:
        for line in report.sentences():
            print(line)
    if not report.is_same:
        raise typer.Exit(1)


@app.command(epilog="Example: stock-tracker ssi reconcile --day 20261123")
def reconcile(
    day: Annotated[int, typer.Option(help="Trading day, YYYYMMDD; the market must be closed.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """Compare a day of the archive with SSI's DailyStockPrice, symbol by symbol; exit 1 when nothing explains a difference."""
    import asyncio
    import json

    from connectors.ssi.settings import SsiSettings
    from schemas.calendar import as_date
    from schemas.units import TradingDay
    from stock_tracker import reconcile as comparison
    from stock_tracker.commands.archive import opened
    from stock_tracker.progress import progress

    try:
        as_date(TradingDay(day))
    except ValueError:
        raise typer.BadParameter(f"{day} is no date", param_hint="--day") from None
    settings = SsiSettings(kafka={})
    with progress() as tell, opened() as (archive, _):
        report = asyncio.run(comparison.reconcile(settings, archive, TradingDay(day), tell))
    if as_json:
        print(json.dumps(comparison.as_json(TradingDay(day), report)))
    else:
        for line in comparison.sentences(TradingDay(day), report):
            print(line)
    if report.count("different"):
        raise typer.Exit(1)


@app.command(epilog="Example: stock-tracker ssi backfill --from 20250102 --to 20261120 --symbols VNM,FPT,VN30")
def backfill(
    from_: Annotated[int, typer.Option("--from", help="The first day, as 20250102.", show_default=False)],
    to: Annotated[int, typer.Option(help="The last day; it must be over.", show_default=False)],
    symbols: Annotated[
        str | None, typer.Option(help="Instruments and indices, with commas between; all that SSI lists if not given.")
    ] = None,
    only: Annotated[
        list[HistoryOption] | None, typer.Option(help="What to load, if not everything. May be repeated.", show_default=False)
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Ask also for what was loaded before: adjusted closes change with every dividend.")
    ] = False,
) -> None:
    """Load days and minutes that are over into the archive, beside what the stream booked; started again, it goes on."""
    import asyncio
    from typing import get_args

    from connectors.clickhouse.migrations import migrate
    from connectors.ssi.settings import SsiSettings
    from schemas.calendar import as_date
    from schemas.history import HistoryKind
    from schemas.units import TradingDay
    from stock_tracker.commands.archive import opened
    from stock_tracker.history.load import HistoryRequest
    from stock_tracker.history.run import run
    from stock_tracker.progress import progress_bar

    for option, day in (("--from", from_), ("--to", to)):
        try:
            as_date(TradingDay(day))
        except ValueError:
            raise typer.BadParameter(f"{day} is no date: write it as 20261123", param_hint=option) from None
    if from_ > to:
        raise typer.BadParameter(f"{from_} is after {to}", param_hint="--from")
    named = tuple(symbol for symbol in (symbols or "").split(",") if symbol.strip())
    if symbols is not None and not named:
        raise typer.BadParameter("name symbols, or leave it away for all", param_hint="--symbols")
    kinds: list[HistoryKind] = [kind for kind in get_args(HistoryKind) if not only or HistoryOption(kind) in only]
    request = HistoryRequest(TradingDay(from_), TradingDay(to), named, frozenset(kinds), again)
    settings = SsiSettings(kafka={})
    with progress_bar() as tell, opened() as (archive, database):
        migrate(archive, database)
        done = asyncio.run(run(settings, archive, request, tell))
    counts = ", ".join(f"{done.rows[kind]:,} {kind}" for kind in kinds)
    print(f"{from_} to {to}: {done.parts:,} windows were asked for, {counts} are stored now")
    if done.kept:
        print(f"{done.kept:,} rows were left out: the stream has told of those days")
    for why in done.unusable[:_SHOWN]:
        print(f"cannot be used: {why}")
    if len(done.unusable) > _SHOWN:
        print(f"… and {len(done.unusable) - _SHOWN:,} more rows; `stock-tracker archive coverage` counts them")
    if done.unusable:
        raise typer.Exit(1)


def _received(text: str, option: str) -> "UnixMs":
    """A time in Vietnam, as milliseconds since 1970."""
    from datetime import datetime

    from schemas.calendar import ICT
    from schemas.units import UnixMs

    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time such as 2026-11-23T09:15", param_hint=option) from None
    return UnixMs(int((moment if moment.tzinfo else moment.replace(tzinfo=ICT)).timestamp() * 1000))
