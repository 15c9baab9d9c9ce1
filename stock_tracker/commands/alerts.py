"""``stock-tracker alerts``: check a rule file, try it on a day that is over, and forward what fires."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stock_tracker.commands.options import HealthPort, Wait
from stock_tracker.forward.core.post import Form, Language, LeastSeverity

if TYPE_CHECKING:
    from pipelines.core.rules import Rules

app = typer.Typer(
    help="Alerts: check a file of rules, try it on a day that is over, and forward what fires.",
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


@app.command(epilog="Example: stock-tracker alerts forward --to https://hooks.example/alerts --severity warning --language vi")
def forward(
    to: Annotated[
        str,
        typer.Option(help="URL that takes a POST. In the environment nobody sees a token in it.", envvar="ALERTS_FORWARD_URL"),
    ],
    form: Annotated[Form, typer.Option("--format", help="What the receiver understands.")] = Form.JSON,
    language: Annotated[Language, typer.Option(help="Of the sentence.")] = Language.EN,
    severity: Annotated[LeastSeverity, typer.Option(help="The least that is forwarded.")] = LeastSeverity.INFO,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds; may be repeated.", show_default=False)] = None,
    symbol: Annotated[list[str] | None, typer.Option(help="Only these symbols; may be repeated.", show_default=False)] = None,
    chat: Annotated[str, typer.Option(help="Telegram: id of the chat.", show_default=False)] = "",
    name: Annotated[
        str, typer.Option(help="Of its position: two with one name share the alerts, each name gets all of them.")
    ] = "default",
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="A new name begins with all that Kafka keeps, not with what comes.")
    ] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="Allow plain http to another machine.")] = False,
    port: HealthPort = 0,
    wait: Wait = 0,
) -> None:
    """Post each alert until the receiver has taken it, signed with ALERTS_FORWARD_SECRET(_FILE); until stopped, none is lost."""
    import asyncio
    import os
    from urllib.parse import urlsplit

    from connectors.ssi.settings import is_loopback
    from schemas.deployment import topic_prefix
    from stock_tracker.forward.core.post import AlertFilter, Letterhead
    from stock_tracker.forward.forwarder import Forwarder, ForwardSettings
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.kafka.topics import wait_for
    from stock_tracker.service import log_to_stderr, run_until_signalled, serving_health

    url = urlsplit(to)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise typer.BadParameter("it is no http(s) URL", param_hint="--to")
    if url.scheme == "http" and not insecure and not is_loopback(url.hostname):
        raise typer.BadParameter("plain http to another machine: use https, or say --insecure", param_hint="--to")
    if form is Form.TELEGRAM and not chat:
        raise typer.BadParameter("Telegram wants the id of a chat", param_hint="--chat")
    secret_file = os.environ.get("ALERTS_FORWARD_SECRET_FILE")
    secret = Path(secret_file).read_text().strip() if secret_file else os.environ.get("ALERTS_FORWARD_SECRET", "")
    log_to_stderr()
    settings = ForwardSettings(
        kafka=kafka_config(os.environ),
        prefix=topic_prefix(os.environ),
        url=to,
        secret=secret.encode(),
        name=name,
        wanted=AlertFilter(frozenset(kind or ()), frozenset(symbol or ()), severity),
        letterhead=Letterhead(form, language, chat),
        from_beginning=from_beginning,
    )
    with serving_health(port) as health:
        wait_for(settings.kafka, settings.prefix, wait)

        async def service(stop: asyncio.Event) -> None:
            await Forwarder(settings, health).run(stop)

        run_until_signalled(service)


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
