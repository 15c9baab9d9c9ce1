from typing import Any

import msgspec

from schemas.position import Position
from schemas.structs import FlowRow
from schemas.units import TradingDay, UnixMs
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.core.snapshots import Snapshot, compare_events, compare_rows
from tests.builders import DAY, a_candle_event

COLUMNS = ("key", "day", "bought", "sold", "net_volume", "room")


def at(offset: int) -> EventPosition:
    return EventPosition(Position("state.flow", 0, offset), 0)


def a_scope(scope: str = "market", bought: int = 300) -> FlowRow:
    return FlowRow(
        day=TradingDay(DAY), src=7, ts_ms=UnixMs(1), scope=scope, bought=bought, sold=100, bought_value=3, sold_value=1,
        net_value=2, buyers=[], sellers=[],
    )  # fmt: skip


def shown(*rows: list[Any]) -> Snapshot:
    return Snapshot("flow", "REST", COLUMNS, rows)


RIGHT = ["#market", DAY, 300, 100, 200, None]


def test_a_scope_is_shown_under_its_mark_with_its_net_and_without_what_only_symbols_have() -> None:
    assert list(compare_rows(shown(RIGHT), [(at(1), a_scope())])) == []


def test_a_row_that_is_missing_unknown_doubled_or_wrong_is_named() -> None:
    rows = [(at(1), a_scope())]
    assert [found.kind for found in compare_rows(shown(), rows)] == ["missing_in_gateway"]
    assert [found.kind for found in compare_rows(shown(RIGHT, RIGHT), rows)] == ["doubled_in_gateway"]
    assert [found.kind for found in compare_rows(shown(RIGHT, ["#HOSE", *RIGHT[1:]]), rows)] == ["unknown_in_gateway"]
    (wrong,) = compare_rows(shown(["#market", DAY, 350, 100, 250, None]), rows)
    assert (wrong.kind, wrong.symbol, wrong.fields, wrong.position) == (
        "wrong_in_gateway", "#market", ("bought", "net_volume"), at(1)
    )  # fmt: skip


def test_events_that_are_due_must_be_shown_and_older_ones_may() -> None:
    candles = [a_candle_event(symbol) for symbol in ("VNM", "FPT")]
    columns = tuple(msgspec.to_builtins(candles[0]))
    events = [(at(offset), candle) for offset, candle in enumerate(candles)]
    rows = [[msgspec.to_builtins(candle)[name] for name in columns] for candle in candles]

    def kinds(*rows: list[Any]) -> list[str]:
        snapshot = Snapshot("candle", "WebSocket", columns, rows)
        return [found.kind for found in compare_events(snapshot, events, lambda place: place.message.offset > 0)]

    assert kinds(*rows) == []
    assert kinds(rows[1]) == []
    assert kinds(rows[0]) == ["missing_in_gateway"]
    assert kinds(*rows, rows[1]) == ["doubled_in_gateway"]
