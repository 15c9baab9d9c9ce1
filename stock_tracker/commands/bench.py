"""``stock-tracker bench``: how fast it is, and whether that changed."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Measure: profiles, and their report.",
    no_args_is_help=True,
    epilog="Example: stock-tracker bench profile --mode all -o results.json && stock-tracker bench report results.json",
)


@app.command(epilog="Example: stock-tracker bench profile --mode cpu -o results.json")
def profile(
    mode: Annotated[
        str,
        typer.Option(
            help="CPU by stage; the archive's inserts and queries; or all of it.",
            metavar="cpu|archive|all",
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
