from typing import Any

from schemas.position import Position
from schemas.units import Side
from stock_tracker.verify.core.derived import DERIVED, Derived, compare, rows_of
from stock_tracker.verify.core.differences import EventPosition
from tests.builders import a_ledger_entry, a_trade_event, moment

TABLES = {table.view: table for table in DERIVED}


def placed(*events: Any) -> list[tuple[EventPosition, Any]]:
    return [(EventPosition(Position("market.trades", 0, offset), 0), event) for offset, event in enumerate(events)]


def as_rows(table: Derived, events: list[tuple[EventPosition, Any]]) -> list[dict[str, Any]]:
    """The table as it must be."""
    return [dict(zip(table.key, key, strict=True)) | dict(row) for key, (_, row) in rows_of(table, events).items()]


PRINTS = placed(
    a_trade_event(ts="10:00:05", total=100, price=20_000, side=Side.BUY),
    a_trade_event(ts="10:00:59", start=100, total=400, volume=300, price=20_200, side=Side.SELL),
    # It came late: by its time it is the first of the minute.
    a_trade_event(ts="10:00:01", start=400, total=500, price=19_900, side=Side.NEUTRAL),
    a_trade_event(ts="10:01:00", start=500, total=600, price=20_100, phase="put_through"),
    a_trade_event(ts="10:01:00", start=500, total=600, kind="gap"),
)


def test_a_minute_holds_the_matches_of_the_order_book_in_the_order_of_their_time() -> None:
    (row,) = as_rows(TABLES["candles_1m"], PRINTS)
    assert row == {
        "symbol": "VNM", "t_ms": moment("10:00:00"), "open": 19_900, "high": 20_200, "low": 19_900, "close": 20_200,
        "volume": 500, "value": 20_000 * 100 + 20_200 * 300 + 19_900 * 100, "vwap": 20_100.0, "active_buy": 100,
        "active_sell": 300, "prints": 3,
    }  # fmt: skip


def test_the_ledger_s_minute_nets_what_was_bought_against_what_was_sold() -> None:
    entries = placed(a_ledger_entry(volume=100, value=7), a_ledger_entry(volume=30, value=2, side=Side.SELL))
    (row,) = as_rows(TABLES["foreign_1m"], entries)
    assert {name: row[name] for name in ("bought", "sold", "net_value", "entries")} == {
        "bought": 100, "sold": 30, "net_value": 5, "entries": 2
    }  # fmt: skip


def test_a_row_that_is_missing_unknown_doubled_or_wrong_is_named() -> None:
    table = TABLES["candles_1m"]
    (right,) = as_rows(table, PRINTS)

    def kinds(*rows: dict[str, Any]) -> list[str]:
        return [found.kind for found in compare(table, PRINTS, rows)]

    assert kinds(right) == []
    assert kinds() == ["missing_row"]
    assert kinds(right, right) == ["doubled_row"]
    assert kinds(right, right | {"t_ms": 0}) == ["unknown_row"]
    (wrong,) = compare(table, PRINTS, [right | {"high": 1, "vwap": 1.0}])
    assert (wrong.kind, wrong.symbol, wrong.fields) == ("wrong_row", "VNM", ("high", "vwap"))
    assert wrong.position == PRINTS[1][0]
