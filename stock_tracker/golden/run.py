"""A fixture through the pipelines, and its outputs against the golden that lies beside it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from connectors.fixtures.core.layout import FixtureMessage, Header
from connectors.fixtures.files import open_fixture, write_fixture
from pipelines.catalogue import CATALOGUE, Pipeline, named
from stock_tracker.errors import NoGolden, UnusableFixture
from stock_tracker.golden.core.comparison import GoldenReport, compare
from stock_tracker.golden.outputs import OUTPUTS, in_order
from stock_tracker.golden.shards import shards_of

ALL: Final = "all"
APPS: Final = (*(pipeline.name for pipeline in CATALOGUE), ALL)
"""What ``--app`` may be."""
Runner = Callable[[Iterable[FixtureMessage], Sequence[Pipeline], int], Iterator[FixtureMessage]]
"""Gives what pipelines publish when they read messages, on topics of so many shards."""


def golden_of(file: Path, app: str) -> Path:
    """Where the golden is kept: ``day.golden.jsonl.zst`` beside ``day.jsonl.zst``, ``day.prices.golden…`` for one app."""
    stem, dot, rest = file.name.partition(".jsonl")
    part = "" if app == ALL else f".{app}"
    return file.with_name(f"{stem}{part}.golden{dot or '.jsonl'}{rest}")


def run(file: Path, app: str, runner: Runner) -> tuple[Header, list[FixtureMessage]]:
    """The outputs of ``app`` over a fixture, in one order, and the header of the file that keeps them.

    Raises:
        FixtureError: The fixture cannot be read to its end.
        UnusableFixture: Nothing in it is read by ``app``, or its keys are of no number of shards.
    """
    with open_fixture(file) as (header, read):
        messages = list(read)
    wanted = CATALOGUE if app == ALL else (named(app),)
    pipelines = _with_upstream(wanted, {message.topic for message in messages})
    if not any(source.name == message.topic for message in messages for pipeline in pipelines for source in pipeline.sources):
        raise UnusableFixture(str(file), f"nothing in it is read by {app}: it has {', '.join(header.topics) or 'no topics'}")
    shards = shards_of(str(file), header, messages)
    sinks = {topic.name for topic in OUTPUTS if app == ALL or any(topic in pipeline.sinks for pipeline in wanted)}
    outputs = [message for message in in_order(runner(messages, pipelines, shards)) if message.topic in sinks]
    # Sharded topics that nobody wrote are not named: a golden tells what is in it.
    names = sorted({message.topic for message in outputs})
    return Header(topics=names, trading_day=header.trading_day), outputs


def check(file: Path, app: str, golden: Path, runner: Runner) -> GoldenReport:
    """Compare the outputs of ``app`` over a fixture with its golden.

    Raises:
        NoGolden: There is none yet.
    """
    if not golden.exists():
        raise NoGolden(golden)
    with open_fixture(golden) as (_, kept):
        wanted = list(kept)
    return compare(wanted, run(file, app, runner)[1])


def update(file: Path, app: str, golden: Path, runner: Runner) -> int:
    """Write the golden anew; how many messages are in it."""
    header, outputs = run(file, app, runner)
    write_fixture(golden, header, outputs)
    return len(outputs)


def _with_upstream(wanted: Sequence[Pipeline], recorded: set[str]) -> tuple[Pipeline, ...]:
    """The pipelines to run, first those that make what ``wanted`` read and what was not recorded."""
    missing = {source for pipeline in wanted for source in pipeline.sources if source.name not in recorded}
    upstream = [pipeline for pipeline in CATALOGUE if pipeline not in wanted and missing.intersection(pipeline.sinks)]
    return (*upstream, *wanted)
