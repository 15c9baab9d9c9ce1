from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import RecordRejected
from pipelines.core.feeds import Delivery, Feeds
from schemas.structs import ClockTick
from tests import builders


def a_tick(second: int, health: Literal["up", "down"] = "up", step: int = 1) -> ClockTick:
    return builders.a_tick(second * 1000, health=health, step=step)


class Shard:
    """Two feeds of one shard, with the sequence numbers that an unbroken connection would have."""

    def __init__(self) -> None:
        self.state: dict[bytes, bytes] = {}
        self.seqs: dict[tuple[str, int], int] = {}

    def frame(
        self, feed: str, epoch: int = 1, *, ticks: tuple[ClockTick, ...] = (), lost: int = 0, losses: int = 0
    ) -> tuple[Feeds, Delivery]:
        """One frame: ``lost`` frames before it never arrive, ``losses`` loss markers are in it before the ticks."""
        state = builders.a_state(self.state)
        feeds = Feeds.load(state)
        seq = self.seqs.get((feed, epoch), -1) + 1 + lost
        self.seqs[feed, epoch] = seq
        delivery = feeds.arrive(feed, epoch, seq)
        for _ in range(losses):
            delivery.lose()
        for tick in ticks:
            delivery.tick(tick)
        feeds.store(state)
        state.flush()
        return feeds, delivery


@pytest.fixture
def shard() -> Shard:
    return Shard()


def test_the_shards_time_is_the_greatest_tick_of_any_feed(shard: Shard) -> None:
    shard.frame("a", ticks=(a_tick(10),))
    feeds, _ = shard.frame("b", ticks=(a_tick(8),))
    assert feeds.now_ms == 10_000
    feeds, _ = shard.frame("b", ticks=(a_tick(60),))
    assert feeds.now_ms == 60_000


def test_a_tick_says_whether_time_moved(shard: Shard) -> None:
    _, delivery = shard.frame("a")
    assert delivery.tick(a_tick(10))
    assert not delivery.tick(a_tick(10))
    assert not delivery.tick(a_tick(9))


def test_the_trading_day_only_moves_forward(shard: Shard) -> None:
    feeds, _ = shard.frame("a")
    assert feeds.meet(20261120, 5)
    assert not feeds.meet(20261120, 6)
    assert not feeds.meet(20261119, 7)
    assert feeds.meet(20261123, 8)
    assert (feeds.day, feeds.joined_ms) == (20261123, 8)


def test_a_day_that_is_no_date_is_rejected(shard: Shard) -> None:
    feeds, _ = shard.frame("a")
    with pytest.raises(RecordRejected, match="20261345 is no date"):
        feeds.meet(20261345, 5)
    assert feeds.day == 0


class TestLeader:
    def test_it_is_the_first_feed_seen(self, shard: Shard) -> None:
        _, a = shard.frame("a", ticks=(a_tick(1),))
        _, b = shard.frame("b", ticks=(a_tick(1),))
        assert (a.leads, b.leads) == (True, False)

    def test_it_is_replaced_when_it_says_that_it_is_down(self, shard: Shard) -> None:
        shard.frame("a", ticks=(a_tick(1),))
        shard.frame("b", ticks=(a_tick(1),))
        _, a = shard.frame("a", ticks=(a_tick(2, "down"),))
        assert a.leads  # nobody else has said yet that he is there
        _, b = shard.frame("b", ticks=(a_tick(2),))
        assert b.leads

    def test_it_is_replaced_after_more_than_three_seconds_of_silence(self, shard: Shard) -> None:
        #    a   1 2
        #    b   1 2 3 4 5 6
        #                  ▲ a has been silent for more than three seconds
        shard.frame("a", ticks=(a_tick(1), a_tick(2)))
        for second in (1, 2, 3, 4, 5):
            _, b = shard.frame("b", ticks=(a_tick(second),))
            assert not b.leads
        _, b = shard.frame("b", ticks=(a_tick(6),))
        assert b.leads
        _, a = shard.frame("a", ticks=(a_tick(7),))
        assert not a.leads

    @pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 10, 60, 600])
    @pytest.mark.parametrize("first", ["a", "b"])
    def test_two_feeds_with_the_same_step_never_take_the_lead_from_each_other(self, shard: Shard, step: int, first: str) -> None:
        shard.frame("a", ticks=(a_tick(1),))
        for number in range(1, 9):
            second = 1 + number * step
            for feed in (first, "b" if first == "a" else "a"):
                feeds, _ = shard.frame(feed, ticks=(a_tick(second),))
                assert feeds.leader == "a"
                assert all(feeds.runs(known) for known in feeds.feeds)

    @pytest.mark.parametrize(("slow", "quick"), [(5, 1), (60, 1), (10, 3), (600, 5)])
    def test_a_feed_that_ticks_seldom_keeps_the_lead_beside_one_that_ticks_often(
        self, shard: Shard, slow: int, quick: int
    ) -> None:
        shard.frame("a", ticks=(a_tick(1), a_tick(1 + slow)))
        seldom = [(1 + number * slow, "a") for number in range(2, 6)]
        often = [(second, "b") for second in range(1 + slow, 1 + 5 * slow, quick)]
        for second, feed in sorted(seldom + often, key=lambda tick: (tick[0], tick[1] == "a")):
            feeds, _ = shard.frame(feed, ticks=(a_tick(second),))
            assert feeds.leader == "a"

    @pytest.mark.parametrize("step", [5, 10, 60])
    def test_it_is_replaced_when_two_ticks_that_were_due_are_missing(self, shard: Shard, step: int) -> None:
        #    a   1  6
        #    b   1  6  11  16  21
        #                      ▲ a has missed those of 11 and 16
        for number in range(2):
            for feed in "ab":
                shard.frame(feed, ticks=(a_tick(1 + number * step),))
        leaders = [shard.frame("b", ticks=(a_tick(1 + number * step),))[0].leader for number in range(2, 5)]
        assert leaders == ["a", "a", "b"]

    def test_one_long_step_does_not_make_a_feed_that_then_dies_live_on(self, shard: Shard) -> None:
        shard.frame("a", ticks=(a_tick(1), a_tick(2), a_tick(1_500)))
        for second in range(1_500, 1_504):
            feeds, _ = shard.frame("b", ticks=(a_tick(second),))
            assert feeds.leader == "a"
        feeds, _ = shard.frame("b", ticks=(a_tick(1_504),))
        assert feeds.leader == "b"

    @given(
        a_step=st.integers(1, 60), b_step=st.integers(1, 60), dies=st.integers(1, 100) | st.none(),
        between=st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ab")), max_size=40),
    )  # fmt: skip
    def test_no_step_takes_the_lead_from_a_feed_that_runs_or_hides_one_that_does_not(
        self, a_step: int, b_step: int, dies: int | None, between: list[tuple[int, str]]
    ) -> None:
        """Ticks are due at the multiples of a step; others come between them, ahead of records."""
        shard, steps = Shard(), {"a": a_step, "b": b_step}
        due = [(second, feed) for feed, step in steps.items() for second in range(0, 400, step)]
        a_ms = 0
        shard.frame("a", ticks=(a_tick(0, step=a_step),))
        for second, feed in sorted({*due, *between}):
            if feed == "a" and dies is not None and second >= dies:
                continue
            a_ms = second * 1_000 if feed == "a" else a_ms
            feeds, _ = shard.frame(feed, ticks=(a_tick(second, step=steps[feed]),))
            if dies is None or second < dies:
                assert feeds.leader == "a"
                assert all(feeds.runs(known) for known in feeds.feeds)
            elif second * 1_000 - a_ms > max(3_000, 2 * a_step * 1_000) + 2 * b_step * 1_000:
                assert feeds.leader == "b"
                assert not feeds.runs(feeds.feeds[0])

    def test_it_stays_when_nobody_else_is_there(self, shard: Shard) -> None:
        shard.frame("a", ticks=(a_tick(1),))
        shard.frame("a", ticks=(a_tick(100, "down"),))
        _, a = shard.frame("a", epoch=2)
        assert a.leads

    def test_an_old_connection_of_the_leader_does_not_lead(self, shard: Shard) -> None:
        shard.frame("a", epoch=2)
        _, late = shard.frame("a", epoch=1)
        assert not late.leads


class TestCoverage:
    def test_a_running_feed_covers(self, shard: Shard) -> None:
        feeds, _ = shard.frame("a", ticks=(a_tick(1),))
        mark = feeds.mark
        feeds, _ = shard.frame("a", ticks=(a_tick(2),))
        assert feeds.covered(mark)
        assert feeds.covered_from(1_000)
        assert not feeds.covered_from(999)

    @pytest.mark.parametrize("breaks", ["connects anew", "loses a frame", "throws records away", "is down for a while"])
    def test_a_feed_that_breaks_covers_from_then_on_only(self, shard: Shard, breaks: str) -> None:
        feeds, _ = shard.frame("a", ticks=(a_tick(1),))
        mark, epoch = feeds.mark, 1
        match breaks:
            case "connects anew":
                epoch = 2
                shard.frame("a", epoch)
            case "loses a frame":
                shard.frame("a", lost=1)
            case "throws records away":
                shard.frame("a", losses=1)
            case "is down for a while":
                shard.frame("a", ticks=(a_tick(2, "down"),))
        feeds, _ = shard.frame("a", epoch, ticks=(a_tick(3),))
        assert not feeds.covered(mark)
        assert not feeds.covered_from(1_000)
        mark = feeds.mark
        feeds, _ = shard.frame("a", epoch, ticks=(a_tick(4),))
        assert feeds.covered(mark)
        assert feeds.covered_from(3_000)

    def test_a_break_within_one_second_of_the_clock_is_a_break(self, shard: Shard) -> None:
        feeds, _ = shard.frame("a", ticks=(a_tick(1),))
        mark = feeds.mark
        feeds, _ = shard.frame("a", epoch=2, ticks=(a_tick(1),))
        assert not feeds.covered(mark)

    def test_one_of_two_feeds_is_enough(self, shard: Shard) -> None:
        shard.frame("a", ticks=(a_tick(1),))
        feeds, _ = shard.frame("b", ticks=(a_tick(1),))
        mark = feeds.mark
        feeds, _ = shard.frame("a", epoch=2, ticks=(a_tick(2),))
        assert feeds.covered(mark)

    def test_two_feeds_that_break_in_turn_cover_nothing_together(self, shard: Shard) -> None:
        #    a   ├──────────╳   ╳├─────
        #    b   ├────╳ ╳├──────────
        #        ▲ mark: neither has run without a break since then
        shard.frame("a", ticks=(a_tick(1),))
        feeds, _ = shard.frame("b", ticks=(a_tick(1),))
        mark = feeds.mark
        shard.frame("b", epoch=2, ticks=(a_tick(2),))
        feeds, _ = shard.frame("a", epoch=2, ticks=(a_tick(3),))
        assert not feeds.covered(mark)

    def test_a_feed_that_went_silent_does_not_cover(self, shard: Shard) -> None:
        shard.frame("a", ticks=(a_tick(1),))
        feeds, _ = shard.frame("b", ticks=(a_tick(1),))
        mark = feeds.mark
        feeds, _ = shard.frame("b", epoch=2, ticks=(a_tick(4),))
        assert feeds.covered(mark)
        feeds, _ = shard.frame("b", epoch=2, ticks=(a_tick(5),))
        assert not feeds.covered(mark)

    def test_a_frame_that_comes_twice_is_no_break(self, shard: Shard) -> None:
        feeds, _ = shard.frame("a", ticks=(a_tick(1),))
        mark = feeds.mark
        feeds.arrive("a", 1, 0)
        assert feeds.covered(mark)


steps = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(1, 4),
        st.integers(0, 2),
        st.lists(st.tuples(st.integers(1, 30), st.sampled_from(["up", "down"])), max_size=3),
        st.integers(0, 1),
    ),
    max_size=30,
)


@given(steps)
def test_whatever_comes_time_and_marks_only_grow_and_a_leader_is_a_feed(
    given_steps: list[tuple[str, int, int, list[tuple[int, Literal["up", "down"]]], int]],
) -> None:
    shard = Shard()
    now_ms = mark = 0
    for feed, epoch, lost, ticks, losses in given_steps:
        feeds, _ = shard.frame(feed, epoch, ticks=tuple(a_tick(*tick) for tick in ticks), lost=lost, losses=losses)
        assert feeds.now_ms >= now_ms
        assert feeds.mark >= mark
        now_ms, mark = feeds.now_ms, feeds.mark
        assert feeds.leader in {known.name for known in feeds.feeds}
        assert Feeds.load(builders.a_state(shard.state)) == feeds


@given(steps)
def test_a_single_feed_never_covers_a_stretch_with_a_break_in_it(
    given_steps: list[tuple[str, int, int, list[tuple[int, Literal["up", "down"]]], int]],
) -> None:
    shard, epoch = Shard(), 1
    mark: int | None = None
    for _, newer, lost, ticks, losses in given_steps:
        broke = newer > epoch or bool(lost and (("a", 1) in shard.seqs or epoch > 1)) or losses > 0
        epoch = max(epoch, newer)
        feeds, _ = shard.frame("a", epoch, ticks=tuple(a_tick(*tick) for tick in ticks), lost=lost, losses=losses)
        if mark is not None and broke:
            assert not feeds.covered(mark)
        mark = feeds.mark
