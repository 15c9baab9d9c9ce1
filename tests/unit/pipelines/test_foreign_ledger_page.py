"""The hard cases of ``docs/foreign-ledger.md``, as they stand there."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from pipelines.core.foreign_shard import fold_frame
from pipelines.core.frames import Folded, Shard
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import ClockTick, ForeignRecord, LedgerEntry
from schemas.topics import MARKET_FOREIGN, SSI_FOREIGN
from schemas.units import Shares, TradingDay, UnixMs, Vnd
from tests.builders import a_foreign, a_frame, a_tick, offers

PAGE = Path(__file__).parents[3] / "docs" / "foreign-ledger.md"
DAYS = {"−1": TradingDay(20261119), "": TradingDay(20261120), "+1": TradingDay(20261123)}
EPOCHS = {"a": 1_000, "a2": 2_000, "b": 1_500}
POSITION, SHARD = Position("ssi.foreign", 0, 7), Shard.of("foreign", 0, 1)
LINE = re.compile(
    r"^(?P<side>buy|sell) (?P<kind>\w+)(?P<ambiguous> ambiguous)?(?: g(?P<generation>\d))? (?P<before>\d+)→(?P<after>\d+)"
    r"(?: since (?P<since>[+−\d: ]+))?(?: value (?P<value>−?\d+))?(?: room (?P<room>\d+))?$"
)


class Row(NamedTuple):
    via: str
    time: str
    bought: str
    sold: str
    lines: str
    counted: str


def cases() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("## The hard cases")[1].split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
        found[title] = [Row(*row) for row in cells[2:]]
    return found


def moment(text: str) -> tuple[TradingDay, UnixMs]:
    shift, _, clock = text.rpartition(" ")
    hour, minute, second = map(int, clock.split(":"))
    return DAYS[shift], at(DAYS[shift], hour, minute, second)


def tick(time: str) -> ClockTick:
    day, ts_ms = moment(time)
    return a_tick(ts_ms, trading_day=day)


def counter(text: str) -> tuple[Shares, Vnd]:
    volume, _, value = text.partition(" / ")
    return Shares(int(volume)), Vnd(int(value) if value else int(volume) * 20_000)


def record(row: Row) -> ForeignRecord:
    day, ts_ms = moment(row.time)
    bought, bought_value = counter(row.bought)
    sold_cell, _, room = row.sold.partition(", room ")
    sold, sold_value = counter(sold_cell)
    return a_foreign(
        "SSI",
        ts_ms,
        trading_day=day,
        bought=bought,
        sold=sold,
        bought_value=bought_value,
        sold_value=sold_value,
        current_room=int(room or 900_000),
        total_room=0,
    )


class Feed:
    """Frames as the connectors write them: each connection with its own sequence."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.seq: Counter[str] = Counter()

    def send(self, via: str, *records: ClockTick | ForeignRecord) -> Folded:
        frame = a_frame(*records, feed=via[0], epoch=EPOCHS[via], seq=self.seq[via])
        self.seq[via] += 1
        return fold_frame(frame, POSITION, SHARD, self.state, offers=offers(SSI_FOREIGN, sectors={}))


def lines(folded: Folded) -> list[LedgerEntry]:
    return [
        entry
        for output in folded.outputs
        if output.topic is MARKET_FOREIGN
        for entry in MARKET_FOREIGN.decode(output.value).events
    ]


def check(entry: LedgerEntry, expected: str) -> None:
    match = LINE.match(expected)
    assert match, f"cannot read {expected!r}"
    assert (entry.side, entry.kind, entry.ambiguous) == (match["side"], match["kind"], bool(match["ambiguous"]))
    assert (entry.counter_from, entry.counter) == (int(match["before"]), int(match["after"]))
    assert entry.volume == entry.counter - entry.counter_from
    assert entry.generation == int(match["generation"] or 0)
    if match["since"]:
        assert entry.since_ms == moment(match["since"])[1]
    if match["value"]:
        assert entry.value == int(match["value"].replace("−", "-"))
    if match["room"]:
        assert entry.room == int(match["room"])


def words(text: str, separator: str) -> list[str]:
    return [word.strip() for word in text.split(separator) if word.strip()]


@pytest.mark.parametrize("title", cases())
def test_a_hard_case_gives_the_lines_that_the_page_says(title: str) -> None:
    rows, feed = cases()[title], Feed()
    current = "a"
    if rows[0].via != "clock":
        feed.send("a", tick("08:55:00"))
    for row in rows:
        if row.via == "killed":
            # Between frames a fold has nothing but the bytes of its state.
            continue
        if row.via == "clock":
            folded = feed.send(current, tick(row.time))
        else:
            folded = feed.send(row.via, record(row))
            current = row.via if row.via[0] == "a" else current
        entries, expected = lines(folded), words(row.lines, ";")
        assert len(entries) == len(expected), f"{row}: {entries}"
        for entry, line in zip(entries, expected, strict=True):
            check(entry, line)
        kinds = Counter(entry.kind for entry in entries)
        assert folded.counts == kinds + Counter(words(row.counted, ",")), row


@pytest.mark.parametrize("title", cases())
def test_a_hard_case_gives_the_same_lines_in_frames_of_any_size(title: str) -> None:
    rows = [row for row in cases()[title] if row.via != "killed"]
    one, many = Feed(), Feed()
    apart = [
        entry
        for row in rows
        for entry in lines(
            one.send("a" if row.via == "clock" else row.via, tick(row.time) if row.via == "clock" else record(row))
        )
    ]
    together: list[LedgerEntry] = []
    start = 0
    for n in range(1, len(rows) + 1):
        if n == len(rows) or _connection(rows[n]) != _connection(rows[start]):
            chunk = rows[start:n]
            records = [tick(row.time) if row.via == "clock" else record(row) for row in chunk]
            together += lines(many.send(_connection(chunk[0]), *records))
            start = n
    assert together == apart


def _connection(row: Row) -> str:
    return "a" if row.via == "clock" else row.via


def test_the_page_has_every_case_that_the_ledger_must_stand() -> None:
    assert len(cases()) >= 30
