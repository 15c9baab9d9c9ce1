"""``stock-tracker bench``: how fast it is, whether that changed, and whether it bears a load."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure: profiles, their report, and loads.",
    no_args_is_help=True,
    epilog="Example: stock-tracker bench profile --mode all -o results.json && stock-tracker bench report results.json",
)


@app.command(epilog="Example: stock-tracker bench profile --mode cpu -o results.json")
def profile(
    mode: Annotated[
        str,
        typer.Option(
            help="CPU by stage; memory over a replayed day; event loops and the way of a tick to a client under load; the "
            "archive's inserts and queries; or all of it.",
            metavar="cpu|memory|asyncio|archive|all",
        ),
    ] = "all",
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The file with the results; a section of an earlier run is replaced.")
    ] = Path("results.json"),
    smoke: Annotated[
        bool,
        typer.Option("--smoke", help="Measure as little as possible: whether everything runs, and no figure that means much."),
    ] = False,
) -> None:
    """Measure, on a stack of its own, and write the results as JSON; what this machine cannot measure is said.

    It needs nothing but what is installed: no clone, no Kafka or ClickHouse that runs. Nothing else should be at work meanwhile.
    """
    from typing import cast

    from stock_tracker.bench import profiling
    from stock_tracker.progress import progress

    if mode not in profiling.MODES:
        raise typer.BadParameter(f"{mode!r} is none of {', '.join(profiling.MODES)}", param_hint="--mode")
    with progress() as tell:
        results = profiling.profile(cast(profiling.Mode, mode), output, tell, smoke=smoke)
    profiling.show(results)
    print(f"Written to {output}. A report: stock-tracker bench report {output}")


@app.command(epilog="Example: stock-tracker bench report results.json --baseline benchmarks/baseline.json")
def report(
    results: Annotated[Path, typer.Argument(help="What bench profile has written.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The report, in Markdown; its charts go into a folder beside it.")
    ] = Path("docs/benchmark-results.md"),
    baseline: Annotated[Path | None, typer.Option(help="Earlier results to compare with.")] = None,
    thresholds: Annotated[
        Path | None, typer.Option(help="What figures have to reach; those of this release if not given.")
    ] = None,
) -> None:
    """Judge results by thresholds and by a baseline, and write a report; exit 1 when one fails or a section is missing."""
    from stock_tracker.bench.core.reporting import sentences
    from stock_tracker.bench.reports import write_report

    judgement = write_report(results, output, baseline, thresholds)
    for line in sentences(judgement):
        print(line)
    print(f"Written to {output}")
    if judgement.verdict == "fail":
        raise typer.Exit(1)


@app.command(epilog="Example: stock-tracker bench load burst --clients 10 --for 60")
def load(
    scenario: Annotated[
        str,
        typer.Argument(
            help="Clients of the whole board; clients that ask REST for foreign flow; two bursts of 3,000 records a second; "
            "clients that drop their connection and come back.",
            metavar="market-stream|foreign-flow|burst|reconnect-storm",
        ),
    ],
    clients: Annotated[int, typer.Option(help="How many there are, in processes of their own.", min=1)] = 100,
    seconds: Annotated[
        float, typer.Option("--for", help="For how long; of burst, how long each of its two is.", metavar="SECONDS", min=1)
    ] = 60.0,
) -> None:
    """Put a stack of its own under a load at the market's own speed; exit 1 at errors, gaps, or data that is too old."""
    import asyncio
    from typing import cast

    from stock_tracker.bench import load as loads
    from stock_tracker.bench.core.verdict import sentences
    from stock_tracker.bench.machine import folder_of_run
    from stock_tracker.bench.usage import is_known
    from stock_tracker.errors import NoAccountOfProcesses
    from stock_tracker.progress import progress

    if scenario not in loads.SCENARIOS:
        raise typer.BadParameter(f"{scenario!r} is none of {', '.join(loads.SCENARIOS)}", param_hint="SCENARIO")
    if not is_known():
        raise NoAccountOfProcesses
    with progress() as tell, folder_of_run() as home:
        report = asyncio.run(loads.load(home, tell, cast(loads.Scenario, scenario), clients, seconds))
    met = report.clients
    print(f"{scenario}: {clients} clients, {report.ticks:,.0f} matches and quotes a second")
    print(f"  {met.messages:,} messages with {met.rows:,} rows, {len(met.rest_ms):,} answers, {met.returns:,} returns")
    for line in report.ages:
        print(f"  {line}")
    cores = ", ".join(f"{name} {used:.2f}" for name, used in sorted(report.cores.items(), key=lambda one: -one[1]))
    print(f"  cores: {cores}; the clients {met.cpu_s:,.0f} s of CPU in all")
    for what, count in met.errors.most_common(5):
        print(f"  {count} x {what}")
    for line in sentences(report.promises):
        print(line)
    if not report.is_borne:
        raise typer.Exit(1)
