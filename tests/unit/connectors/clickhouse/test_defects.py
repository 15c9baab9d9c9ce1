"""What went wrong in the predecessor's archive, by the numbers of its list of defects: each shown not to be here.

What a kill in the midst of it leaves behind needs an engine: ``integration/clickhouse/test_sink.py`` has that.
"""

from collections.abc import Callable, Iterator

import pytest

from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Intents
from connectors.clickhouse.settings import SinkSettings
from schemas import topics
from schemas.position import Partition, Position
from schemas.structs import QuoteEvent, QuotesFrame
from tests.builders import a_quote_event, changed

QUOTES = Partition("market.quotes", 0)
TYPES = {
    "quotes": {**dict.fromkeys(("bid", "ask"), "Int32"), **dict.fromkeys(("symbol", "exchange"), "String")}
    | {"day": "Date", "ts": "DateTime64(3, 'Asia/Ho_Chi_Minh')", "bid_volume": "Int64", "ask_volume": "Int64"}
    | {"session": "Nullable(String)", "limit": "Nullable(String)", "partition": "UInt16", "offset": "UInt64", "idx": "UInt16"}
}
STEP_MS = 100
"""How often the sink looks what is due."""
FRAME = 100
"""Events in a message, all that came within a step or several."""


class Archive:
    """A table, and what the sink decides about the rows for it while ClickHouse answers and while it does not."""

    def __init__(self, answers: Callable[[int], bool]) -> None:
        settings = SinkSettings(kafka={})
        self._intents = Intents[rows.Decoded](settings.batch_rows, int(settings.batch_seconds * 1_000))
        self._intents.assigned(QUOTES, None, None)
        self._answers = answers
        self._now_ms = 0
        self._offset = 0
        self.bids: list[int] = []
        """What is stored: the bids of the rows, which number them here."""
        self.rejects: list[rows.Reject] = []
        self.inserts = 0

    def take(self, frames: Iterator[list[QuoteEvent]], a_second: int) -> None:
        """Receive so many frames each second, and write what is due meanwhile and in the two seconds after them."""
        due, quiet = 0.0, 0
        while quiet < 2_000:
            due += a_second * STEP_MS / 1_000
            while due >= 1 and (frame := next(frames, None)) is not None:
                due -= 1
                value = topics.encode(QuotesFrame(events=frame))
                decoded = rows.decode(Position(QUOTES.topic, QUOTES.number, self._offset), self._now_ms, value)
                self._intents.received(QUOTES, self._offset, decoded.rows, decoded, self._now_ms)
                self._offset += 1
            quiet = quiet + STEP_MS if due >= 1 and self._answers(self._now_ms) else 0
            self._write()
            self._now_ms += STEP_MS

    def _write(self) -> None:
        if not self._answers(self._now_ms):
            return
        self._intents.declared(self._intents.commits(self._now_ms))
        for batch in self._intents.batches():
            blocks, rejects = rows.blocks(batch.messages, TYPES) if batch.messages else ([], [])
            for block in blocks:
                if block.table == "quotes":
                    self.bids += block.columns[block.names.index("bid")]
            self.rejects += rejects
            self.inserts += 1
            self._intents.inserted(batch, self._now_ms)


def quotes(count: int) -> Iterator[list[QuoteEvent]]:
    """Frames with so many quotes in all, numbered by their bids from 1 on."""
    for first in range(1, count + 1, FRAME):
        yield [changed(a_quote_event(), bid=number) for number in range(first, min(first + FRAME, count + 1))]


@pytest.mark.parametrize("a_second", [10, 1_000])
def test_d04_at_1_000_rows_a_second_and_at_100_000_none_is_lost(a_second: int) -> None:
    """The predecessor wrote 500 a second and table, and dropped the others once its queue was full."""
    archive = Archive(answers=lambda _: True)
    archive.take(quotes(20_000), a_second)
    assert archive.bids == list(range(1, 20_001))
    assert archive.rejects == []


def test_d04_as_many_rows_as_make_an_insert_do_not_wait_for_its_time() -> None:
    """The predecessor said "every second or at 500", and had no such trigger."""
    settings = SinkSettings(kafka={})
    intents = Intents[str](settings.batch_rows, int(settings.batch_seconds * 1_000))
    intents.assigned(QUOTES, None, None)
    intents.received(QUOTES, 0, settings.batch_rows - 1, "nearly", 0)
    assert intents.commits(0) == []
    intents.received(QUOTES, 1, 1, "enough", 0)
    assert [(commit.offset, commit.next) for commit in intents.commits(0)] == [(0, 2)]


@pytest.mark.parametrize("away_from_s", [0, 5])
def test_d05_five_seconds_without_a_database_lose_nothing_nor_does_its_absence_at_the_start(away_from_s: int) -> None:
    """The predecessor lost 1,500 of 6,000 rows, and all of them where the database was not there when it began."""
    archive = Archive(answers=lambda ms: not away_from_s * 1_000 <= ms < (away_from_s + 5) * 1_000)
    archive.take(quotes(6_000), a_second=3)
    assert archive.bids == list(range(1, 6_001))
    assert archive.inserts > 1


def test_d05_a_bad_row_is_put_aside_alone() -> None:
    """In the predecessor it took the 500 rows of its batch along."""

    def with_a_bad_one() -> Iterator[list[QuoteEvent]]:
        for frame in quotes(6_000):
            yield [changed(quote, bid=2**40) if quote.bid == 3_001 else quote for quote in frame]

    archive = Archive(answers=lambda _: True)
    archive.take(with_a_bad_one(), a_second=3)
    assert archive.bids == [number for number in range(1, 6_001) if number != 3_001]
    [reject] = archive.rejects
    assert (reject.reason, reject.position.offset, reject.idx) == (rows.BAD_VALUE, 30, 0)
