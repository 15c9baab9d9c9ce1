"""The second stage of the foreign flow: the same partials give the same flow, however the shards interleave."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.flow import fold_partial
from pipelines.core.frames import Folded, Shard
from pipelines.core.movers import MOVERS
from schemas.calendar import at
from schemas.position import Position
from schemas.structs import FlowEvent, FlowRow, FlowSum, Mover, Movers, PartialFlow
from schemas.topics import MARKET_FLOW, PARTIAL_FLOW, STATE_FLOW, Topic
from schemas.units import Shares, Symbol, TradingDay, UnixMs, Vnd
from tests.builders import offers

DAY = TradingDay(20261120)
NEXT = TradingDay(20261123)
OPEN_MS = at(DAY, 9)
MINUTE_MS = 60_000


class Flow:
    """The second stage with its state."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.offset = 0

    def take(self, partial: PartialFlow) -> Folded:
        position = Position("partial.flow", 0, self.offset)
        self.offset += 1
        return fold_partial(partial, position, Shard.of("foreign", 0, 1), self.state, offers=offers(PARTIAL_FLOW))


def a_partial(shard: int, second: int, bought: int | None = None, sold: int = 0, **changes: Any) -> PartialFlow:
    """One of two shards; without ``bought`` one that says that nothing changed."""
    net = 0 if bought is None else bought - sold
    mover = Mover(symbol=Symbol(f"SYM{shard}"), net_value=Vnd(net * 1000), net_volume=Shares(net))
    fields: dict[str, Any] = {
        "shard": shard,
        "shards": 2,
        "day": DAY,
        "ts_ms": UnixMs(OPEN_MS + second * 1000),
        "changed": bought is not None,
        "sums": [] if bought is None else [a_sum("market", bought, sold)],
        "movers": []
        if bought is None
        else [Movers(scope="market", buyers=[mover] if net > 0 else [], sellers=[mover] if net < 0 else [])],
    }
    return PartialFlow(**fields | changes)


def a_sum(scope: str, bought: int, sold: int) -> FlowSum:
    return FlowSum(
        scope=scope, bought=Shares(bought), sold=Shares(sold), bought_value=Vnd(bought * 1000), sold_value=Vnd(sold * 1000)
    )


def messages(folded: Folded, topic: Topic[Any]) -> list[Any]:
    return [topic.decode(output.value) for output in folded.outputs if output.topic is topic]


def rows(folded: Folded) -> dict[str, FlowRow]:
    found = messages(folded, STATE_FLOW)
    assert len({row.scope for row in found}) == len(found), "one row a scope and message"
    return {row.scope: row for row in found}


def events(folded: Folded) -> list[FlowEvent]:
    return [event for frame in messages(folded, MARKET_FLOW) for event in frame.events]


# --- when a second is complete


def test_a_second_waits_for_every_shard() -> None:
    flow = Flow()
    assert flow.take(a_partial(0, 5, 100)).outputs == []
    row = rows(flow.take(a_partial(1, 5, 30)))["market"]
    assert (row.bought, row.ts_ms, row.src, row.day) == (130, OPEN_MS + 5000, 1, DAY)


def test_a_quiet_shard_does_not_hold_back_the_others() -> None:
    flow = Flow()
    flow.take(a_partial(0, 5, 100))
    assert rows(flow.take(a_partial(1, 5)))["market"].bought == 100


def test_a_shard_that_runs_ahead_counts_as_of_the_second_that_is_complete() -> None:
    flow = Flow()
    for second in range(1, 6):
        flow.take(a_partial(0, second, 100 * second))
    assert rows(flow.take(a_partial(1, 2)))["market"].bought == 200
    assert rows(flow.take(a_partial(1, 3)))["market"].bought == 300
    assert rows(flow.take(a_partial(1, 9)))["market"].bought == 500


def test_several_seconds_completed_at_once_give_one_row_and_every_minute() -> None:
    flow = Flow()
    for minute in range(3):
        flow.take(a_partial(0, 60 * minute + 30, 100 * (minute + 1)))
    folded = flow.take(a_partial(1, 200))
    assert rows(folded)["market"].bought == 300
    assert [(event.ts_ms - OPEN_MS, event.bought) for event in events(folded)] == [(60_000, 100), (120_000, 200)]


def test_a_repeated_partial_changes_nothing() -> None:
    flow = Flow()
    for partial in (a_partial(0, 5, 100), a_partial(1, 5, 30)):
        flow.take(partial)
    before = dict(flow.state)
    assert flow.take(a_partial(0, 5, 999)).outputs == []
    assert flow.state == before


# --- rows


def test_a_row_comes_only_when_its_scope_looks_different() -> None:
    flow = Flow()
    flow.take(a_partial(0, 1, sums=[a_sum("market", 5, 0), a_sum("HOSE", 5, 0), a_sum("HNX", 0, 0)], changed=True))
    assert rows(flow.take(a_partial(1, 1))).keys() == {"market", "HOSE", "HNX"}
    flow.take(a_partial(0, 2, sums=[a_sum("market", 5, 0), a_sum("HOSE", 6, 0), a_sum("HNX", 0, 0)], changed=True))
    assert rows(flow.take(a_partial(1, 2))).keys() == {"HOSE"}


def test_movers_of_all_shards_are_merged_by_net_value() -> None:
    def movers(shard: int, sign: int) -> list[Mover]:
        return [
            Mover(symbol=Symbol(f"S{shard}{n:02}"), net_value=Vnd(sign * (100 - 2 * n + shard)), net_volume=Shares(sign))
            for n in range(MOVERS)
        ]

    flow = Flow()
    for shard in (0, 1):
        top = Movers(scope="market", buyers=movers(shard, 1), sellers=movers(shard, -1))
        folded = flow.take(a_partial(shard, 1, 10, movers=[top]))
    row = rows(folded)["market"]
    assert [mover.net_value for mover in row.buyers] == [101, 100, 99, 98, 97, 96, 95, 94, 93, 92]
    assert [mover.net_value for mover in row.sellers] == [-101, -100, -99, -98, -97, -96, -95, -94, -93, -92]


def test_a_scope_has_the_movers_that_its_shards_name() -> None:
    mover = Mover(symbol=Symbol("SHS"), net_value=Vnd(5), net_volume=Shares(5))
    flow = Flow()
    flow.take(a_partial(1, 1))
    folded = flow.take(
        a_partial(
            0,
            1,
            changed=True,
            sums=[a_sum("market", 5, 0), a_sum("HNX", 5, 0), a_sum("sector:Securities", 5, 0)],
            movers=[Movers(scope="HNX", buyers=[mover], sellers=[])],
        )
    )
    assert [mover.symbol for mover in rows(folded)["HNX"].buyers] == ["SHS"]
    assert rows(folded)["sector:Securities"].buyers == []


# --- minutes


def test_a_minute_is_told_once_all_shards_have_passed_it() -> None:
    flow = Flow()
    flow.take(a_partial(0, 30, 100))
    flow.take(a_partial(1, 45, 7))
    assert events(flow.take(a_partial(0, 60))) == []
    [event] = events(flow.take(a_partial(1, 60)))
    assert (event.scope, event.ts_ms, event.bought, event.day) == ("market", OPEN_MS + MINUTE_MS, 107, DAY)


def test_what_a_shard_says_at_the_very_minute_belongs_to_it() -> None:
    flow = Flow()
    flow.take(a_partial(0, 30, 60))
    flow.take(a_partial(0, 60, 100))
    flow.take(a_partial(0, 61, 200))
    [event] = events(flow.take(a_partial(1, 61)))
    assert (event.ts_ms, event.bought) == (OPEN_MS + MINUTE_MS, 100)


def test_a_minute_in_which_nothing_moved_is_not_told() -> None:
    flow = Flow()
    for second in range(30, 400, 30):
        flow.take(a_partial(0, second, 100 if second == 30 else None))
        folded = flow.take(a_partial(1, second))
        assert len(events(folded)) == (1 if second == 60 else 0)


def test_a_scope_without_any_volume_is_not_told() -> None:
    flow = Flow()
    flow.take(a_partial(0, 30, changed=True, sums=[a_sum("market", 5, 0), a_sum("HNX", 0, 0)]))
    flow.take(a_partial(1, 30))
    flow.take(a_partial(0, 60))
    assert [event.scope for event in events(flow.take(a_partial(1, 60)))] == ["market"]


# --- days


def test_a_new_day_shows_every_scope_at_nothing_and_counts_from_there() -> None:
    flow = Flow()
    flow.take(a_partial(0, 30, changed=True, sums=[a_sum("market", 5, 0), a_sum("VN30", 5, 0)]))
    flow.take(a_partial(1, 30, 2))
    overnight = (at(NEXT, 8) - OPEN_MS) // 1000
    flow.take(a_partial(0, overnight, changed=True, sums=[], movers=[], day=NEXT))
    folded = flow.take(a_partial(1, overnight, changed=True, sums=[], movers=[], day=NEXT))
    assert {scope: (row.day, row.bought) for scope, row in rows(folded).items()} == {"market": (NEXT, 0), "VN30": (NEXT, 0)}
    assert [(event.scope, event.day, event.bought) for event in events(folded)] == [("VN30", DAY, 5), ("market", DAY, 7)]
    flow.take(a_partial(0, overnight + 60, 1, day=NEXT))
    [event] = events(flow.take(a_partial(1, overnight + 60, day=NEXT, changed=False)))
    assert (event.day, event.bought) == (NEXT, 1)


def test_a_shard_that_is_still_at_the_day_before_counts_nothing() -> None:
    flow = Flow()
    flow.take(a_partial(0, 30, 5))
    flow.take(a_partial(1, 30, 2))
    overnight = (at(NEXT, 8) - OPEN_MS) // 1000
    flow.take(a_partial(0, overnight, 9, day=NEXT))
    assert rows(flow.take(a_partial(1, overnight)))["market"].bought == 9


def test_another_number_of_shards_begins_anew() -> None:
    flow = Flow()
    flow.take(a_partial(0, 30, 5))
    flow.take(a_partial(1, 30, 2))
    overnight = (at(NEXT, 8) - OPEN_MS) // 1000
    assert rows(flow.take(a_partial(0, overnight, 4, day=NEXT, shards=1)))["market"].bought == 4


# --- any interleaving


@st.composite
def lanes(draw: st.DrawFn) -> list[list[PartialFlow]]:
    """What each of three shards says: seconds in order, some skipped, some without change, over two days perhaps."""
    found = []
    for shard in range(3):
        partials = []
        second = bought = sold = 0
        day = DAY
        for n in range(draw(st.integers(0, 12))):
            second += draw(st.integers(1, 40))
            if n and day == DAY and draw(st.integers(0, 15)) == 0:
                day, second, bought, sold = NEXT, second + 86_400, 0, 0
            moves = draw(st.booleans()) or n == 0
            if moves:
                bought, sold = bought + draw(st.integers(0, 50)), sold + draw(st.integers(0, 50))
            changes = {"sums": [a_sum("market", bought, sold), a_sum(f"X{shard % 2}", bought, sold)]} if moves else {}
            partials.append(a_partial(shard, second, bought if moves else None, sold, day=day, shards=3, **changes))
        found.append(partials)
    return found


def interleave(lanes: list[list[PartialFlow]], draw: st.DataObject) -> list[PartialFlow]:
    waiting = [list(lane) for lane in lanes]
    order = []
    while any(waiting):
        lane = draw.draw(st.sampled_from([lane for lane in waiting if lane]))
        order.append(lane.pop(0))
    return order


def run(order: list[PartialFlow]) -> tuple[list[bytes], dict[str, tuple[object, ...]]]:
    """The frames of market.flow, and the last row of each scope."""
    flow = Flow()
    frames: list[bytes] = []
    last: dict[str, tuple[object, ...]] = {}
    for partial in order:
        folded = flow.take(partial)
        frames += [output.value for output in folded.outputs if output.topic is MARKET_FLOW]
        for scope, row in rows(folded).items():
            last[scope] = (row.day, row.ts_ms, row.bought, row.sold, row.net_value, row.buyers, row.sellers)
    return frames, last


@given(lanes(), st.data())
def test_any_interleaving_of_the_shards_gives_the_same_flow(found: list[list[PartialFlow]], data: st.DataObject) -> None:
    one_after_the_other = [partial for lane in found for partial in lane]
    assert run(interleave(found, data)) == run(one_after_the_other)


@given(lanes(), st.data())
def test_the_flow_is_the_sum_of_what_the_shards_said_by_then(found: list[list[PartialFlow]], data: st.DataObject) -> None:
    _, last = run(interleave(found, data))
    if not all(found):
        assert last == {}, "a shard that never reported holds back everything"
        return
    complete_ms = min(lane[-1].ts_ms for lane in found)
    in_force = [[partial for partial in lane if partial.changed and partial.ts_ms <= complete_ms][-1:] for lane in found]
    said = [partial for lane in in_force for partial in lane]
    if not said:
        return
    day = max(partial.day for partial in said)
    for scope, row in last.items():
        parts = [part for partial in said if partial.day == day for part in partial.sums if part.scope == scope]
        assert row[0] == day
        assert row[2:4] == (sum(part.bought for part in parts), sum(part.sold for part in parts))
