"""``stock-tracker record``: topics into a file."""

from pathlib import Path
from typing import Annotated

import typer

EPILOG = "Example: stock-tracker record -o day.jsonl.zst    then: stock-tracker fixture inspect day.jsonl.zst"


def record(
    output: Annotated[Path, typer.Option("-o", "--output", help="The file; compressed if it ends in .zst.", show_default=False)],
    topics: Annotated[str, typer.Option(help="Which, with commas between.")] = "ssi.ticks,ssi.foreign,ssi.indices",
    day: Annotated[int | None, typer.Option(help="The trading day, YYYYMMDD; the last one on the topics if not given.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Market time to begin at, HH:MM[:SS].")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Market time to end before.")] = None,
) -> None:
    """Write what is on topics now to a fixture, or the part between two market times."""
    import os

    from connectors.fixtures.core.layout import Header
    from connectors.fixtures.core.parts import between
    from connectors.fixtures.core.survey import Survey, survey
    from connectors.fixtures.files import write_fixture
    from schemas.deployment import topic_prefix
    from schemas.topics import RECORD_TOPICS, TOPICS
    from schemas.units import TradingDay
    from stock_tracker.commands.fixture import market_ms
    from stock_tracker.errors import NothingToRecord
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress
    from stock_tracker.recordings.record import read_messages

    known = {topic.name: topic for topic in TOPICS}
    names = topics.split(",")
    if unknown := [name for name in names if name not in known]:
        raise typer.BadParameter(f"no such topic: {', '.join(unknown)}", param_hint="--topics")
    if (since or until) and not any(topic.name in names for topic in RECORD_TOPICS):
        raise typer.BadParameter(
            "market time is on ssi.ticks, ssi.foreign and ssi.indices: record one of them", param_hint="--from"
        )
    with progress() as tell:
        partitions, messages = read_messages(kafka_config(os.environ), topic_prefix(os.environ), [known[n] for n in names], tell)
        seen = Survey()
        survey(Header(topics=names, trading_day=None), messages, seen)
        last = day or max(seen.days, default=None)
        begins, ends = (market_ms(text, last, option) for text, option in ((since, "--from"), (until, "--to")))
        part = list(between(messages, begins, ends))
        if not part:
            raise NothingToRecord(names, since, until)
        one_day = last if len(seen.days) == 1 or since or until else None
        header = Header(topics=names, trading_day=None if one_day is None else TradingDay(one_day), partitions=partitions)
        write_fixture(output, header, part)
    print(f"{output}: {len(part)} messages, {output.stat().st_size:,} bytes")
