"""Captured and recorded days as files: Broadcast arguments line by line, or a fixture with ``ssi.wire`` in it."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from random import Random

from connectors.fixtures.core.errors import NoFixture
from connectors.fixtures.core.layout import FixtureMessage, read_header, read_messages
from connectors.fixtures.files import open_lines
from connectors.ssi.simulator.core.captured import CapturedText, captured_day, said_in_lines, said_in_message
from connectors.ssi.simulator.core.errors import UnreadableDay
from connectors.ssi.simulator.core.market import MarketDay

WIRE = "ssi.wire"
FEED = "feed"
"""The header of a message of ``ssi.wire`` that names the feed which received it."""


def read_day(path: Path) -> MarketDay:
    """Read the day in a file; of a fixture with several feeds, what the first of them received.

    Raises:
        UnreadableDay: There is no day in it, or it cannot be read.
        FixtureError: It is a fixture, and damaged or of a newer format.
    """
    try:
        return _read(path)
    except OSError as error:
        raise UnreadableDay(str(path), f"cannot be read: {error.strerror or error}") from None


def _read(path: Path) -> MarketDay:
    with open_lines(path) as lines:
        first = next(lines, b"")
        try:
            header = read_header(first, str(path))
        except NoFixture:
            return captured_day(said_in_lines(chain((first,), lines)), str(path), Random)
        if WIRE not in header.topics:
            raise UnreadableDay(str(path), f"a fixture of {', '.join(header.topics)}, without {WIRE}")
        return captured_day(_said_on_wire(read_messages(lines, str(path))), str(path), Random)


def _said_on_wire(messages: Iterator[FixtureMessage]) -> Iterator[CapturedText]:
    feed: bytes | None = None
    for message in messages:
        if message.topic != WIRE or message.value is None:
            continue
        received_by = dict(message.headers).get(FEED)
        feed = feed or received_by
        if received_by == feed:
            yield from said_in_message(message.value)
