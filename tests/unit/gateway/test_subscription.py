"""The states of a subscription: where each can go, and that a client comes back to what everybody gets."""

import pytest

from gateway.core.subscription import AFTER, Happening, Subscription, SubscriptionState


def subscription_in(state: SubscriptionState) -> Subscription:
    return Subscription("px", throttle_ms=500, cursor="before", state=state)


def test_the_table_has_an_answer_for_everything() -> None:
    assert set(AFTER) == set(SubscriptionState)
    assert {len(row) for row in AFTER.values()} == {len(Happening)}


def test_every_state_can_be_reached_and_left_for_what_everybody_gets() -> None:
    for start in SubscriptionState:
        reached = {start}
        while more := {after for state in reached for after in AFTER[state]} - reached:
            reached |= more
        assert reached == set(SubscriptionState)


@pytest.mark.parametrize("state", [state for state in SubscriptionState if state is not SubscriptionState.LIVE])
def test_only_who_has_everything_and_nothing_newer_gets_what_everybody_gets(state: SubscriptionState) -> None:
    subscription = subscription_in(state)
    assert subscription.end_interval({"VNM"}, "now", reads=True) is False
    assert subscription.pending.keys.keys() == {"VNM"}


def test_who_reads_gets_what_everybody_gets_interval_after_interval() -> None:
    subscription = subscription_in(SubscriptionState.LIVE)
    for changed in ({"VNM"}, set[str](), {"HPG"}):
        assert subscription.end_interval(changed, "now", reads=True) is True
    assert (subscription.state, subscription.pending.keys, subscription.cursor) == (SubscriptionState.LIVE, {}, "now")


def test_after_its_snapshot_a_client_gets_rows_of_its_own_for_one_interval_and_then_what_everybody_gets() -> None:
    subscription = subscription_in(SubscriptionState.LIVE)
    subscription.ask(["VNM"])
    assert list(subscription.snapshot()) == ["VNM"]
    assert subscription.page_written()
    assert subscription.catch_up() == ([], False)
    assert subscription.state is SubscriptionState.AHEAD
    assert not subscription.end_interval({"HPG"}, "now", reads=True)
    assert subscription.catch_up() == (["HPG"], False)
    assert subscription.end_interval({"VNM"}, "then", reads=True)


def test_what_changes_during_a_snapshot_is_sent_after_it_and_moves_no_cursor() -> None:
    subscription = subscription_in(SubscriptionState.SNAPSHOT)
    subscription.ask(["VNM", "HPG"])
    subscription.end_interval({"VNM"}, "now", reads=True)
    assert (subscription.state, subscription.cursor) == (SubscriptionState.SNAPSHOT, "before")
    assert next(subscription.snapshot()) == "VNM"
    assert not subscription.page_written()
    assert next(subscription.snapshot()) == "HPG"
    assert subscription.page_written()
    assert subscription.catch_up() == (["VNM"], False)


def test_who_does_not_read_is_behind_and_its_cursor_stays() -> None:
    subscription = subscription_in(SubscriptionState.LIVE)
    assert not subscription.end_interval({"VNM"}, "now", reads=False)
    assert (subscription.state, subscription.cursor, subscription.waits) == (SubscriptionState.BEHIND, "before", True)
    assert subscription.catch_up() == (["VNM"], True)


def test_who_does_not_read_misses_nothing_where_nothing_changes() -> None:
    subscription = subscription_in(SubscriptionState.LIVE)
    subscription.end_interval(set(), "now", reads=False)
    assert (subscription.state, subscription.cursor) == (SubscriptionState.LIVE, "before")
