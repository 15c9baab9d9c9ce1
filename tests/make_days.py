"""The library of days: ``make days`` writes ``tests/fixtures/days``, a few minutes each of markets that are worth a test.

Each is what the simulated exchanges say of a few symbols, changed where the day's story asks for it, and put through the
connector's own decoding and framing. The same command writes the same bytes. Goldens are written by ``stock-tracker golden``.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final, Literal

import msgspec

from connectors.fixtures.core.layout import FixtureMessage, Header
from connectors.fixtures.files import open_lines, write_fixture
from connectors.ssi.core.hub_client import HubClient, Publish
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from connectors.ssi.simulator.core import wire
from connectors.ssi.simulator.core.market import MarketDay, generate
from connectors.ssi.simulator.core.records import Foreign, OddLot, Quote, SimulatedRecord, Status, Trade
from connectors.ssi.simulator.core.universe import IndexListing
from connectors.zstd import zstd
from schemas.calendar import at
from schemas.shards import shard_of
from schemas.topics import RECORD_TOPICS, TOPICS
from schemas.units import Exchange, MonotonicMs, Symbol, TradingDay, UnixMs, UnixUs
from tests.builders import a_reference

DAYS: Final = Path(__file__).parent / "fixtures" / "days"
SHARDS: Final = 3
DAY: Final = TradingDay(20261120)
EXPIRY: Final = TradingDay(20261119)
"""The third Thursday of the month, on which the front month's futures expire."""
SECOND_MS: Final = 1_000
UNDECODABLE: Final = '{"DataType":"X-TRADE","Content":"{}"}'
Records = list[SimulatedRecord]
Change = Callable[[Records, Random], Records]
"""Makes the story of a day out of what the exchanges said, in the order of the feed."""


@dataclass(frozen=True)
class Outage:
    """A time in which a feed has no connection."""

    feed: str
    begins: tuple[int, int, int]
    ends: tuple[int, int, int]


@dataclass(frozen=True)
class StoryDay:
    """A day of the library."""

    name: str
    tells: str
    begins: tuple[int, int]
    ends: tuple[int, int]
    day: TradingDay = DAY
    seed: int = 7
    stocks: int = 6
    change: Change = field(default=lambda records, rng: records)
    feeds: Sequence[str] = ("a",)
    outages: Sequence[Outage] = ()
    garbled_every: int = 0
    """One second in so many has an argument that nobody can decode; 0 for none."""


def hostile(records: Records, rng: Random) -> Records:
    """Records that never come, come twice, come late, and counters that fall for a moment."""
    told: Records = []
    late: Records = []
    for record in records:
        chance = rng.random()
        if chance < 0.04:
            continue
        if chance < 0.08:
            late.append(record)
            continue
        told.append(record)
        if chance < 0.12:
            told.append(record)
        elif chance < 0.14 and isinstance(record, Trade) and record.volume:
            told.append(msgspec.structs.replace(record, ts_ms=record.ts_ms + SECOND_MS, total_volume=record.total_volume // 3))
        if late and rng.random() < 0.2:
            told.append(msgspec.structs.replace(late.pop(0), due_ms=record.due_ms))
    return told


def foreign_resets(records: Records, rng: Random) -> Records:
    """The counters of one stock begin anew, those of another are corrected, those of a third are wrong once."""
    bought = Counter(record.listing.symbol for record in records if isinstance(record, Foreign) and record.bought)
    # Those that foreigners buy most often first: there is a second half for each of them.
    symbols = sorted(bought, key=lambda symbol: (-bought[symbol], symbol))
    middle = records[len(records) // 2].due_ms
    base: dict[str, Foreign] = {}
    wrong: set[str] = set()

    def changed(record: SimulatedRecord) -> SimulatedRecord:
        if not isinstance(record, Foreign):
            return record
        symbol = record.listing.symbol
        which = symbols.index(symbol) if symbol in symbols else len(symbols)
        if record.due_ms < middle:
            base[symbol] = record
        elif (before := base.get(symbol)) is None:
            pass
        elif which == 0:
            return msgspec.structs.replace(
                record,
                bought=record.bought - before.bought,
                sold=record.sold - before.sold,
                bought_value=record.bought_value - before.bought_value,
                sold_value=record.sold_value - before.sold_value,
            )
        elif which == 1:
            corrected = before.bought * 95 // 100 + (record.bought - before.bought) // 20
            return msgspec.structs.replace(record, bought=corrected)
        elif which == 2 and symbol not in wrong:
            wrong.add(symbol)
            return msgspec.structs.replace(record, bought=record.bought // 7, sold=record.sold // 7)
        return record

    return [changed(record) for record in records]


def locks(records: Records, rng: Random) -> Records:
    """One stock is halted for three minutes; another stands at its ceiling for as long, with no seller."""
    symbols = sorted(
        {r.listing.symbol for r in records if isinstance(r, Trade) and r.listing.exchange is Exchange.HOSE and r.volume}
    )
    halted, locked = symbols[:2]
    # The first ones are what SSI's cache has from before.
    first, last = records[len(records) // 10].due_ms, records[-1].due_ms
    third = (last - first) // 3
    told: Records = []
    since_halt: int | None = None
    for record in records:
        symbol, in_third = record.listing.symbol, (record.due_ms - first) // max(third, 1)
        if symbol == halted and not isinstance(record.listing, IndexListing):
            if in_third == 1 and since_halt is None:
                since_halt = record.due_ms
                told.append(Status(record.due_ms, record.ts_ms, record.listing, "LO", is_halted=True))
            elif in_third == 2 and since_halt is not None and since_halt > 0:
                since_halt = 0
                told.append(Status(record.due_ms, record.ts_ms, record.listing, "LO"))
            if in_third == 1 and isinstance(record, Trade | Quote):
                continue
        if symbol == locked and in_third == 1 and not isinstance(record.listing, IndexListing):
            ceiling = record.listing.ceiling
            if isinstance(record, Trade):
                record = msgspec.structs.replace(record, price=ceiling if record.volume else record.price, high=ceiling)
            elif isinstance(record, Quote):
                queue = (900_000 + record.bid_volumes[0], *record.bid_volumes[1:])
                record = msgspec.structs.replace(record, bid_prices=(ceiling, *record.bid_prices[1:]), bid_volumes=queue)
                record = msgspec.structs.replace(record, ask_prices=(), ask_volumes=())
        told.append(record)
    return told


def half_open(records: Records, rng: Random) -> Records:
    """Only Hanoi's exchange trades: of HOSE there is what SSI's cache still has of the day before."""
    return [r for r in records if r.listing.exchange is not Exchange.HOSE or r.ts_ms < at(DAY, 0)]


LIBRARY: Final = (
    StoryDay("quiet", "nothing but trading", (10, 0), (10, 6)),
    StoryDay("auction-burst", "the opening auction, and thousands of records after it", (9, 13), (9, 16), stocks=60),
    StoryDay(
        "hostile",
        "records lost, repeated, late and garbled, counters that fall for a moment, and a lost connection",
        (9, 14),
        (9, 25),
        change=hostile,
        outages=(Outage("a", (9, 20, 0), (9, 20, 40)),),
        garbled_every=60,
    ),
    StoryDay(
        "foreign-resets",
        "foreign counters that begin anew, are corrected, and are wrong once",
        (9, 20),
        (9, 30),
        stocks=9,
        change=foreign_resets,
    ),
    StoryDay("halt-and-lock", "a halt, and a stock that stands at its ceiling", (10, 0), (10, 9), change=locks),
    StoryDay("futures-expiry", "the closing auction of a futures contract", (14, 38), (14, 46), day=EXPIRY, stocks=2),
    StoryDay(
        "half-open",
        "only one of the exchanges trades, the other has yesterday's records",
        (8, 57),
        (9, 5),
        stocks=12,
        change=half_open,
    ),
    StoryDay(
        "two-feeds",
        "feeds a and b side by side, each of which loses its connection once",
        (9, 30),
        (9, 36),
        feeds=("a", "b"),
        outages=(Outage("a", (9, 31, 0), (9, 32, 0)), Outage("b", (9, 33, 0), (9, 34, 30))),
    ),
)


TRUTHS: Final = ("hostile",)
"""The days of which the truth is kept too."""


class Wire:
    """A feed: its connection, and the frames that come of it."""

    def __init__(self, story: StoryDay, feed: str) -> None:
        self._outbox = Outbox(1_000_000, 1_000_000_000)
        self._stream = RecordStream(feed, SHARDS, WallClock(), self._outbox, "ALL")
        self._hub = HubClient("https://fc-datahub.ssi.com.vn/", "X-TRADE:ALL")
        self._story = story
        self._down = [
            range(at(story.day, *outage.begins), at(story.day, *outage.ends)) for outage in story.outages if outage.feed == feed
        ]
        # Two connectors are never connected in the same millisecond, and a second feed lags a little.
        self._lag_us = 0 if feed == "a" else 137_000
        self._up = False

    def second(self, ms: int, records: Records, references: Sequence[object]) -> Iterator[tuple[str, str | None, bytes]]:
        """Let a market second pass; topic, key and value of each message."""
        now_us = UnixUs(ms * 1000 + self._lag_us)
        up = not any(ms in down for down in self._down)
        if up and not self._up:
            self._stream.begin(now_us)
            self._stream.refer(references, now_us)  # type: ignore[arg-type]
        self._up = up
        health: Literal["up", "down"] = "up" if up else "down"
        self._stream.tick(now_us, health)
        if up:
            for first in range(0, len(records), 8):
                text = '{"C":"d-1","M":[' + ",".join(wire.encode(record) for record in records[first : first + 8]) + "]}"
                self._stream.keep(text, now_us)
                for action in self._hub.receive(text, MonotonicMs(ms)):
                    if isinstance(action, Publish):
                        self._stream.publish(action.arguments, now_us)
            every = self._story.garbled_every
            if every and ms // SECOND_MS % every == 0:
                self._stream.publish([UNDECODABLE], now_us)
        # Frames go out when they are five milliseconds old.
        self._stream.tick(UnixUs(now_us + 6_000), health)
        yield from self._taken()

    def end(self) -> Iterator[tuple[str, str | None, bytes]]:
        """Send the rest."""
        self._stream.flush()
        yield from self._taken()

    def _taken(self) -> Iterator[tuple[str, str | None, bytes]]:
        while (message := self._outbox.take()) is not None:
            yield message.topic, message.key, message.value


def record(story: StoryDay) -> tuple[Header, list[FixtureMessage]]:
    """The day as it lies on Kafka."""
    market = generate(story.seed, story.day, Random)
    symbols = symbols_of(market, story)
    begins, ends = at(story.day, *story.begins), at(story.day, *story.ends)
    said = [r for r in market.records if r.listing.symbol in symbols and r.due_ms < ends and not isinstance(r, OddLot)]
    seconds: dict[int, Records] = defaultdict(list)
    # What was said before is in SSI's cache, which answers a new connection with the newest of each.
    cache = {(type(r), r.listing.symbol): r for r in said if r.due_ms < begins}
    shown = [r for r in said if r.due_ms >= begins]
    for one in story.change([*cache.values(), *shown], Random(f"{story.name} {story.seed}")):
        seconds[max(one.due_ms, begins) // SECOND_MS * SECOND_MS].append(one)
    listings = (*market.universe.stocks, *market.universe.futures)
    references = [
        a_reference(Symbol(listing.symbol), trading_day=story.day, exchange=listing.exchange)
        for listing in sorted(listings, key=lambda listing: listing.symbol)
        if listing.symbol in symbols
    ]
    topics = {topic.name: topic for topic in TOPICS}
    kept = {topic.name for topic in RECORD_TOPICS}
    messages: list[FixtureMessage] = []
    ends_at: dict[tuple[str, int], int] = defaultdict(int)

    def append(ms: int, topic: str, key: str | None, value: bytes) -> None:
        if topic in kept:
            partition = 0 if key is None else shard_of(key, topics[topic].partitions(SHARDS))
            offset = ends_at[topic, partition]
            ends_at[topic, partition] += 1
            messages.append(FixtureMessage(topic, partition, offset, UnixMs(ms), (key or "").encode(), value))

    feeds = [Wire(story, feed) for feed in story.feeds]
    for ms in range(begins, ends, SECOND_MS):
        for feed in feeds:
            for topic, key, value in feed.second(ms, seconds[ms], references):
                append(ms, topic, key, value)
    for feed in feeds:
        for topic, key, value in feed.end():
            append(ends, topic, key, value)
    names = sorted(kept)
    header = Header(topics=names, trading_day=story.day, partitions=dict.fromkeys(names, SHARDS))
    return header, messages


Fate = Literal["sent", "withheld", "repeated", "late", "altered", "unconnected"]
"""What became of a record: it was sent once; never; twice; after later ones; with other numbers; while nobody was connected."""


class RecordTruth(msgspec.Struct, frozen=True):
    """A match, or what foreigners did, as the exchanges said it, or as the story altered it."""

    symbol: str
    kind: Literal["trade", "foreign"]
    ts_ms: int
    figures: tuple[int, int]
    """Of a match its total and its volume, of the other what was bought and sold."""
    fate: Fate


def truth_of(story: StoryDay) -> list[RecordTruth]:
    """What the exchanges said on a day with one feed, and what its story made of it; what it altered comes last."""
    kept: dict[str, Records] = {}

    def spy(records: Records, rng: Random) -> Records:
        kept["said"], kept["sent"] = list(records), story.change(records, rng)
        return kept["sent"]

    record(replace(story, change=spy))
    sent: dict[RecordTruth, list[int]] = defaultdict(list)
    for one in kept["sent"]:
        if isinstance(one, Trade | Foreign):
            sent[_truth(one, "sent")].append(one.due_ms)
    said = {_truth(one, "sent"): one.due_ms for one in kept["said"] if isinstance(one, Trade | Foreign)}
    begins = at(story.day, *story.begins)

    def fate(told: RecordTruth, due_ms: int) -> Fate:
        times = sent.get(told, [])
        seconds = [max(time, begins) // SECOND_MS * SECOND_MS for time in times]
        down = [range(at(story.day, *outage.begins), at(story.day, *outage.ends)) for outage in story.outages]
        if not times:
            return "withheld"
        if all(any(second in each for each in down) for second in seconds):
            return "unconnected"
        return "repeated" if len(times) > 1 else "sent" if times == [due_ms] else "late"

    found = [msgspec.structs.replace(told, fate=fate(told, due_ms)) for told, due_ms in said.items()]
    return found + [msgspec.structs.replace(told, fate="altered") for told in sent if told not in said]


def _truth(one: Trade | Foreign, fate: Fate) -> RecordTruth:
    if isinstance(one, Trade):
        return RecordTruth(one.listing.symbol, "trade", one.ts_ms, (one.total_volume, one.volume), fate)
    return RecordTruth(one.listing.symbol, "foreign", one.ts_ms, (one.bought, one.sold), fate)


def write_truth(path: Path, truth: Sequence[RecordTruth]) -> None:
    """Keep the truth of a day, a line for each record."""
    with zstd.ZstdFile(path, "w") as packed:
        packed.writelines(msgspec.json.encode(told) + b"\n" for told in truth)


def read_truth(path: Path) -> list[RecordTruth]:
    """The truth of a day."""
    with open_lines(path) as lines:
        return [msgspec.json.decode(line, type=RecordTruth) for line in lines]


def symbols_of(market: MarketDay, story: StoryDay) -> set[str]:
    """Stocks of every exchange, the futures of two months, and the indices."""
    stocks = sorted(market.universe.stocks, key=lambda stock: stock.symbol)
    by_exchange = {exchange: [s.symbol for s in stocks if s.exchange is exchange] for exchange in (Exchange.HOSE, Exchange.HNX)}
    told = [symbol for exchange in by_exchange.values() for symbol in exchange[: story.stocks // 2]]
    futures = [future.symbol for future in market.universe.futures[:2]]
    return {*told, *futures, "VN30", "VNINDEX"}


def main() -> None:
    """Write the days."""
    DAYS.mkdir(parents=True, exist_ok=True)
    for story in LIBRARY:
        header, messages = record(story)
        path = DAYS / f"{story.name}.jsonl.zst"
        write_fixture(path, header, messages)
        if story.name in TRUTHS:
            write_truth(DAYS / f"{story.name}.truth.jsonl.zst", truth_of(story))
        print(f"{path.name:<28} {len(messages):>6} messages {path.stat().st_size:>8,} bytes  {story.tells}")  # noqa: T201


if __name__ == "__main__":
    main()
