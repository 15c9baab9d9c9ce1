# ruff: noqa: E501
"""Faults planted in the folds, one at a time: the reference finds each in what comes out, and finds nothing in what is right."""

from itertools import takewhile
from random import Random
from typing import Any, NamedTuple

import pytest

from connectors.clickhouse.core.tables import TABLES
from pipelines.core import (
    basis,
    breadth,
    candles,
    flow,
    foreign,
    foreign_shard,
    index_shard,
    indices,
    price_shard,
    prints,
    scopes,
    symbol_day,
    trade_alerts,
)
from pipelines.core.rules import PriceLimit
from schemas.calendar import at
from schemas.structs import ClockTick, ForeignRecord, Frame, TradeRecord
from stock_tracker.verify.core import numbers
from stock_tracker.verify.core.differences import Difference
from stock_tracker.verify.slices import ShardSlices
from tests.builders import DAY, a_frame, changed
from tests.mutation.planting import plant
from tests.mutation.simulated_day import MOST_STOCKS, Outputs, Records, folded, from_two_feeds, records
from tests.proof import usually

STANDS_MS = at(DAY, 9, 27)
"""A market time at which most symbols have a summary that is older than their last print."""


class Mutant(NamedTuple):
    """A fault: in a function of a fold, one piece of a line is another."""

    source: str
    """The topic whose records are folded with it."""
    owner: Any
    function: str
    right: str
    wrong: str
    named: str
    """The kind of a difference that must be among those found."""


MUTANTS = {
    "basis + 1000": Mutant("ssi.indices", basis.Curve, "_publish", "basis=Price(leg.price - self.index_value),", "basis=Price(leg.price - self.index_value + 1000),", "wrong_basis"),
    "the sign of the premium": Mutant("ssi.indices", basis.Curve, "_percent", "price - self.index_value", "self.index_value - price", "wrong_basis"),
    "basis of the row": Mutant("ssi.indices", basis.Curve, "row", "basis=Price(leg.price - self.index_value),", "basis=Price(leg.price),", "wrong_basis_row"),
    "the price of a basis": Mutant("ssi.indices", basis.Curve, "trade", "leg.price, leg.price_ms = price, ts_ms", "leg.price, leg.price_ms = Price(price + 1000), ts_ms", "wrong_basis"),
    "the index of a basis": Mutant("ssi.indices", basis.Curve, "tick", "self.index_value, self.index_ms, self.heard_ms = value,", "self.index_value, self.index_ms, self.heard_ms = Price(value + 777),", "wrong_basis"),
    "breadth": Mutant("ssi.indices", indices.Index, "event", "advances=self.advances", "advances=self.declines", "wrong_index"),
    "breadth of the row": Mutant("ssi.indices", indices.Index, "row", "ceilings=ceilings", "ceilings=(floors or 0) + 1", "wrong_index_row"),
    "change of an index": Mutant("ssi.indices", indices.Index, "row", "self.value - prior_value", "prior_value - self.value", "wrong_index_row"),
    "percent of an index": Mutant("ssi.indices", indices.Index, "row", "change * 100", "change * 10", "wrong_index_row"),
    "traded value of an index": Mutant("ssi.indices", index_shard, "advance", "index.traded_value = record.traded_value", "index.traded_value = record.put_through_value", "wrong_index"),
    "candle volume doubled": Mutant("ssi.ticks", candles.Candles, "draw", "candle.volume += line.volume", "candle.volume += 2 * line.volume", "wrong_candle"),
    "candle minute shifted": Mutant("ssi.ticks", candles.Candles, "draw", "line.ts_ms - line.ts_ms % MINUTE_MS", "line.ts_ms - line.ts_ms % MINUTE_MS + MINUTE_MS", "unknown_candle"),
    "candle close": Mutant("ssi.ticks", candles.Candles, "draw", "place >= candle.close_at", "place > (*candle.close_at, 0) and place < candle.close_at", "wrong_candle"),
    "candle low": Mutant("ssi.ticks", candles.Candles, "draw", "candle.low = price", "candle.low = candle.low", "wrong_candle"),
    "candle side": Mutant("ssi.ticks", candles.Candles, "draw", "if line.side is Side.BUY", "if line.side is Side.NEUTRAL", "wrong_candle"),
    "candle revision": Mutant("ssi.ticks", candles, "_event", "revision=candle.told", "revision=candle.told + 1", "wrong_candle"),
    "candle that opens": Mutant("ssi.ticks", candles.Candles, "draw", "not line.start and not line.generation", "True", "wrong_candle"),
    "reference of a candle": Mutant("ssi.ticks", candles, "_event", "reference=Price(candle.reference)", "reference=Price(candle.open)", "wrong_candle"),
    "usual volume of a candle": Mutant("ssi.ticks", candles, "_event", "usual_volume=usual_volume", "usual_volume=Shares(7)", "wrong_candle"),
    "limit of a book": Mutant("ssi.ticks", price_shard, "_quote_event", "elif ask_volume and not bid_volume and 0 < ask == symbol_day.floor", "elif ask_volume", "wrong_quote"),
    "daily high = low": Mutant("ssi.ticks", symbol_day.SymbolDay, "daily", "high=self.high", "high=self.low", "wrong_daily"),
    "daily close + 50": Mutant("ssi.ticks", symbol_day.SymbolDay, "daily", "else Price(self.last)", "else Price(self.last + 50)", "wrong_daily"),
    "daily volume": Mutant("ssi.ticks", symbol_day.SymbolDay, "daily", "total_volume=Shares(tape.total)", "total_volume=Shares(tape.printed)", "wrong_daily"),
    "daily value of buyers": Mutant("ssi.ticks", symbol_day.SymbolDay, "daily", 'active_buy_value=self._value(_BOOK, "buy_value")', 'active_buy_value=self._value(_BOOK, "sell_value")', "wrong_daily"),
    "high of state.prices": Mutant("ssi.ticks", symbol_day.SymbolDay, "row", "high=self.high", "high=self.low", "wrong_price_row"),
    "low of state.prices": Mutant("ssi.ticks", symbol_day.SymbolDay, "row", "low=self.low", "low=self.high", "wrong_price_row"),
    "last of state.prices": Mutant("ssi.ticks", symbol_day.SymbolDay, "take_print", "self.last, self.last_volume = price,", "self.last, self.last_volume = price + 50,", "wrong_price_row"),
    "open": Mutant("ssi.ticks", symbol_day.SymbolDay, "take_print", "self.auction_open = price", "self.auction_open = price + 100", "wrong_price_row"),
    "VWAP": Mutant("ssi.ticks", symbol_day.SymbolDay, "_average", "total - self.tape.explained", "self.tape.printed - self.tape.explained", "wrong_price_row"),
    "side flipped": Mutant("ssi.ticks", symbol_day.SymbolDay, "take_print", "elif side is Side.SELL", "elif side is Side.NEUTRAL", "wrong_price_row"),
    "missed volume": Mutant("ssi.ticks", symbol_day.SymbolDay, "row", "missed_volume=tape.missed", "missed_volume=0", "wrong_price_row"),
    "floors are declines": Mutant("ssi.ticks", symbol_day.SymbolDay, "stands", "if last == self.floor", "if False", "wrong_breadth_row"),
    "untraded members left out": Mutant("ssi.ticks", breadth, "_row", "untraded=untraded", "untraded=0", "wrong_breadth_row"),
    "a member that moves stays counted": Mutant("ssi.ticks", breadth.Members, "move", "self._add(symbol_day, -1)", "pass", "wrong_breadth_row"),
    "declines of the breadth": Mutant("ssi.ticks", breadth, "_row", "declines=declines", "declines=advances", "wrong_breadth_row"),
    "best ask + 100": Mutant("ssi.ticks", price_shard, "_quote_event", "        ask,", "        ask + 100,", "wrong_quote"),
    "bid volume": Mutant("ssi.ticks", price_shard, "_quote_event", "        bid_volume,", "        ask_volume,", "wrong_quote"),
    "quotes that only change a volume": Mutant("ssi.ticks", price_shard.PriceFold, "_show_book", "bids[:2] != symbol_day.bids[:2]", "bids[:1] != symbol_day.bids[:1]", "wrong_quotes"),
    "a lost gap not booked": Mutant("ssi.ticks", prints.TapeRecorder, "_gap", "self._events.append(", "(lambda event: None)(", "wrong_gap"),
    "a repeat booked twice": Mutant("ssi.ticks", prints.TapeRecorder, "_repeat", "tape.repeats += 1", "tape.repeats += 1; self._events.append(print_line(received.record, received.label, tape.count.generation, received.start, received.record.volume, late=True, anchored=True))", "doubled_print"),
    "value of a print": Mutant("ssi.ticks", prints, "print_line", "value_of(price, volume, record.exchange)", "value_of(price, volume + 1, record.exchange)", "wrong_value"),
    "limit of a print": Mutant("ssi.ticks", prints, "print_line", "price == record.floor", "price == record.floor + 1", "wrong_limit"),
    "no price_limit alert": Mutant("ssi.ticks", trade_alerts, "_limit", "limit == memory.limit or", "True or", "missing_alert"),
    "alert latch broken": Mutant("ssi.ticks", trade_alerts, "_limit", "limit == memory.limit or", "", "unexpected_alert"),
    "alert at the wrong limit": Mutant("ssi.ticks", trade_alerts, "_limit", '"up" if limit == "ceiling"', '"up" if limit == "floor"', "missing_alert"),
    "days to expiry": Mutant("ssi.indices", basis.Curve, "_days_to_expiry", "(as_date(leg.last_trading_day) - as_date(self.day)).days, 0", "(as_date(leg.last_trading_day) - as_date(self.day)).days + 1, 0", "wrong_basis"),
    "alias of a contract": Mutant("ssi.indices", basis.Curve, "alias", "list(listed_months(self.day))", "list(listed_months(self.day))[::-1]", "wrong_basis"),
    "kind of an entry": Mutant("ssi.foreign", foreign, "_entry", "move.kind,", '"room",', "wrong_entry"),
    "room of an entry": Mutant("ssi.foreign", foreign, "_entry", " room,", " room + 100,", "wrong_entry"),
    "total room": Mutant("ssi.foreign", foreign_shard, "_row", "total_room=shown.total_room", "total_room=shown.room", "wrong_foreign_row"),
    "sectors left out": Mutant("ssi.foreign", foreign_shard, "scopes_of", "if sector:", "if False:", "missing_flow"),
    "ledger sign": Mutant("ssi.foreign", foreign, "_entry", "move.counter - move.counter_from", "move.counter_from - move.counter", "wrong_entry"),
    "ledger value": Mutant("ssi.foreign", foreign, "_entry", "move.value,", "move.value * 2,", "wrong_ledger"),
    "net of foreigners": Mutant("ssi.foreign", foreign_shard, "_row", "net_volume=Shares(bought - sold)", "net_volume=Shares(sold - bought)", "wrong_foreign_row"),
    "room": Mutant("ssi.foreign", foreign_shard, "_row", " room=shown.room", " room=shown.room + 100", "wrong_foreign_row"),
    "flow bought doubled": Mutant("ssi.foreign", flow._Flow, "_tell_minute", "bought=Shares(part.bought)", "bought=Shares(2 * part.bought)", "wrong_flow"),
    "flow of the row": Mutant("ssi.foreign", flow._Flow, "_draw_rows", "net_value=Vnd(part.bought_value - part.sold_value)", "net_value=Vnd(part.bought_value)", "wrong_flow_row"),
    "a scope left out": Mutant("ssi.foreign", foreign_shard, "scopes_of", "(MARKET, exchange.value, *groups)", "(MARKET, *groups)", "missing_flow"),
    "flow that sellers lower": Mutant("ssi.foreign", scopes.ScopeSum, "take_from", "other.sold - self.sold", "self.sold - other.sold", "wrong_flow"),
    "value of an entry that only adds": Mutant("ssi.foreign", foreign_shard, "go_on", "bought - bought_from, bought_value, room", "bought - bought_from, bought_value + 1, room", "wrong_ledger"),
    "a buyer that tells the room before its record": Mutant("ssi.foreign", foreign_shard, "go_on", "bought_value, room, False", "bought_value, room_before, False", "wrong_entry"),
    "a seller that tells the room before its record": Mutant("ssi.foreign", foreign_shard, "go_on", "sold_value, room, False", "sold_value, room_before, False", "wrong_entry"),
    "room of an entry that only adds": Mutant("ssi.foreign", foreign_shard, "go_on", "sold_value, room, False", "sold_value, room + 100, False", "wrong_entry"),
}  # fmt: skip


def _of(day: Records, source: str) -> Records:
    return [(position, frame) for position, frame in day if position.topic == source]


def _found(frames: Records, outputs: Outputs) -> set[str]:
    return {found.kind for found in numbers.check(frames, outputs, [])}


def _plant(monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    planted = plant(monkeypatch, mutant.owner, mutant.function, mutant.right, mutant.wrong)
    if mutant.function == "_limit":
        rules: Any = trade_alerts._FOLDS
        monkeypatch.setitem(rules, PriceLimit, planted)


@pytest.mark.parametrize("source", ["ssi.ticks", "ssi.indices", "ssi.foreign"])
def test_a_day_that_is_right_brings_no_difference(day: Records, source: str) -> None:
    frames = _of(day, source)
    outputs = folded(frames)
    assert outputs
    assert list(numbers.check(frames, outputs, [])) == []


def test_all_topics_together_bring_no_difference(day: Records, published: Outputs) -> None:
    assert list(numbers.check(day, published, [])) == []


SHARDS, SLICES = 3, 2


def _found_by_shard(frames: Records, outputs: Outputs) -> list[Difference]:
    """What is found when each shard is looked at alone, slice by slice, and the flow of all of them at the end."""
    across = numbers.AcrossSymbols()
    terms = numbers.things_in(outputs["pipelines.terms"])
    events = [placed for topic in outputs if topic in TABLES and topic != "market.flow" for placed in outputs[topic]]
    found: list[Difference] = []
    for shard in range(SHARDS):
        with ShardSlices(SLICES) as slices:
            for at, frame in frames:
                if at.partition == shard:
                    slices.take_frame(at, frame)
            for at, message in events:
                if at.partition == shard:
                    slices.take_events(at, message)
            for number in range(SLICES):
                logs = slices.read(number)
                told = [(at, frame) for at, frame, _ in logs.records]
                found += numbers.check_symbols(told, logs.events | {"pipelines.terms": terms}, [], across)
    return found + list(numbers.check_across(across, {topic: numbers.things_in(outputs[topic]) for topic in outputs}, []))


@pytest.fixture(scope="module")
def split_day() -> Records:
    """The frames of the day, in several shards."""
    return records(SHARDS)


def test_shards_that_are_looked_at_one_by_one_bring_no_difference(split_day: Records) -> None:
    outputs = folded(split_day, SHARDS)
    assert len({at.partition for at, _ in outputs["market.foreign"]}) > 1
    assert outputs["market.flow"]
    assert _found_by_shard(split_day, outputs) == []


@pytest.mark.parametrize("seed", range(usually(1, proving=20)))
def test_shards_of_a_hostile_day_bring_no_difference_either(split_day: Records, seed: int) -> None:
    frames = from_two_feeds(split_day, Random(seed))
    assert _found_by_shard(frames, folded(frames, SHARDS)) == []


def test_every_minute_of_the_flow_is_judged_though_it_is_the_sum_of_all_shards(
    split_day: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plant(monkeypatch, MUTANTS["flow bought doubled"])
    outputs = folded(split_day, SHARDS)
    assert {found.kind for found in _found_by_shard(split_day, outputs)} == {"wrong_flow"}
    # The fault is found in each minute, so a market that stands in the middle of the day is enough.
    minutes = {event.ts_ms for _, frame in outputs["market.flow"] for event in frame.events if event.bought}
    assert len({difference.position for difference in _found_by_shard(split_day, outputs)}) >= len(minutes) > 1


@pytest.mark.parametrize("seed", range(usually(2, proving=40)))
def test_a_hostile_day_of_two_feeds_is_right_too(day: Records, seed: int) -> None:
    frames = from_two_feeds(day, Random(seed))
    not_judged: list[numbers.NotJudged] = []
    assert list(numbers.check(frames, folded(frames), not_judged)) == []
    assert len({left_out.symbol for left_out in not_judged}) <= MOST_STOCKS // 2


def _begun_again(frames: Records, from_ms: int) -> Records:
    """The same day when SSI begins one symbol's foreign counters again from nothing."""
    symbol = next(
        record.symbol for _, frame in frames for record in frame.records if isinstance(record, ForeignRecord) and record.bought
    )
    before = (0, 0, 0, 0)
    made: Records = []
    for position, frame in frames:
        told: list[Any] = []
        for record in frame.records:
            if isinstance(record, ForeignRecord) and record.symbol == symbol:
                counters = record.bought, record.sold, record.bought_value, record.sold_value
                if record.ts_ms < from_ms:
                    before = counters
                    told.append(record)
                else:
                    bought, sold, bought_value, sold_value = (now - then for now, then in zip(counters, before, strict=True))
                    told.append(changed(record, bought=bought, sold=sold, bought_value=bought_value, sold_value=sold_value))
            else:
                told.append(record)
        made.append((position, a_frame(*told, feed=frame.feed, epoch=frame.epoch, seq=frame.seq)))
    return made


def test_a_counter_that_begins_again_leaves_every_minute_of_the_flow_judged(
    day: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = _begun_again(_of(day, "ssi.foreign"), at(DAY, 9, 20))
    outputs = folded(frames)
    assert {"reset", "correction"} & {entry.kind for _, frame in outputs["market.foreign"] for entry in frame.events}
    not_judged: list[numbers.NotJudged] = []
    assert list(numbers.check(frames, outputs, not_judged)) == []
    assert "market.flow" not in {doubt.topic for doubt in not_judged}
    _plant(monkeypatch, MUTANTS["flow bought doubled"])
    assert "wrong_flow" in _found(frames, folded(frames))


def _until(frames: Records, ts_ms: int) -> Records:
    """The frames that stand before a market second."""

    def second(frame: Frame) -> int:
        tick = frame.records[0]
        assert isinstance(tick, ClockTick)
        return tick.ts_ms

    return list(takewhile(lambda placed: second(placed[1]) <= ts_ms, frames))


@pytest.mark.parametrize("seed", [None, *range(usually(2, proving=40))])
def test_a_market_that_stands_in_the_middle_of_its_day_is_right_too(day: Records, seed: int | None) -> None:
    frames = _of(_until(day, STANDS_MS), "ssi.ticks")
    frames = frames if seed is None else from_two_feeds(frames, Random(seed))
    not_judged: list[numbers.NotJudged] = []
    outputs = folded(frames)
    assert not any(event.final for _, frame in outputs["market.daily"] for event in frame.events)
    assert list(numbers.check(frames, outputs, not_judged)) == []
    left_out = {doubt.symbol for doubt in not_judged if doubt.topic == "market.daily"}
    assert len(left_out) <= (0 if seed is None else MOST_STOCKS // 2)


@pytest.mark.parametrize("minute", [14, 19])
def test_what_has_not_been_traded_for_long_needs_no_summary(day: Records, minute: int) -> None:
    # Everything was heard of twenty minutes ago, and is first traded in the opening auction, at 09:15.
    frames = _of(_until(day, at(DAY, 9, minute)), "ssi.ticks")
    outputs = folded(frames)
    heard = {record.symbol for _, frame in frames for record in frame.records if isinstance(record, TradeRecord)}
    assert heard > {event.symbol for _, frame in outputs["market.daily"] for event in frame.events}
    assert list(numbers.check(frames, outputs, [])) == []


def test_a_summary_that_is_missing_is_named_before_the_day_is_over(day: Records) -> None:
    frames = _of(_until(day, STANDS_MS), "ssi.ticks")
    assert "missing_daily" in _found(frames, folded(frames) | {"market.daily": []})


@pytest.mark.parametrize("name", [name for name in MUTANTS if name.startswith("daily")])
def test_a_fault_of_a_summary_is_found_before_the_day_is_over(day: Records, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, MUTANTS[name])
    frames = _of(_until(day, STANDS_MS), "ssi.ticks")
    assert "wrong_daily" in _found(frames, folded(frames))


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_is_found_and_named(day: Records, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    _plant(monkeypatch, mutant)
    frames = _of(day, mutant.source)
    assert mutant.named in _found(frames, folded(frames))
