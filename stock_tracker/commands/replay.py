"""``stock-tracker replay``: a file onto topics, through a simulated SSI, or to standard output."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.fixtures.core.errors import FixtureError
    from connectors.fixtures.core.layout import FixtureMessage

EPILOG = "Example: stock-tracker replay day.jsonl.zst --speed 20x    then: TOPIC_PREFIX=replay. stock-tracker run prices foreign"


class Destination(StrEnum):
    """Where a replay goes."""

    KAFKA = "kafka"
    SSI = "ssi"
    STDOUT = "stdout"


def replay(
    file: Annotated[Path, typer.Argument(help="A fixture, as stock-tracker record writes them.", exists=True, dir_okay=False)],
    to: Annotated[
        Destination, typer.Option(help="Topics, a simulated SSI that sends its ssi.wire, or lines.")
    ] = Destination.KAFKA,
    speed: Annotated[str, typer.Option(help="max, or recorded seconds a second, such as 20x.")] = "max",
    shift_to: Annotated[
        str | None, typer.Option(help="Move the day to another, YYYYMMDD, or now for the last trading day.", metavar="DAY|now")
    ] = None,
    topic_prefix: Annotated[
        str, typer.Option(help="What the names of the topics begin with; they are made if missing.")
    ] = "replay.",
    loop: Annotated[bool, typer.Option("--loop", help="Again and again, each time on the trading day after.")] = False,
    port: Annotated[int, typer.Option(help="Where the simulated SSI listens.", min=0, max=65535)] = 8181,
) -> None:
    """Play a recorded day again. What the pipelines wrote is left out: whoever reads the replay makes it anew."""
    import os
    import sys
    from datetime import UTC, datetime

    from connectors.fixtures.core.layout import Header, write_lines
    from connectors.fixtures.core.parts import moved
    from connectors.fixtures.files import open_fixture
    from schemas.calendar import day_of, last_trading_day, next_trading_day
    from schemas.units import TradingDay, UnixMs
    from stock_tracker.commands.fixture import trading_day_of
    from stock_tracker.errors import UnusableFixture
    from stock_tracker.golden.shards import shards_of
    from stock_tracker.kafka import topics as stock_topics
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress
    from stock_tracker.recordings.replay import Replayed, TopicWriter, inputs, play

    rate = _rate(speed)
    if to is Destination.SSI:
        _simulate(file, rate, port)
        return
    with open_fixture(file) as (header, read):
        damage, messages = _readable(inputs(read))
    if not messages:
        raise damage or UnusableFixture(str(file), "the pipelines wrote all that is in it")
    from_day = header.trading_day
    if from_day is None and (shift_to or loop):
        raise UnusableFixture(str(file), "it is of several days, so it cannot be moved to another")
    to_day = from_day
    if shift_to == "now":
        to_day = last_trading_day(day_of(UnixMs(int(datetime.now(UTC).timestamp() * 1000))))
    elif shift_to is not None:
        to_day = trading_day_of(shift_to, "--shift-to")
    writer = None
    if to is Destination.KAFKA:
        kafka = kafka_config(os.environ)
        stock_topics.apply(kafka, topic_prefix, shards_of(str(file), header, messages), replication=1)
        writer = TopicWriter(kafka, topic_prefix)

    def send_line(message: object) -> None:
        _, line, _ = write_lines(Header(topics=[], trading_day=None), [message])  # type: ignore[list-item]
        sys.stdout.buffer.write(line)

    with progress() as tell:
        while True:
            there = (m if from_day is None or to_day is None else moved(m, from_day, TradingDay(to_day)) for m in messages)
            done: Replayed = play(there, len(messages), rate, writer.send if writer else send_line, tell)
            if not loop:
                break
            tell(done.sentence())
            to_day = None if to_day is None else next_trading_day(to_day)
        if writer:
            writer.close()
    print(done.sentence(), file=sys.stderr)
    if damage is not None:
        raise damage


def _rate(speed: str) -> float | None:
    if speed == "max":
        return None
    try:
        rate = float(speed.removesuffix("x"))
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1_000_000:
        raise typer.BadParameter(f"{speed!r} is neither max nor a number such as 20x", param_hint="--speed")
    return rate


def _readable(messages: "Iterable[FixtureMessage]") -> "tuple[FixtureError | None, list[FixtureMessage]]":
    """What can be read, and what was wrong after it."""
    from connectors.fixtures.core.errors import FixtureError

    kept: list[FixtureMessage] = []
    try:
        for message in messages:
            kept.append(message)  # noqa: PERF402 - what came before an error stays
    except FixtureError as error:
        return error, kept
    return None, kept


def _simulate(file: Path, rate: float | None, port: int) -> None:
    """Be SSI's servers, with the file's ssi.wire as their day, until stopped."""
    from connectors.ssi.simulator.server import run
    from connectors.ssi.simulator.settings import SimulatorSettings
    from stock_tracker.service import log_to_stderr, run_until_signalled

    log_to_stderr()
    settings = SimulatorSettings.model_validate({"recording": file, "speed": "max" if rate is None else rate, "port": port})
    run_until_signalled(lambda stop: run(settings, stop))
