"""``stock-tracker alerts``: check a rule file, and try it on a day that is over."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.core.rules import Rules

app = typer.Typer(
    help="Alert rules: check a file of them, and try it on a day that is over.",
    no_args_is_help=True,
    epilog="Example: stock-tracker alerts check pipelines/alerts.toml",
)

RuleFile = Annotated[Path, typer.Argument(help="A file of alert rules, as docs/alerts.md describes it.", show_default=False)]


class Origin(StrEnum):
    """Where the events of a day are taken from."""

    TOPICS = "topics"
    ARCHIVE = "archive"


@app.command(epilog="Example: stock-tracker alerts check pipelines/alerts.toml")
def check(file: RuleFile) -> None:
    """Say whether a file of alert rules can be used, and what each rule watches. Exit 1 with all that is wrong in it."""
    from pipelines.core.rules import topic_of

    rules = _read(file)
    print(f"{file} has {len(rules)} rules, and all of them can be used")
    for rule in rules:
        watched = ", ".join((*(rule.exchanges or ()), *(rule.symbols or ()))) or "everything"
        print(f"  {rule.name:<24} {rule.kind:<22} {rule.severity:<9} {topic_of(rule):<16} {watched}")


@app.command(epilog="Example: stock-tracker alerts backtest pipelines/alerts.toml --day 20261120")
def backtest(
    file: RuleFile,
    day: Annotated[int, typer.Option(help="The trading day, as 20261120.", show_default=False)],
    source: Annotated[
        Origin, typer.Option(help="Kafka's topics, which keep seven days, or the archive, which keeps all of them.")
    ] = Origin.TOPICS,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every alert in it.")] = False,
) -> None:
    """Show how often each rule would have fired on a day, and what prices did 1, 5 and 15 minutes after."""
    import json

    from pipelines.core import backtest as core
    from schemas.calendar import as_date
    from schemas.units import TradingDay
    from stock_tracker import backtests
    from stock_tracker.progress import progress

    rules = _read(file)
    trading_day = TradingDay(day)
    try:
        as_date(trading_day)
    except ValueError as error:
        raise typer.BadParameter(f"{day} is no date: write it as 20261120", param_hint="--day") from error
    with progress() as tell:
        frames = backtests.from_topics(tell) if source is Origin.TOPICS else backtests.from_archive(trading_day, tell)
        report = backtests.run(rules, trading_day, frames)
    if as_json:
        print(json.dumps(core.as_json(report)))
    else:
        for line in backtests.table(report):
            print(line)


def _read(file: Path) -> "Rules":
    from pipelines.core.errors import InvalidRules
    from pipelines.core.rules import load_rules
    from stock_tracker.errors import RulesRefused

    try:
        return load_rules(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RulesRefused(file, [str(error)]) from error
    except InvalidRules as error:
        raise RulesRefused(file, error.problems) from error
