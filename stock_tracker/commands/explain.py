"""``stock-tracker explain``: why is a number what it is?"""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.units import TradingDay, UnixMs

EPILOG = "Example: stock-tracker explain VNM --at 10:15:03    or: stock-tracker explain VNM --what alert 9f86d081884c7d65"


class What(StrEnum):
    """What can be asked about a symbol."""

    LAST = "last"
    TOTAL = "total"
    GAP = "gap"
    CANDLE = "candle"
    FOREIGN = "foreign"
    ALERT = "alert"


def explain(
    symbol: Annotated[str, typer.Argument(help="As the exchange writes it: VNM, 41I1GC000, VN30.", show_default=False)],
    alert_id: Annotated[
        str | None, typer.Argument(help="With --what alert: the id of the alert.", metavar="[ID]", show_default=False)
    ] = None,
    what: Annotated[
        What, typer.Option(help="The last price, the day's volume, a gap in it, a minute's candle, the foreign totals, an alert.")
    ] = What.LAST,
    at: Annotated[str | None, typer.Option(help="Exchange time, HH:MM[:SS]; the end of the day if not given.")] = None,
    day: Annotated[int | None, typer.Option(help="The trading day, YYYYMMDD; the last one there is if not given.")] = None,
    recording: Annotated[
        Path | None,
        typer.Option(
            help="A file of stock-tracker record, instead of Kafka's topics, which keep seven days.", exists=True, dir_okay=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with every record in it.")] = False,
) -> None:
    """Show the evidence behind a number: the records that made it, what each booked, and which rule decided about it."""
    import json
    import os

    from pipelines.parameters import Parameters
    from pipelines.settings import PipelineSettings
    from schemas.deployment import topic_prefix
    from schemas.units import Symbol, TradingDay
    from stock_tracker.backtests import environment_of
    from stock_tracker.commands.fixture import trading_day_of
    from stock_tracker.explain.run import Explainer
    from stock_tracker.explain.sources import KafkaTopics, Recording
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress

    trading_day = None if day is None else TradingDay(trading_day_of(str(day), "--day"))
    parameters = Parameters(PipelineSettings(kafka={}, topic_prefix=""))
    with progress() as tell:
        if recording is not None:
            source: KafkaTopics | Recording = Recording(recording)
        else:
            environment = environment_of(os.environ)
            source = KafkaTopics(kafka_config(environment), topic_prefix(environment))
        explained = Explainer(source, parameters, tell).explain(
            Symbol(symbol.upper()), what.value, day=trading_day, at=_time_of(at), alert_id=alert_id
        )
    if as_json:
        print(json.dumps(explained.as_json()))
    else:
        for line in explained.sentences():
            print(line)


def _time_of(text: str | None) -> "Callable[[TradingDay], UnixMs] | None":
    """Gives the moment that was typed, on a day."""
    from schemas.calendar import at
    from schemas.units import TradingDay, UnixMs
    from stock_tracker.commands.fixture import market_ms

    any_day = 20260105
    typed_ms = market_ms(text, any_day, "--at")
    if typed_ms is None:
        return None
    # Vietnam's clocks are never put forward or back.
    since_midnight_ms = typed_ms - at(TradingDay(any_day), 0)
    return lambda day: UnixMs(at(day, 0) + since_midnight_ms)
