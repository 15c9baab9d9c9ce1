"""The hard cases of ``docs/tape.md``, as they stand there."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipelines.core.frames import Folded, Shard
from pipelines.core.price_shard import fold_frame
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import PriceRow, TradeEvent
from schemas.terms import DealCounting
from schemas.topics import MARKET_TRADES, SSI_TICKS, STATE_PRICES
from schemas.units import Exchange, TradingDay, UnixMs
from tests.builders import a_bar, a_frame, a_snapshot, a_status, a_tick, a_trade, offers

PAGE = Path(__file__).parents[3] / "docs" / "tape.md"
DAYS = {"−1": TradingDay(20261119), "": TradingDay(20261120), "+1": TradingDay(20261123)}
EPOCHS = {"a": 1_000, "a2": 2_000, "b": 1_500}
SHARD = Shard.of("prices", 0, 1)
COUNTINGS: dict[str, DealCounting] = {"own": "own", "shared": "shared"}
EXCHANGES = {exchange.value: exchange for exchange in Exchange}
INTERVAL = re.compile(r"^(?P<kind>print|deal|gap|fill|correction) (?P<start>\d+)→(?P<end>\d+)(?P<rest>.*)$")
SHOWN = {
    "total": "total_volume",
    "missed": "missed_volume",
    **{name: name for name in ("last", "change", "open", "high", "low", "average", "exchange", "phase", "session")},
}


class Row(NamedTuple):
    via: str
    time: str
    total: str
    match: str
    told: str
    lines: str
    counted: str
    shows: str


def cases() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for section in PAGE.read_text(encoding="utf-8").split("## The hard cases")[1].split("\n### ")[1:]:
        title, _, text = section.partition("\n")
        cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
        found[title] = [Row(*row) for row in cells[2:]]
    return found


CASES = cases()
EACH = pytest.mark.parametrize("title", CASES)


def moment(text: str) -> tuple[TradingDay, UnixMs]:
    shift, _, clock = text.rpartition(" ")
    hour, minute, second = map(int, clock.split(":"))
    return DAYS[shift], at(DAYS[shift], hour, minute, second)


def record(row: Row) -> Any:
    day, ts_ms = moment(row.time)
    if row.via == "clock":
        return a_tick(ts_ms, trading_day=day)
    told = row.told.split()
    if told[:1] == ["F"]:
        return a_status(ts=ts_ms, trading_day=day, session=told[1], status=told[2])
    volume, _, price = row.match.partition(" @ ")
    total, _, value = row.total.partition(" / ")
    told_price = int(price) if price else 60_000
    if told[:1] == ["B"]:
        return a_bar(ts=ts_ms, trading_day=day, price=told_price, volume=int(volume))
    if told[:2] == ["X", "open"]:
        return a_snapshot(ts=ts_ms, trading_day=day, total=int(total), volume=int(volume), open=int(told[2]))
    exchange = next((EXCHANGES[word] for word in told if word in EXCHANGES), Exchange.HOSE)
    codes = [word for word in told if word not in EXCHANGES]
    return a_trade(
        ts=ts_ms, trading_day=day, exchange=exchange, price=told_price, volume=int(volume), total=int(total),
        total_value=int(value) if value else int(total) * 60_000, ceiling=64_200, floor=55_800, high=0, low=0,
        session=codes[0] if codes else "LO", status=codes[1] if len(codes) > 1 else "N",
    )  # fmt: skip


class Feed:
    """Frames as the connectors write them: each connection with its own sequence."""

    def __init__(self, counting: DealCounting = "unknown") -> None:
        self.offers = offers(SSI_TICKS, put_through_counter=counting)
        self.state: dict[bytes, bytes] = {}
        self.seq: Counter[str] = Counter()
        self.offset = 0

    def send(self, via: str, *records: Any) -> Folded:
        frame = a_frame(*records, feed=via[0], epoch=EPOCHS[via], seq=self.seq[via])
        self.seq[via] += 1
        self.offset += 1
        return fold_frame(frame, Position("ssi.ticks", 0, self.offset), SHARD, self.state, offers=self.offers)


def played(title: str) -> tuple[list[Row], DealCounting]:
    """The rows of a case that tell what happens, and how deals are counted as far as its settings say."""
    rows = CASES[title]
    counting = COUNTINGS.get(rows[0].via)
    return (rows, "unknown") if counting is None else (rows[1:], counting)


def begun(rows: list[Row], counting: DealCounting) -> Feed:
    feed = Feed(counting)
    if rows[0].via != "clock":
        feed.send("a", a_tick("08:55"))
    return feed


def lines(folded: Folded) -> list[TradeEvent]:
    return [
        event for output in folded.outputs if output.topic is MARKET_TRADES for event in MARKET_TRADES.decode(output.value).events
    ]


def row_of(folded: Folded) -> PriceRow:
    (row,) = [STATE_PRICES.decode(output.value) for output in folded.outputs if output.topic is STATE_PRICES]
    return row


def check(event: TradeEvent, expected: str) -> None:
    """Compare a line with what the page says of it: its kind, where it lies, and whatever is not as usual."""
    usual = {"late": False, "ambiguous": False, "anchored": True}
    said: dict[str, object] = dict(usual)
    words = expected.split()
    if match := INTERVAL.match(expected):
        kind, words = match["kind"], match["rest"].split()
        said |= {"start": int(match["start"]), "total_volume": int(match["end"])}
        if kind in ("gap", "correction", "fill", "deal"):
            said["volume"] = int(match["end"]) - int(match["start"])
        if kind == "gap":
            said["cause"] = words.pop(0)
        if kind == "print":
            said["phase"] = "continuous"
        if kind == "deal":
            kind, said["phase"] = "print", "put_through"
    elif words[0] == "unanchored":
        kind, words, said = "print", words[2:], {**said, "volume": int(words[1]), "anchored": False}
    elif words[0] == "reset":
        kind, words, said = "reset", words[2:], {**said, "start": int(words[1]), "total_volume": 0, "volume": 0}
    else:
        kind, words, said = words[0], [], {"session": words[1], "status": words[2]}
    said["generation"] = 0
    for word in words:
        if word[0] == "g" and word[1:].isdigit():
            said["generation"] = int(word[1:])
        elif word in ("late", "ambiguous"):
            said[word] = True
        else:
            said["phase"] = word
    assert event.kind == kind, expected
    assert {name: getattr(event, name) for name in said} == said, expected


def words(text: str, separator: str) -> list[str]:
    return [word.strip() for word in text.split(separator) if word.strip()]


def counted(events: list[TradeEvent]) -> Counter[str]:
    """What is counted because there is a line."""
    found: Counter[str] = Counter()
    for event in events:
        if event.kind == "gap":
            found[f"gap_{event.cause}"] += 1
        elif event.kind in ("fill", "status"):
            found[event.kind] += 1
        elif event.kind == "print" and not event.anchored:
            found["unanchored"] += 1
        elif event.kind == "print" and event.phase != "put_through":
            found += Counter(print=1, late=int(event.late), clipped=int(event.clipped))
    return found


@EACH
def test_a_hard_case_gives_the_lines_that_the_page_says(title: str) -> None:
    rows, counting = played(title)
    feed, current = begun(rows, counting), "a"
    for row in rows:
        if row.via == "killed":
            # Between frames a fold has nothing but the bytes of its state.
            continue
        folded = feed.send(current if row.via == "clock" else row.via, record(row))
        current = row.via if row.via[0] == "a" else current
        events, expected = lines(folded), words(row.lines, ";")
        assert len(events) == len(expected), f"{row}: {events}"
        for event, line in zip(events, expected, strict=True):
            check(event, line)
        # The page is of the tape: which minutes are over is another story.
        counts = Counter({word: count for word, count in folded.counts.items() if word != "candle"})
        assert +counts == counted(events) + Counter(words(row.counted, ",")), row
        for shown in words(row.shows, ","):
            name, value = shown.split()
            found = getattr(row_of(folded), SHOWN[name])
            assert str("–" if found is None else found) == value, row


@EACH
def test_a_hard_case_gives_the_same_lines_in_frames_of_any_size(title: str) -> None:
    told, counting = played(title)
    rows = [row for row in told if row.via != "killed"]
    connections = ["a" if row.via == "clock" else row.via for row in rows]
    one, many = begun(rows, counting), begun(rows, counting)
    apart = [event for row, via in zip(rows, connections, strict=True) for event in lines(one.send(via, record(row)))]
    together: list[TradeEvent] = []
    start = 0
    for n in range(1, len(rows) + 1):
        if n == len(rows) or connections[n] != connections[start]:
            together += lines(many.send(connections[start], *map(record, rows[start:n])))
            start = n
    assert together == apart


def test_the_page_has_every_case_that_the_tape_must_stand() -> None:
    assert len(CASES) >= 35
