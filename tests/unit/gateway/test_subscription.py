"""The states of a subscription: where each can go, and that a client comes back to what everybody gets."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.core.interval import IntervalChanges
from gateway.core.selection import Selection
from gateway.core.subscription import AFTER, Happening, RowSubscription, SubscriptionState

GATEWAY_PAGE = Path(__file__).parents[3] / "docs/gateway.md"


class Subscribed:
    """A subscription to all of ``px``, and the intervals of its update interval."""

    def __init__(self, board: Any) -> None:
        self.board = board
        self.subscription = RowSubscription("px", 500, board.directory.audience(Selection(everything=True)), board)
        self._ended_at = board.tables["px"].revision
        self.begun = self.subscription.cursor

    @property
    def state(self) -> SubscriptionState:
        return self.subscription.state

    def read_snapshot(self) -> None:
        self.subscription.ask([])
        self.subscription.page(lambda _key: None)
        self.subscription.catch_up(0, after_snapshot=True)

    def end_interval(self, *, reads: bool) -> list[str]:
        """The keys of the rows that the end of an interval brings."""
        changes = IntervalChanges(self.board, "px", self._ended_at, 0)
        self._ended_at = changes.upto
        return keys_in(self.subscription.end_interval(changes, reads=reads))

    def come_to(self, state: SubscriptionState, put: Any) -> None:
        if state is SubscriptionState.SNAPSHOT:
            return
        self.read_snapshot()
        if state is SubscriptionState.MISSED:
            put("SSI", value=1)
            self.end_interval(reads=False)
        elif state is SubscriptionState.LEVEL:
            self.end_interval(reads=True)
        assert self.state is state

    def let_happen(self, happening: Happening, put: Any) -> None:
        match happening:
            case Happening.ASKED:
                self.subscription.ask(["HPG"])
            case Happening.LAST_PAGE:
                self.subscription.page(lambda _key: None)
            case Happening.SERVED:
                self.subscription.catch_up(0, after_snapshot=False)
            case Happening.MOVED:
                self.subscription.move(100)
            case Happening.ENDED | Happening.UNREAD:
                put("HPG", value=2)
                self.end_interval(reads=happening is Happening.ENDED)


def keys_in(bodies: Sequence[bytes]) -> list[str]:
    return [row[0] for body in bodies for row in json.loads(b"{" + body)["rows"]]


@pytest.fixture
def subscribed(board: Any) -> Subscribed:
    return Subscribed(board)


def test_the_table_has_an_answer_for_everything() -> None:
    assert set(AFTER) == set(SubscriptionState)
    assert {len(row) for row in AFTER.values()} == {len(Happening)}


def test_every_state_can_be_reached_and_left_for_what_everybody_gets() -> None:
    for start in SubscriptionState:
        reached = {start}
        while more := {after for state in reached for after in AFTER[state]} - reached:
            reached |= more
        assert reached == set(SubscriptionState)


def test_the_page_has_the_table_of_the_code() -> None:
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in GATEWAY_PAGE.read_text().splitlines() if "|" in line]
    rows = {line[0].strip("`"): line[1:] for line in lines if line[0].strip("`") in set(SubscriptionState)}
    told = {state: [cell.strip("`") or state for cell in rows[state]] for state in SubscriptionState}
    assert told == {state: list(map(str, after)) for state, after in AFTER.items()}


ONLY_IN = {Happening.LAST_PAGE: SubscriptionState.SNAPSHOT, Happening.SERVED: SubscriptionState.MISSED}
"""There is a last page only of a snapshot, and only who missed something is served in the middle of an interval."""
POSSIBLE = [
    (state, happening) for state in SubscriptionState for happening in Happening if ONLY_IN.get(happening, state) is state
]


@pytest.mark.parametrize(("state", "happening"), POSSIBLE)
def test_what_happens_leads_where_the_table_says(
    subscribed: Subscribed, put: Any, state: SubscriptionState, happening: Happening
) -> None:
    subscribed.come_to(state, put)
    subscribed.let_happen(happening, put)
    assert subscribed.state is AFTER[state][happening]


def test_who_reads_gets_what_everybody_gets_interval_after_interval(subscribed: Subscribed, put: Any) -> None:
    subscribed.come_to(SubscriptionState.LEVEL, put)
    for symbol in ("VNM", "HPG"):
        put(symbol)
        assert subscribed.end_interval(reads=True) == [symbol]
        assert subscribed.state is SubscriptionState.LEVEL
    assert subscribed.end_interval(reads=True) == []
    assert subscribed.subscription.cursor == subscribed.board.cursor("px")


def test_what_changes_during_a_snapshot_is_sent_after_it_and_moves_no_cursor(subscribed: Subscribed, put: Any) -> None:
    put("VNM")
    assert subscribed.end_interval(reads=True) == []
    assert (subscribed.state, subscribed.subscription.cursor) == (SubscriptionState.SNAPSHOT, subscribed.begun)
    subscribed.subscription.page(lambda _key: None)
    assert keys_in(subscribed.subscription.catch_up(0, after_snapshot=True)) == ["VNM"]
    assert subscribed.subscription.cursor == subscribed.board.cursor("px")


def test_who_does_not_read_misses_rows_and_its_cursor_stays(subscribed: Subscribed, put: Any) -> None:
    subscribed.come_to(SubscriptionState.LEVEL, put)
    before = subscribed.subscription.cursor
    put("VNM")
    assert subscribed.end_interval(reads=False) == []
    assert (subscribed.state, subscribed.subscription.cursor) == (SubscriptionState.MISSED, before)
    (body,) = subscribed.subscription.catch_up(0, after_snapshot=False)
    assert b'"con":true' in body
    assert keys_in([body]) == ["VNM"]


def test_who_does_not_read_misses_nothing_where_nothing_changes(subscribed: Subscribed, put: Any) -> None:
    subscribed.come_to(SubscriptionState.LEVEL, put)
    assert subscribed.end_interval(reads=False) == []
    assert subscribed.state is SubscriptionState.LEVEL


def test_a_client_that_is_served_in_the_middle_of_an_interval_is_not_sent_what_was_made_before(
    subscribed: Subscribed, put: Any
) -> None:
    subscribed.come_to(SubscriptionState.MISSED, put)
    put("VNM", value=2)
    ended = IntervalChanges(subscribed.board, "px", subscribed.board.tables["px"].revision - 1, 0)
    others = ended.messages(subscribed.subscription.audience)
    put("VNM", value=3)
    subscribed.subscription.catch_up(0, after_snapshot=False)
    assert b'["VNM",2]' in others[0]
    assert subscribed.subscription.end_interval(ended, reads=True) == []
