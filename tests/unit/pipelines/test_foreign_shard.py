"""A shard of the foreign pipeline: rows, scopes, partial flows, dead letters, and frames cut anywhere."""

import re
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import frames
from pipelines.core.codec import LARGEST
from pipelines.core.foreign_alerts import LedgerWatch, advance
from pipelines.core.foreign_shard import fold_frame
from pipelines.core.frames import Folded
from pipelines.core.rules import load_rules
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import AlertEvent, ClockTick, ForeignRecord, ForeignRow, LedgerEntry, PartialFlow
from schemas.topics import MARKET_FOREIGN, PARTIAL_FLOW, SSI_DLQ, SSI_FOREIGN, STATE_FOREIGN, Topic
from schemas.units import Exchange, Shares, Symbol, TradingDay, UnixMs, Vnd
from tests import builders
from tests.builders import DAY, a_frame, a_loss, a_reference, changed, offers

NEXT = TradingDay(20261123)

SECTORS = {Symbol("SSI"): "Securities"}
PLACE = frames.Shard.of("foreign", 1, 3)


class Shard:
    """A shard with its state, and the frames that the feeds write to it."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.offset = 0
        self._frames: Counter[str] = Counter()

    def send(self, *records: Any, feed: str = "a", lost: int = 0) -> Folded:
        """Fold a frame of the only connection of ``feed``; ``lost`` frames before it never came."""
        frame = a_frame(*records, feed=feed, seq=self._frames[feed] + lost)
        self._frames[feed] += lost + 1
        position = Position("ssi.foreign", 1, self.offset)
        self.offset += 1
        return fold_frame(frame, position, PLACE, self.state, offers=offers(SSI_FOREIGN, sectors=SECTORS))


def a_tick(hour: int, minute: int = 0, second: int = 0, day: TradingDay = DAY) -> ClockTick:
    return builders.a_tick(at(day, hour, minute, second), trading_day=day)


def a_record(ts_ms: UnixMs, bought: int, sold: int = 0, **changes: Any) -> ForeignRecord:
    values = {"bought_value": bought * 20_000, "sold_value": sold * 20_000}
    return builders.a_foreign(**{"symbol": "SSI", "ts": ts_ms, "bought": bought, "sold": sold, **values, **changes})


def messages(folded: Folded, topic: Topic[Any]) -> list[Any]:
    return [topic.decode(output.value) for output in folded.outputs if output.topic is topic]


def rows(folded: Folded) -> list[ForeignRow]:
    return messages(folded, STATE_FOREIGN)


def the_partial(folded: Folded) -> PartialFlow:
    partials: list[PartialFlow] = messages(folded, PARTIAL_FLOW)
    [partial] = partials
    return partial


def sums(partial: PartialFlow) -> dict[str, tuple[int, int]]:
    return {part.scope: (part.bought, part.sold) for part in partial.sums}


# --- rows


def test_a_row_says_what_the_symbol_has_come_to() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55))
    [row] = rows(shard.send(a_record(at(DAY, 9, 15), 3000, 1000)))
    assert (row.day, row.src, row.ts_ms, row.symbol) == (DAY, 1, at(DAY, 9, 15), "SSI")
    assert (row.bought, row.sold, row.net_volume, row.net_value) == (3000, 1000, 2000, 40_000_000)
    assert (row.room, row.total_room, row.suspects, row.unresolved) == (1_000_000, 5_000_000, 0, 0)


def test_a_frame_gives_a_symbol_one_row_at_most() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55))
    folded = shard.send(*(a_record(at(DAY, 9, 15, second), 1000 + second) for second in range(5)))
    assert [row.bought for row in rows(folded)] == [1004]
    assert [event.counter for event in messages(folded, MARKET_FOREIGN)[0].events] == [1000, 1001, 1002, 1003, 1004]


def test_a_repeat_gives_no_row() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55), a_record(at(DAY, 9, 15), 1000))
    assert shard.send(a_record(at(DAY, 9, 15), 1000)).outputs == []


def test_a_clock_tick_ages_the_speed_of_active_symbols_only() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55))
    shard.send(a_tick(9, 20), a_record(at(DAY, 9, 20), 6000), a_record(at(DAY, 9, 20), 0, symbol=Symbol("HPG")))
    [aged] = rows(shard.send(a_tick(9, 20, 30)))
    assert (aged.symbol, aged.bought, aged.buy_speed_1m) == ("SSI", 6000, 600), "spread over the five minutes before 09:20"
    [still] = rows(shard.send(a_tick(9, 30)))
    assert (still.buy_speed_1m, still.buy_speed_5m, still.acceleration) == (0, 0, 0)
    assert rows(shard.send(a_tick(9, 40))) == [], "a symbol at rest is not looked at"


def test_a_clock_tick_within_a_bucket_touches_no_symbol() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55))
    shard.send(a_tick(9, 20), a_record(at(DAY, 9, 20), 6000), a_tick(9, 20, 1))
    untouched = shard.state[b"f:SSI"]
    shard.send(a_tick(9, 20, 2))
    assert shard.state[b"f:SSI"] is untouched


def test_a_row_of_the_day_that_ended_shows_how_its_suspect_was_settled() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55))
    shard.send(a_record(at(DAY, 14, 45), 1000), a_record(at(DAY, 15, 30), 990))
    [row] = rows(shard.send(a_tick(8, 0, day=NEXT)))
    assert (row.day, row.bought, row.suspects) == (DAY, 990, 0)


# --- partial flows


def test_every_market_second_is_reported_and_in_full_only_when_something_changed() -> None:
    shard = Shard()
    first = the_partial(shard.send(a_tick(9, 0, 0)))
    assert (first.changed, first.sums, first.shard, first.shards) == (True, [], 1, 3), "a day begins"
    second = the_partial(shard.send(a_tick(9, 0, 1)))
    assert (second.changed, second.sums, second.ts_ms) == (False, [], at(DAY, 9, 0, 1))
    shard.send(a_record(at(DAY, 9, 0, 1), 500))
    third = the_partial(shard.send(a_tick(9, 0, 2)))
    assert (third.changed, sums(third)["market"]) == (True, (500, 0))


def test_a_second_is_reported_once_however_many_feeds_tick() -> None:
    shard = Shard()
    assert len(messages(shard.send(a_tick(9, 0, 5), a_tick(9, 0, 5), a_tick(9, 0, 4)), PARTIAL_FLOW)) == 1


def test_a_second_skipped_by_the_clock_is_not_missed() -> None:
    shard = Shard()
    shard.send(a_tick(9))
    assert the_partial(shard.send(a_tick(9, 0, 30))).ts_ms == at(DAY, 9, 0, 30)


def test_a_symbol_counts_in_every_scope_that_it_is_in() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_reference("SSI", groups=["VN30", "VNX50"]), a_record(at(DAY, 9, 15), 500, 200))
    partial = the_partial(shard.send(a_tick(9, 15)))
    assert sums(partial) == dict.fromkeys(["HOSE", "VN30", "VNX50", "market", "sector:Securities"], (500, 200))


def test_reference_data_that_names_a_sector_wins() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_reference("SSI", sector="Brokers"), a_record(at(DAY, 9, 15), 500))
    assert "sector:Brokers" in sums(the_partial(shard.send(a_tick(9, 15))))


def test_a_symbol_in_no_list_has_no_sector() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_record(at(DAY, 9, 15), 500, symbol=Symbol("ZZZ"), exchange=Exchange.UPCOM))
    assert sums(the_partial(shard.send(a_tick(9, 15)))).keys() == {"UPCOM", "market"}


def test_what_was_counted_before_a_symbol_joined_a_group_moves_with_it() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_record(at(DAY, 9, 15), 500))
    shard.send(a_reference("SSI", groups=["VN30"]))
    assert sums(the_partial(shard.send(a_tick(9, 15))))["VN30"] == (500, 0)
    shard.send(a_reference("SSI", groups=[]))
    left = the_partial(shard.send(a_tick(9, 16)))
    assert (left.changed, sums(left)["VN30"], sums(left)["market"]) == (True, (0, 0), (500, 0))


def test_a_value_that_moves_without_volume_moves_the_flow() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_record(at(DAY, 9, 15), 500))
    shard.send(a_tick(9, 15), a_record(at(DAY, 9, 16), 500, bought_value=Vnd(9_000_000)))
    market = next(part for part in the_partial(shard.send(a_tick(9, 16))).sums if part.scope == "market")
    assert market.bought_value == 9_000_000


def test_buyers_are_positive_and_sellers_negative_and_both_in_order() -> None:
    shard = Shard()
    flows = {
        "AAA": (900, 0),
        "BBB": (0, 700),
        "CCC": (300, 0),
        "DDD": (0, 0),
        "EEE": (500, 500),
        "FFF": (900, 0),
        "GGG": (0, 900),
    }
    shard.send(a_tick(9), *(a_record(at(DAY, 9, 15), *flow, symbol=Symbol(name)) for name, flow in flows.items()))
    market = next(movers for movers in the_partial(shard.send(a_tick(9, 15))).movers if movers.scope == "market")
    assert [(mover.symbol, mover.net_volume) for mover in market.buyers] == [("AAA", 900), ("FFF", 900), ("CCC", 300)]
    assert [(mover.symbol, mover.net_volume) for mover in market.sellers] == [("GGG", -900), ("BBB", -700)]


def test_exchanges_vn30_and_sectors_have_movers_of_their_own() -> None:
    shard = Shard()
    shard.send(
        a_tick(9),
        a_reference("SHS", exchange=Exchange.HNX, groups=["HNX30", "VN30"]),
        a_record(at(DAY, 9, 15), 900),
        a_record(at(DAY, 9, 15), 100, symbol=Symbol("SHS"), exchange=Exchange.HNX),
    )
    movers = {one.scope: [mover.symbol for mover in one.buyers] for one in the_partial(shard.send(a_tick(9, 15))).movers}
    assert movers == {
        "HNX": ["SHS"],
        "HOSE": ["SSI"],
        "VN30": ["SHS"],
        "market": ["SSI", "SHS"],
        "sector:Securities": ["SSI"],
    }
    shard.send(a_reference("SHS", exchange=Exchange.HNX))
    left = {one.scope: [mover.symbol for mover in one.buyers] for one in the_partial(shard.send(a_tick(9, 16))).movers}
    assert left == movers | {"VN30": []}


@pytest.mark.parametrize("lost", [b"foreign-rankings", b"foreign"])
def test_what_an_operator_did_without_is_made_again(lost: bytes) -> None:
    shard = Shard()
    shard.send(a_tick(8, 55))
    shard.send(a_tick(9, 15), *(a_record(at(DAY, 9, 15), 900 + n, symbol=Symbol(f"S{n}")) for n in range(5)))
    shard.send(a_tick(9, 15, 6))
    shard.send(a_record(at(DAY, 9, 15), 901, symbol=Symbol("S0")))
    del shard.state[lost]
    aged = rows(shard.send(a_tick(9, 15, 30)))
    assert {row.symbol for row in aged} == {f"S{n}" for n in range(5)}
    shard.send(a_record(at(DAY, 9, 16), 2_000, symbol=Symbol("S0")))
    market = next(movers for movers in the_partial(shard.send(a_tick(9, 16))).movers if movers.scope == "market")
    assert [mover.symbol for mover in market.buyers] == ["S0", "S4", "S3", "S2", "S1"]


def test_a_new_day_begins_at_nothing() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_reference("SSI", groups=["VN30"]), a_record(at(DAY, 9, 15), 500))
    begun = the_partial(shard.send(a_tick(8, 0, day=NEXT)))
    assert (begun.day, begun.changed, begun.sums, begun.movers) == (NEXT, True, [], [begun.movers[0]])
    assert (begun.movers[0].buyers, begun.movers[0].sellers) == ([], [])
    shard.send(a_record(at(NEXT, 9, 15), 100, trading_day=NEXT))
    assert sums(the_partial(shard.send(a_tick(9, 15, day=NEXT))))["VN30"] == (100, 0), "the group outlives the day"


# --- what is none of ours


def test_a_record_of_another_kind_is_rejected_and_the_rest_goes_on() -> None:
    stray = builders.a_trade("SSI", "09:15")
    folded = Shard().send(stray, a_record(at(DAY, 9, 15), 500))
    [letter] = messages(folded, SSI_DLQ)
    assert (letter.source, letter.reason, letter.idx, letter.partition) == ("foreign", "unexpected_kind", 0, 1)
    assert messages(folded, MARKET_FOREIGN)[0].events[0].volume == 500


def test_a_negative_counter_is_rejected() -> None:
    shard = Shard()
    folded = shard.send(a_record(at(DAY, 9, 15), -1))
    assert [letter.reason for letter in messages(folded, SSI_DLQ)] == ["negative_counter"]
    assert messages(folded, MARKET_FOREIGN) == []


@pytest.mark.parametrize(
    "beyond", [{"bought": 2**64}, {"sold_value": -(2**63)}, {"current_room": 2**53}, {"total_room": 2**70}, {"ts_ms": 2**60}]
)
def test_a_figure_beyond_every_market_is_rejected_and_the_rest_goes_on(beyond: dict[str, int]) -> None:
    good = a_record(at(DAY, 9, 15), 500)
    folded = Shard().send(changed(good, **beyond), good)
    assert [(letter.reason, letter.idx) for letter in messages(folded, SSI_DLQ)] == [("out_of_range", 0)]
    assert messages(folded, MARKET_FOREIGN)[0].events[0].volume == 500


def test_a_day_that_is_none_is_rejected_and_does_not_move_the_shard() -> None:
    shard = Shard()
    shard.send(a_tick(9))
    folded = shard.send(a_record(at(DAY, 9, 15), 500, trading_day=TradingDay(20261399)), a_record(at(DAY, 9, 15), 700))
    assert [letter.reason for letter in messages(folded, SSI_DLQ)] == ["bad_day"]
    assert [event.volume for event in messages(folded, MARKET_FOREIGN)[0].events] == [700]


def test_a_loss_marker_changes_no_total() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_record(at(DAY, 9, 15), 500))
    folded = shard.send(a_loss("09:15"), a_record(at(DAY, 9, 16), 800))
    assert [event.volume for event in messages(folded, MARKET_FOREIGN)[0].events] == [300]


def test_reference_data_of_an_earlier_day_is_passed_over() -> None:
    shard = Shard()
    shard.send(a_tick(9), a_record(at(DAY, 9, 15), 500))
    shard.send(a_reference("SSI", groups=["VN30"], trading_day=TradingDay(20261119)))
    assert "VN30" not in sums(the_partial(shard.send(a_tick(9, 15))))


# --- two feeds


FASTER = load_rules("""
[[rule]]
name = "faster"
kind = "foreign_acceleration"
severity = "warning"
recent_s = 60
base_s = 300
ratio = 3.0
min_value_vnd = 1_000_000_000
warmup_s = 600
cooldown_s = 3600
""").foreign


def entries(folded: Folded) -> list[LedgerEntry]:
    return [event for frame in messages(folded, MARKET_FOREIGN) for event in frame.events]


def six_steps(of_b: int | None) -> list[AlertEvent]:
    """What alerts when foreigners buy for 2 bn VND in each of six steps, ten seconds apart.

    Feed a brings them, but for the step ``of_b``: that is the first that feed b tells of the symbol.
    """
    shard, watch, alerts = Shard(), LedgerWatch(), []
    for second in range(0, 780, 10):
        ts_ms = UnixMs(at(DAY, 9, 30) + second * 1000)
        step = max(second - 710, 0) // 10
        shard.send(builders.a_tick(ts_ms))
        shard.send(builders.a_tick(ts_ms), feed="b")
        folded = shard.send(a_record(ts_ms, 1_000 + second + step * 100_000), feed="b" if step and step == of_b else "a")
        alerts += [alert for entry in entries(folded) for alert in advance(watch, FASTER, entry)]
    return alerts


def test_a_growth_that_feed_b_brings_first_does_not_mute_the_acceleration() -> None:
    alone = six_steps(None)
    assert [alert.direction for alert in alone] == ["buy"]
    for step in range(1, 7):
        assert six_steps(step) == alone, step


@pytest.mark.parametrize(("lost", "kind"), [(0, "delta"), (1, "catch_up")])
def test_growth_after_a_lost_frame_was_not_seen_to_happen(lost: int, kind: str) -> None:
    shard = Shard()
    shard.send(a_tick(9, 0), a_record(at(DAY, 9, 15), 1000))
    assert [entry.kind for entry in entries(shard.send(a_record(at(DAY, 9, 16), 1500), lost=lost))] == [kind]


def test_what_is_first_heard_after_a_break_makes_no_spike_of_speed() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55), a_tick(10, 5))
    [row] = rows(shard.send(a_tick(10, 30), a_record(at(DAY, 10, 30), 90_000), lost=3))
    assert (row.bought, row.buy_speed_1m, row.buy_speed_5m) == (90_000, 1_000, 1_000), "in the ninety minutes since the open"


def test_growth_after_a_loss_marker_or_a_silence_was_not_seen_to_happen() -> None:
    shard = Shard()
    shard.send(a_tick(9, 0), a_record(at(DAY, 9, 15), 1000))
    shard.send(a_loss("09:15"))
    assert [entry.kind for entry in entries(shard.send(a_record(at(DAY, 9, 16), 1500)))] == ["catch_up"]
    shard.send(builders.a_tick("09:16:10", health="down"))
    assert [entry.kind for entry in entries(shard.send(a_record(at(DAY, 9, 17), 1600)))] == ["catch_up"]


def test_what_one_feed_covers_the_other_need_not() -> None:
    shard = Shard()
    shard.send(a_tick(9, 0), a_record(at(DAY, 9, 15), 1000))
    shard.send(a_tick(9, 0), a_record(at(DAY, 9, 15), 1000), feed="b")
    shard.send(a_record(at(DAY, 9, 16), 1000), feed="b")
    assert [entry.kind for entry in entries(shard.send(a_record(at(DAY, 9, 17), 1500), lost=3))] == ["delta"]


# --- room


def test_room_that_runs_out_between_trades_alerts_at_once() -> None:
    shard, watch = Shard(), LedgerWatch()
    rules = load_rules("""
[[rule]]
name = "room"
kind = "room_exhausted"
severity = "warning"
max_shares = 0
release_shares = 1_000
""").foreign
    shard.send(a_tick(8, 55))
    alerts = [
        (alert.ts_ms, alert.message)
        for minute, room in ((0, 50_000), (20, 30_000), (25, 0), (30, 0))
        for entry in entries(shard.send(a_record(at(DAY, 9, minute), 0, current_room=Shares(room))))
        for alert in advance(watch, rules, entry)
    ]
    assert alerts == [(at(DAY, 9, 25), "The foreign room of SSI is exhausted: nothing left to buy.")]


# --- the exchange of a symbol


def exchanges(partial: PartialFlow) -> set[str]:
    return {part.scope for part in partial.sums if part.bought} - {"market"}


def test_a_symbol_is_on_the_exchange_that_its_newest_record_of_the_day_says() -> None:
    shard = Shard()
    before = a_record(at(TradingDay(20261119), 15), 90, exchange=Exchange.UPCOM, trading_day=TradingDay(20261119))
    shard.send(a_tick(8, 55), before)
    shard.send(a_record(at(DAY, 9, 15), 500, exchange=Exchange.HNX))
    shard.send(a_record(at(DAY, 9, 16), 600, exchange=Exchange.HOSE))
    assert exchanges(the_partial(shard.send(a_tick(9, 16)))) == {"HOSE", "sector:Securities"}
    shard.send(a_record(at(DAY, 9, 15), 500, exchange=Exchange.HNX), before, feed="b")
    assert not the_partial(shard.send(a_tick(9, 17))).changed


def test_reference_data_names_the_exchange_only_until_a_record_does() -> None:
    shard = Shard()
    shard.send(a_tick(8, 55), a_reference("SSI", exchange=Exchange.HNX))
    [row] = rows(shard.send(a_record(at(DAY, 9, 15), 500)))
    assert row.exchange is Exchange.HOSE
    assert rows(shard.send(a_reference("SSI", exchange=Exchange.HNX))) == []


# --- what must be bounded, and the same on every machine


def test_totals_beyond_every_market_are_rejected_one_by_one() -> None:
    shard = Shard()
    shard.send(a_tick(9))
    reached = []
    for minute in range(0, 45, 3):
        for later, counter in enumerate((LARGEST - 1, 0, 1)):
            folded = shard.send(a_record(at(DAY, 9, minute + later), counter, bought_value=Vnd(counter)))
            assert {letter.reason for letter in messages(folded, SSI_DLQ)} <= {"out_of_range"}
            reached += [row.bought for row in rows(folded)]
    assert max(reached) < 2 * LARGEST
    assert [event.volume for event in entries(shard.send(a_record(at(DAY, 10, 0), 5, symbol=Symbol("HPG"))))] == [5]


def test_the_value_of_a_shard_does_not_grow_with_its_symbols() -> None:
    sizes = []
    for symbols in (20, 400):
        shard = Shard()
        for n in range(symbols):
            shard.send(a_tick(9, 0, n % 60), a_record(at(DAY, 9, 15), 500 + n, symbol=Symbol(f"S{n}")))
        shard.send(a_tick(9, 15), a_record(at(DAY, 9, 16), 900, symbol=Symbol("S1")))
        sizes.append(len(shard.state[b"foreign"]))
    assert sizes[1] <= sizes[0] + 20


def test_a_shard_lists_the_symbols_that_age_in_the_order_in_which_they_came() -> None:
    shard = Shard()
    names = ["VNM", "SSI", "HPG", "ACB", "MBB"]
    shard.send(a_tick(8, 55))
    shard.send(a_tick(9, 15), *(a_record(at(DAY, 9, 15), 500, symbol=Symbol(name)) for name in names))
    lists = [re.findall(rb"[A-Z]{3}", value) for key, value in shard.state.items() if key.startswith(b"foreign-due")]
    assert [name for listed in lists for name in listed] == [name.encode() for name in names]


def test_movers_are_exact_when_most_of_them_fall_back() -> None:
    shard = Shard()
    names = [Symbol(f"S{n:02}") for n in range(60)]
    shard.send(a_tick(9), *(a_record(at(DAY, 9, 15), 10_000 - n, symbol=name) for n, name in enumerate(names)))
    shard.send(a_tick(9, 15))
    for n, name in enumerate(names[:45]):
        folded = shard.send(a_record(at(DAY, 9, 16), 10_000 - n, 9_000, symbol=name), a_tick(9, 16, n))
    market = next(movers for movers in the_partial(folded).movers if movers.scope == "market")
    assert [mover.symbol for mover in market.buyers] == names[45:55]


# --- frames cut anywhere

streams = st.lists(
    st.one_of(
        st.builds(
            lambda second, bought, sold, symbol: a_record(
                UnixMs(at(DAY, 9) + second * 1000), bought, sold, symbol=Symbol(symbol)
            ),
            st.integers(0, 25_000),
            st.integers(0, 5000),
            st.integers(0, 5000),
            st.sampled_from(["SSI", "VNM", "ZZZ"]),
        ),
        st.builds(lambda second: builders.a_tick(UnixMs(at(DAY, 9) + second * 1000)), st.integers(0, 26_000)),
        st.builds(lambda symbol, groups: a_reference(symbol, groups=groups), st.sampled_from(["SSI", "VNM"]), st.just(["VN30"])),
        st.just(a_tick(8, 30, day=NEXT)),
    ),
    max_size=40,
)


def last_rows(folded: list[Folded]) -> dict[tuple[str, int], ForeignRow]:
    """The last row of each symbol and day, whatever frame it came with."""
    return {(row.symbol, row.day): changed(row, src=0) for one in folded for row in rows(one)}


@given(streams, st.data())
def test_any_cut_into_frames_gives_the_same_events(records: list[Any], data: st.DataObject) -> None:
    whole, pieces = Shard(), Shard()
    at_once = whole.send(*records)
    cuts = sorted({0, len(records), *data.draw(st.lists(st.integers(0, len(records)), max_size=6))})
    parts = [pieces.send(*records[start:end]) for start, end in pairwise(cuts)]

    def events(folded: list[Folded]) -> list[Any]:
        return [event for one in folded for frame in messages(one, MARKET_FOREIGN) for event in frame.events]

    assert events([at_once]) == events(parts)
    assert messages(at_once, PARTIAL_FLOW) == [partial for part in parts for partial in messages(part, PARTIAL_FLOW)]
    assert last_rows([at_once]) == last_rows(parts)


@given(streams, st.sampled_from([DAY, NEXT]))
def test_the_sums_of_a_shard_are_those_of_its_symbols(records: list[Any], day: TradingDay) -> None:
    shard = Shard()
    last: dict[str, ForeignRow] = {}
    reported: PartialFlow | None = None
    for record in [*records, a_tick(23, day=day)]:
        folded = shard.send(record)
        last |= {row.symbol: row for row in rows(folded)}
        reported = next((partial for partial in messages(folded, PARTIAL_FLOW) if partial.changed), reported)
    assert reported is not None
    today = [row for row in last.values() if row.day == reported.day]
    assert sums(reported).get("market", (0, 0)) == (sum(row.bought for row in today), sum(row.sold for row in today))
    nets = {row.symbol: row.net_value for row in today}
    market = next(movers for movers in reported.movers if movers.scope == "market")
    assert {mover.symbol: mover.net_value for mover in (*market.buyers, *market.sellers)} == {
        symbol: net for symbol, net in nets.items() if net
    }
