"""What a shard folds with: when other terms take effect, how that is told, and how a range is folded again with what it had."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import alert_shard, flow, foreign_shard, index_shard, price_shard
from pipelines.core.codec import Codec
from pipelines.core.errors import TermsUnknown, TermsUnusable
from pipelines.core.frames import Folded, Output, Shard
from pipelines.core.rules import load_rules
from pipelines.core.suspects import Thresholds
from pipelines.core.terms import HeldTerms, Offers, Recorded
from schemas.errors import Halt
from schemas.position import Position
from schemas.structs import Frame, PartialFlow, TermsAdopted, TradesFrame
from schemas.terms import DealCounting
from schemas.topics import (
    MARKET_ALERTS,
    MARKET_FOREIGN,
    MARKET_TRADES,
    PARTIAL_FLOW,
    PIPELINES_TERMS,
    SSI_FOREIGN,
    SSI_INDICES,
    SSI_TICKS,
    Topic,
)
from schemas.units import Symbol, TradingDay
from tests.builders import a_foreign, a_frame, a_reference, a_tick, a_trade, a_trade_event, changed, offers

FRIDAY, MONDAY, TUESDAY = TradingDay(20261120), TradingDay(20261123), TradingDay(20261124)
STRICT, EASY = Thresholds(correction_percent=10), Thresholds(correction_percent=30)
PLACE = Shard("foreign", 1, 3, "s0")


class Ledger:
    """A shard of ``ssi.foreign`` that is folded by one process after another."""

    def __init__(self, state: dict[bytes, bytes] | None = None, offset: int = 0) -> None:
        self.state = {} if state is None else state
        self.offset = offset
        self.outputs: list[Output] = []
        self.adopted: list[TermsAdopted] = []

    def fold(self, under: Offers, *records: Any) -> Folded:
        return self.fold_frame(under, a_frame(*records, seq=self.offset))

    def fold_frame(self, under: Offers, frame: Frame) -> Folded:
        folded = foreign_shard.fold_frame(frame, Position("ssi.foreign", 1, self.offset), PLACE, self.state, offers=under)
        self.offset += 1
        self.outputs += folded.outputs
        if folded.adopted is not None:
            self.adopted.append(PIPELINES_TERMS.decode(folded.adopted.value))
        return folded


def under(thresholds: Thresholds = STRICT, release: str = "1.0", *, forced: bool = False) -> Offers:
    return offers(SSI_FOREIGN, thresholds=thresholds, sectors={Symbol("VNM"): "Food"}, release=release, forced=forced)


def told(ledger: Ledger) -> list[tuple[int, int, str, int | None, str]]:
    """Offset, day, reason, percent of a correction and release of each adoption."""
    return [(each.offset, each.day, each.reason, each.terms.correction_percent, each.terms.release) for each in ledger.adopted]


def kinds(folded: Folded) -> list[str]:
    """The kinds of the ledger entries, ``ambiguous`` for a correction that nobody can be sure of."""
    frames = [MARKET_FOREIGN.decode(output.value) for output in folded.outputs if output.topic is MARKET_FOREIGN]
    return ["ambiguous" if entry.ambiguous else entry.kind for frame in frames for entry in frame.events]


def test_a_shard_without_terms_adopts_those_that_are_offered_and_says_so_once() -> None:
    ledger = Ledger()
    ledger.fold(under(), a_tick("10:00:00"))
    ledger.fold(under(), a_tick("10:00:01"))
    (adopted,) = ledger.adopted
    assert (adopted.pipeline, adopted.topic, adopted.partition, adopted.offset) == ("foreign", "ssi.foreign", 1, 0)
    assert (adopted.day, adopted.reason, adopted.terms.sectors) == (FRIDAY, "first", {"VNM": "Food"})


def test_a_shard_that_has_no_day_yet_has_folded_nothing_with_its_terms() -> None:
    ledger = Ledger()
    ledger.fold(under(), a_reference())
    assert ledger.adopted == []
    ledger.fold(under(EASY), a_tick())
    assert told(ledger) == [(1, FRIDAY, "first", 30, "1.0")]


def test_other_thresholds_wait_for_the_next_trading_day() -> None:
    ledger = Ledger()
    ledger.fold(under(), a_tick("10:00:00"), a_foreign(ts="10:00:00", bought=1_000))
    ledger.fold(under(EASY), a_foreign(ts="10:01:00", bought=800))
    today = ledger.fold(under(EASY), a_foreign(ts="10:02:00", bought=800))
    assert kinds(today) == ["ambiguous"]
    ledger.fold(under(EASY), a_tick(trading_day=MONDAY), a_foreign(trading_day=MONDAY, bought=1_000))
    ledger.fold(under(EASY), a_foreign(ts="10:01:00", trading_day=MONDAY, bought=800))
    assert kinds(ledger.fold(under(EASY), a_foreign(ts="10:02:00", trading_day=MONDAY, bought=800))) == ["correction"]
    assert told(ledger) == [(0, FRIDAY, "first", 10, "1.0"), (3, MONDAY, "next_day", 30, "1.0")]


@pytest.mark.parametrize("offered", [STRICT, EASY])
def test_what_the_day_before_left_open_is_settled_under_its_own_terms(offered: Thresholds) -> None:
    ledger = Ledger()
    ledger.fold(under(STRICT), a_tick("10:00:00"), a_foreign(ts="10:00:00", bought=1_000))
    ledger.fold(under(offered), a_foreign(ts="10:01:00", bought=800))
    turned = ledger.fold(under(offered), a_tick(trading_day=MONDAY))
    # 20 % fell: with EASY it would have been a correction.
    assert (kinds(turned), turned.counts["unresolved"]) == ([], 1)


def test_an_operator_can_force_them_at_once() -> None:
    ledger = Ledger()
    ledger.fold(under(), a_tick("10:00:00"), a_foreign(ts="10:00:00", bought=1_000))
    ledger.fold(under(EASY, forced=True), a_foreign(ts="10:01:00", bought=800))
    assert kinds(ledger.fold(under(EASY, forced=True), a_foreign(ts="10:02:00", bought=800))) == ["correction"]
    assert told(ledger) == [(0, FRIDAY, "first", 10, "1.0"), (1, FRIDAY, "forced", 30, "1.0")]


def test_a_release_cannot_wait_but_brings_no_other_thresholds_before_the_next_day() -> None:
    ledger = Ledger()
    ledger.fold(under(), a_tick("10:00:00"))
    ledger.fold(under(EASY, "1.1"), a_tick("10:00:01"))
    ledger.fold(under(EASY, "1.1"), a_tick("10:00:02"))
    ledger.fold(under(EASY, "1.1"), a_tick(trading_day=MONDAY))
    assert told(ledger) == [
        (0, FRIDAY, "first", 10, "1.0"),
        (1, FRIDAY, "release", 10, "1.1"),
        (3, MONDAY, "next_day", 30, "1.1"),
    ]


def test_settings_that_were_put_back_before_the_day_was_over_change_nothing() -> None:
    ledger = Ledger()
    ledger.fold(under(), a_tick("10:00:00"))
    ledger.fold(under(EASY), a_tick("10:00:01"))
    ledger.fold(under(), a_tick(trading_day=MONDAY))
    assert len(ledger.adopted) == 1


def test_each_adoption_has_a_key_of_its_own() -> None:
    ledger = Ledger()
    keys = []
    for thresholds in (STRICT, EASY, STRICT):
        adopted = ledger.fold(under(thresholds, forced=True), a_tick()).adopted
        assert adopted is not None
        keys.append(adopted.key)
    assert keys == [f"foreign/ssi.foreign/1/{FRIDAY}/{offset}" for offset in range(3)]


FOLDS: list[tuple[Topic[Any], Callable[..., Folded], Any]] = [
    (SSI_TICKS, price_shard.fold_frame, a_frame(a_tick())),
    (SSI_FOREIGN, foreign_shard.fold_frame, a_frame(a_tick())),
    (SSI_INDICES, index_shard.fold_frame, a_frame(a_tick())),
    (MARKET_TRADES, alert_shard.fold_trades, TradesFrame(events=[a_trade_event()])),
    (
        PARTIAL_FLOW,
        flow.fold_partial,
        PartialFlow(shard=0, shards=1, day=FRIDAY, ts_ms=a_tick().ts_ms, changed=True, sums=[], movers=[]),
    ),
]


@pytest.mark.parametrize(("topic", "fold", "message"), FOLDS, ids=lambda each: getattr(each, "name", ""))
def test_every_fold_says_what_it_folds_with(topic: Topic[Any], fold: Callable[..., Folded], message: Any) -> None:
    state: dict[bytes, bytes] = {}
    first = fold(message, Position(topic.name, 0, 0), Shard("p", 0, 1, "s0"), state, offers=offers(topic, rules=()))
    second = fold(message, Position(topic.name, 0, 1), Shard("p", 0, 1, "s0"), state, offers=offers(topic, rules=()))
    assert first.adopted is not None
    assert (first.adopted.topic, second.adopted) == (PIPELINES_TERMS, None)
    assert PIPELINES_TERMS.decode(first.adopted.value).topic == topic.name


def test_how_deals_are_counted_is_taken_over_with_the_next_trading_day() -> None:
    state: dict[bytes, bytes] = {}

    def fold(number: int, day: TradingDay, counting: DealCounting) -> Folded:
        """A deal before the first match of a day: where they share a counter, the gap before the match is the deal."""
        deal = a_trade(ts="10:00:00", trading_day=day, total=1_000, volume=1_000, session="PT")
        match = a_trade(ts="10:00:01", trading_day=day, total=1_100, volume=100)
        frame = a_frame(a_tick("08:55:00", trading_day=day), deal, match, seq=number)
        under = offers(SSI_TICKS, put_through_counter=counting)
        return price_shard.fold_frame(frame, Position("ssi.ticks", 0, number), Shard("prices", 0, 1, "s0"), state, offers=under)

    days: list[tuple[TradingDay, DealCounting]] = [(FRIDAY, "unknown"), (MONDAY, "shared"), (TUESDAY, "own")]
    folded = [fold(number, day, counting) for number, (day, counting) in enumerate(days)]
    assert [each.counts["fill"] for each in folded] == [0, 1, 0]
    told = [PIPELINES_TERMS.decode(each.adopted.value) for each in folded if each.adopted is not None]
    assert [(each.day, each.terms.put_through_counter) for each in told] == days


LARGE = """
[[rule]]
name = "large"
kind = "large_print"
severity = "info"
min_value_vnd = {}
cooldown_s = 0
"""


class Alerts:
    """A shard of ``market.trades`` that is folded by one process after another."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.total = 0
        self.adopted: list[TermsAdopted] = []

    def fold(self, least_vnd: int, second: int, day: int = FRIDAY, *, forced: bool = False) -> int:
        """How many alerts a print of 10 million dong makes under a rule for prints of at least so much."""
        rules = load_rules(LARGE.format(least_vnd)).trades
        self.total += 100
        event = a_trade_event(ts=f"10:00:{second:02}", total=self.total, day=day, value=10_000_000)
        position = Position("market.trades", 0, second)
        under = offers(MARKET_TRADES, rules=rules, forced=forced)
        folded = alert_shard.fold_trades(
            TradesFrame(events=[event]), position, Shard("alerts", 0, 3, "s0"), self.state, offers=under
        )
        if folded.adopted is not None:
            self.adopted.append(PIPELINES_TERMS.decode(folded.adopted.value))
        return sum(len(MARKET_ALERTS.decode(output.value).events) for output in folded.outputs)


def test_other_rules_wait_for_the_first_event_of_the_next_trading_day() -> None:
    alerts = Alerts()
    assert [alerts.fold(20_000_000, 0), alerts.fold(5_000_000, 1), alerts.fold(5_000_000, 2, MONDAY)] == [0, 0, 1]
    assert [(each.offset, each.day, each.reason) for each in alerts.adopted] == [(0, FRIDAY, "first"), (2, MONDAY, "next_day")]
    assert [rule["min_value_vnd"] for rule in alerts.adopted[1].terms.rules or []] == [5_000_000]


def test_rules_that_are_forced_count_at_once() -> None:
    alerts = Alerts()
    assert [alerts.fold(20_000_000, 0), alerts.fold(5_000_000, 1, forced=True)] == [0, 1]
    assert [each.reason for each in alerts.adopted] == ["first", "forced"]


def test_rules_of_another_release_that_this_one_cannot_fold_stop_it_for_the_day() -> None:
    alerts = Alerts()
    alerts.fold(20_000_000, 0)
    alerts.state[b"terms"] = alerts.state[b"terms"].replace(b"large_print", b"lunar_phase")
    with pytest.raises(
        TermsUnusable, match=r"market\.trades today: .*kind 'lunar_phase' is unknown.*PIPELINE_FORCE_TERMS=1"
    ) as caught:
        alerts.fold(5_000_000, 1)
    assert isinstance(caught.value, Halt)
    assert alerts.fold(5_000_000, 2, MONDAY) == 1
    assert [each.reason for each in alerts.adopted] == ["first", "next_day"]


@pytest.mark.parametrize(
    "terms",
    [
        b'{"release":"9"}',
        b'{"release":"9","correction_percent":10.5,"reset_percent":50,"sectors":null,"rules":null}',
        b"{",
        b"\xff",
    ],
)
def test_terms_that_this_release_does_not_understand_stop_it_for_the_day(terms: bytes) -> None:
    alerts = Alerts()
    alerts.fold(20_000_000, 0)
    codec = Codec(HeldTerms)
    held = codec.decode(alerts.state[b"terms"])
    held.terms = terms
    alerts.state[b"terms"] = codec.encode(held)
    kept = dict(alerts.state)
    with pytest.raises(TermsUnusable, match="PIPELINE_FORCE_TERMS=1"):
        alerts.fold(5_000_000, 1)
    assert alerts.fold(5_000_000, 2, MONDAY) == 1
    alerts.state = kept
    assert alerts.fold(5_000_000, 3, forced=True) == 1


def test_a_forced_start_does_without_such_rules() -> None:
    alerts = Alerts()
    alerts.fold(20_000_000, 0)
    alerts.state[b"terms"] = alerts.state[b"terms"].replace(b"large_print", b"lunar_phase")
    assert alerts.fold(5_000_000, 1, forced=True) == 1


def adopted(
    offset: int, correction_percent: int = 10, partition: int = 1, topic: str = "ssi.foreign", day: TradingDay = FRIDAY
) -> TermsAdopted:
    ledger = Ledger()
    ledger.fold(under(Thresholds(correction_percent=correction_percent)), a_tick())
    return changed(ledger.adopted[0], offset=offset, partition=partition, topic=topic, day=day)


def recorded(history: Iterable[TermsAdopted], first_day: TradingDay = FRIDAY, last_day: TradingDay = TUESDAY) -> Recorded:
    return Recorded("foreign", "ssi.foreign", history, first_day=first_day, last_day=last_day)


def percents(terms: Recorded, *offsets: int) -> list[int | None]:
    """The percent of a correction that was in force at each offset of partition 1."""
    return [terms.in_force(1, offset).terms.correction_percent for offset in offsets]


def test_what_was_in_force_at_a_position_is_what_was_adopted_last() -> None:
    history = [adopted(70, 7), adopted(30, 3), adopted(40, 4, partition=2), adopted(50, 5, topic="ssi.ticks")]
    assert percents(recorded(history), 0, 29, 30, 69, 70, 9_999) == [3, 3, 3, 3, 7, 7]
    with pytest.raises(TermsUnknown, match=r"ssi\.foreign\[0\]"):
        recorded(history).in_force(0, 30)


def test_offsets_of_a_topic_that_was_made_anew_do_not_mix_with_those_of_the_days_before() -> None:
    history = [adopted(70, 7), adopted(30, 3), adopted(0, 5, day=MONDAY), adopted(40, 9, day=MONDAY)]
    assert percents(recorded(history, FRIDAY, FRIDAY), 0, 30, 69, 70, 9_999) == [3, 3, 3, 7, 7]
    assert percents(recorded(history, MONDAY, MONDAY), 0, 39, 40, 70, 9_999) == [5, 5, 9, 9, 9]
    assert percents(recorded(history, TUESDAY, TUESDAY), 0, 9_999) == [9, 9]


def test_until_a_day_adopts_others_those_of_the_days_before_hold() -> None:
    history = [adopted(70, 7), adopted(30, 3), adopted(40, 9, day=MONDAY)]
    assert percents(recorded(history, MONDAY, TUESDAY), 0, 39, 40, 75) == [7, 7, 9, 9]


def test_what_was_forced_before_the_range_is_not_forced_again_at_its_offset() -> None:
    forced = changed(adopted(70, 7), reason="forced")
    place = Position("ssi.foreign", 1, 70)
    assert recorded([forced], FRIDAY, FRIDAY).at(place).forced
    assert not recorded([forced], MONDAY, MONDAY).at(place).forced


class Step(NamedTuple):
    """A frame, and the settings of the process that folds it."""

    frame: Frame
    under: Offers


@st.composite
def days(draw: st.DrawFn) -> list[Step]:
    """Three days of a counter that falls now and then, folded by processes with one setting or another."""
    steps: list[Step] = []
    percent, release, forced = 10, "1.0", False
    for day in (FRIDAY, MONDAY, TUESDAY):
        bought = 0
        for minute in range(draw(st.integers(1, 6))):
            if draw(st.booleans()):
                percent, release = draw(st.sampled_from([5, 10, 30])), draw(st.sampled_from(["1.0", "1.1"]))
                forced = draw(st.booleans())
            bought = max(bought + draw(st.sampled_from([500, 100, -20, -200, -900])), 0)
            ts = f"10:{minute:02}:00"
            records: list[Any] = [a_tick(ts, trading_day=day), a_foreign(ts=ts, trading_day=day, bought=bought)]
            if draw(st.booleans()):
                records.insert(0, a_tick("23:59:00", trading_day=FRIDAY))
            steps.append(
                Step(a_frame(*records, seq=len(steps)), under(Thresholds(correction_percent=percent), release, forced=forced))
            )
    return steps


@given(days(), st.data())
def test_a_range_that_is_folded_again_says_what_it_said_whatever_is_configured_now(
    steps: list[Step], data: st.DataObject
) -> None:
    ledger = Ledger()
    middle = data.draw(st.integers(0, len(steps) - 1))
    kept: dict[bytes, bytes] = {}
    said_by_then = 0
    for number, step in enumerate(steps):
        if number == middle:
            kept, said_by_then = dict(ledger.state), len(ledger.outputs)
        ledger.fold_frame(step.under, step.frame)

    # As read from the compacted topic, in whatever order.
    again = recorded(reversed(ledger.adopted))
    whole = Ledger()
    for step in steps:
        whole.fold_frame(again, step.frame)
    assert (whole.outputs, whole.adopted, whole.state) == (ledger.outputs, ledger.adopted, ledger.state)

    rest = Ledger(kept, offset=middle)
    for step in steps[middle:]:
        rest.fold_frame(again, step.frame)
    assert rest.outputs == ledger.outputs[said_by_then:]
    assert rest.state == ledger.state


def test_the_same_range_under_the_settings_of_today_would_say_something_else() -> None:
    steps = [
        Step(a_frame(a_tick("10:00:00"), a_foreign(ts="10:00:00", bought=1_000)), under(EASY)),
        Step(a_frame(a_foreign(ts="10:01:00", bought=800), seq=1), under(EASY)),
        Step(a_frame(a_foreign(ts="10:02:00", bought=800), seq=2), under(EASY)),
    ]
    ledger, again = Ledger(), Ledger()
    for step in steps:
        ledger.fold_frame(step.under, step.frame)
        again.fold_frame(under(STRICT), step.frame)
    assert again.outputs != ledger.outputs
