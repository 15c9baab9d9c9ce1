"""Expected and found, side by side: however lanes are mixed, with little in memory, and with each fault in its place."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import CATALOGUE
from schemas.position import Partition, Position
from schemas.topics import MARKET_QUOTES, MARKET_TRADES, PARTIAL_BREADTH, PARTIAL_FLOW, SSI_INDICES, SSI_TICKS
from schemas.units import UnixMs
from stock_tracker.verify.core.delivery import MOST_AHEAD, MOST_ASTRAY, MOST_TOLD, EventLog, LastRows
from stock_tracker.verify.core.refold import Expected
from stock_tracker.verify.core.side_by_side import OutputLane, side_by_side
from stock_tracker.verify.sources import sources_of, together

TICKS, INDICES = Partition(SSI_TICKS.name, 0), Partition(SSI_INDICES.name, 0)
TRADES, QUOTES = Partition(MARKET_TRADES.name, 0), Partition(MARKET_QUOTES.name, 0)
SINKS = (TRADES, QUOTES)


class Played:
    """A fold that makes what a message says: its key names the topics that get a copy."""

    def __init__(self, made: dict[Partition, int]) -> None:
        self._made = made

    def fold(self, message: FixtureMessage) -> Iterator[Expected]:
        for sink in SINKS:
            if sink.topic in (message.key or b"").decode():
                self._made[sink] += 1
                source = Position(message.topic, message.partition, message.offset)
                yield Expected(sink, b"s0", message.value or b"", (), source)


class Run:
    """Two lanes that write two topics, and what lies there."""

    def __init__(self, count: int, seed: int) -> None:
        draw = Random(seed)
        self.sources = {place: self._source(draw, place, count) for place in (TICKS, INDICES)}
        self.found = {sink: self._mixed(draw, sink) for sink in SINKS}
        self.made = dict.fromkeys(SINKS, 0)
        self.read = dict.fromkeys(SINKS, 0)
        self.open_lanes: tuple[Partition, ...] = ()
        self.most_ahead = 0
        """Most messages of a sink that were expected and had not been read."""

    def compare(self) -> list[EventLog]:
        logs = [EventLog(sink, (TICKS, INDICES), len(self.found[sink]), lambda: self.open_lanes) for sink in SINKS]
        played: Any = Played(self.made)
        lanes = [OutputLane(place, SINKS, played, iter(messages)) for place, messages in self.sources.items()]
        side_by_side(lanes, logs, {sink: self._reading(sink) for sink in SINKS}, lambda expected: None)
        for log in logs:
            log.finish()
        return logs

    def _source(self, draw: Random, place: Partition, count: int) -> list[FixtureMessage]:
        # The lane of the indices hardly ever says anything on one of the topics.
        weights = (3, 3, 3, 1) if place == TICKS else (0, 30, 1, 3)
        keys = draw.choices(("market.trades", "market.quotes", "market.trades market.quotes", ""), weights, k=count)
        return [
            FixtureMessage(*place, n, UnixMs(n), key.encode(), b'{"n":"%s-%d"}' % (place.topic.encode(), n))
            for n, key in enumerate(keys)
        ]

    def _mixed(self, draw: Random, sink: Partition) -> list[FixtureMessage]:
        """Both lanes, each in its order, in one that a pipeline's lead of some dozen messages may give."""
        told = [
            (message.offset + (draw.random() if place == TICKS else 40 + draw.random()), message)
            for place, messages in self.sources.items()
            for message in messages
            if sink.topic in (message.key or b"").decode()
        ]
        return [
            FixtureMessage(*sink, offset, UnixMs(0), b"s0", message.value)
            for offset, (_, message) in enumerate(sorted(told, key=lambda each: each[0]))
        ]

    def _reading(self, sink: Partition) -> Iterator[FixtureMessage]:
        for message in self.found[sink]:
            self.most_ahead = max(self.most_ahead, self.made[sink] - self.read[sink])
            self.read[sink] += 1
            yield message

    def renumber(self, sink: Partition) -> None:
        self.found[sink] = [
            FixtureMessage(m.topic, m.partition, offset, m.ts_ms, m.key, m.value) for offset, m in enumerate(self.found[sink])
        ]


@pytest.mark.parametrize("seed", range(20))
def test_lanes_mixed_in_any_way_agree(seed: int) -> None:
    run = Run(200, seed)
    for log in run.compare():
        assert log.differences == []
        assert log.messages == len(run.found[log.place])


def test_a_message_is_found_to_be_missing_with_little_in_memory() -> None:
    run = Run(12_000, 1)
    clean = Run(12_000, 1)
    clean.compare()
    del run.found[TRADES][20]
    run.renumber(TRADES)
    found = [difference for log in run.compare() for difference in log.differences]
    assert [(each.kind, each.position and each.position.message) for each in found] == [
        ("missing_message", Position(*TRADES, 20))
    ]
    assert clean.most_ahead < 300
    assert run.most_ahead < MOST_AHEAD + 300


@pytest.mark.parametrize("is_open", [False, True])
def test_thousands_of_messages_that_nothing_makes_are_differences_unless_a_source_went_on(is_open: bool) -> None:
    run = Run(100, 1)
    run.sources[INDICES], run.found[TRADES] = [], []
    run.found[QUOTES] = [FixtureMessage(*QUOTES, n, UnixMs(0), b"s0", b'{"n":"more-%d"}' % n) for n in range(3 * MOST_ASTRAY)]
    run.sources[TICKS] = [FixtureMessage(*TICKS, 0, UnixMs(0), b"", b"")]
    run.open_lanes = (TICKS,) if is_open else ()
    log = run.compare()[1]
    assert (log.difference_count, log.beyond) == ((0, 3 * MOST_ASTRAY) if is_open else (3 * MOST_ASTRAY, 0))
    assert len(log.differences) == min(log.difference_count, MOST_TOLD)


@pytest.mark.parametrize("seed", range(20))
def test_each_of_several_faults_is_found_and_nothing_else(seed: int) -> None:
    run = Run(400, seed)
    draw = Random(seed)
    faults: set[tuple[str, Partition, int]] = set()
    for sink in SINKS:
        log = run.found[sink]
        lost, altered, doubled = sorted(draw.sample(range(5, len(log) - 5), 3))
        faults.add(("missing_message", sink, lost))
        wrong = log[altered]
        log[altered] = FixtureMessage(wrong.topic, wrong.partition, 0, wrong.ts_ms, wrong.key, (wrong.value or b"") + b" ")
        log.insert(doubled + 1, log[doubled])
        del log[lost]
        faults.add(("changed_message", sink, altered - 1))
        faults.add(("doubled_message", sink, doubled))
        run.renumber(sink)
    found = {
        (difference.kind, log.place, difference.position.message.offset)
        for log in run.compare()
        for difference in log.differences
        if difference.position is not None
    }
    # What is missing is missed where the next message of its lane stands, which need not be the next of all.
    assert {each for each in found if each[0] != "missing_message"} == {each for each in faults if each[0] != "missing_message"}
    assert sorted(place for kind, place, _ in found if kind == "missing_message") == sorted(SINKS)


def test_partitions_that_share_a_sink_are_compared_together() -> None:
    partitions = {topic.name: topic.partitions(2) for pipeline in CATALOGUE for topic in (*pipeline.sources, *pipeline.sinks)}
    groups = [{str(source.place) for source in group} for group in together(sources_of(CATALOGUE, partitions))]
    events = ("trades", "quotes", "candles", "foreign", "basis")
    assert sorted(groups, key=sorted) == sorted(
        [
            {"ssi.ticks[0]", "ssi.ticks[1]", "ssi.indices[0]", "ssi.indices[1]"},
            {f"{PARTIAL_BREADTH.name}[0]"},
            {"ssi.foreign[0]", "ssi.foreign[1]"},
            {f"{PARTIAL_FLOW.name}[0]"},
            {f"market.{name}[0]" for name in events},
            {f"market.{name}[1]" for name in events},
        ],
        key=sorted,
    )


def a_row(src: int, **fields: Any) -> bytes:
    text = "".join(f',"{name}":{value}' for name, value in fields.items())
    return b'{"src":%d%s}' % (src, text.encode())


def test_a_row_of_what_was_committed_meanwhile_is_beyond_and_any_other_newer_one_is_not() -> None:
    place = Partition("state.prices", 0)
    for src, is_open, kinds in ((9, True, []), (9, False, ["changed_value"]), (7, True, ["changed_value"])):
        rows = LastRows(place.topic)
        rows.expect(Expected(place, b"VNM", a_row(6, last=1), (), Position(*TICKS, 6)))
        rows.find(FixtureMessage(*place, 3, UnixMs(0), b"VNM", a_row(src, last=2)))
        differences = rows.finish({TICKS: 8}, {TICKS} if is_open else (), all_known=True)
        assert [difference.kind for difference in differences] == kinds
        assert rows.beyond == (not kinds)
