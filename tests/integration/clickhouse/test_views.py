"""The views for analysts, asked about a small day of which every answer is known."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from stock_tracker.testing.archive import EmbeddedServer, ExternalServer, own_database
from tests.documented import queries

pytestmark = pytest.mark.clickhouse

DAY = "2026-11-20"


def put(client: Client, table: str, columns: str, *rows: tuple[Any, ...]) -> None:
    values = ", ".join("(" + ", ".join("NULL" if value is None else repr(value) for value in row) + ")" for row in rows)
    client.command(f"INSERT INTO {table} ({columns}) VALUES {values}")


def at(time: str) -> str:
    return f"{DAY} {time}"


@pytest.fixture(scope="module")
def archive(server: EmbeddedServer | ExternalServer) -> Iterator[Client]:
    """A stock in dong, and a contract in hundredths of a point: asked by many tests, changed by none."""
    with own_database(server) as database, closing(connect(server.url, server.user, server.password, database)) as writer:
        writer.command(f"CREATE DATABASE {database}", use_database=False)
        migrations.migrate(writer, database)
        fill(writer)
        yield writer


def fill(writer: Client) -> None:
    put(
        writer,
        "trades_state",
        "kind, symbol, exchange, day, ts, price, volume, value, side, phase, anchored, since, cause, offset",
        ("print", "VNM", "HOSE", DAY, at("09:15:01"), 60_000, 100, 6_000_000, "buy", "continuous", True, None, None, 1),
        ("print", "VNM", "HOSE", DAY, at("09:16:30"), 60_300, 200, 12_060_000, "sell", "continuous", True, None, None, 2),
        ("print", "VNM", "HOSE", DAY, at("13:00:05"), 60_600, 100, 6_060_000, "buy", "continuous", True, None, None, 3),
        ("print", "VNM", "HOSE", DAY, at("13:30:00"), 50_000, 900, 45_000_000, "neutral", "put_through", True, None, None, 4),
        ("gap", "VNM", "HOSE", DAY, at("14:00:00"), None, 700, 42_000_000, None, None, True, at("13:59:00"), "lost", 5),
        ("print", "41I1GC000", "DER", DAY, at("09:15:02"), 130_010, 1, 130_010_000, "buy", "continuous", True, None, None, 6),
        ("print", "41I1GC000", "DER", DAY, at("09:15:03"), 130_025, 2, 260_050_000, "buy", "continuous", True, None, None, 7),
    )
    put(
        writer,
        "quotes",
        "symbol, exchange, day, ts, bid, bid_volume, ask, ask_volume, offset",
        ("VNM", "HOSE", DAY, at("09:15:00"), 59_900, 10, 60_000, 10, 1),
        ("VNM", "HOSE", DAY, at("09:16:30"), 60_100, 10, 60_300, 10, 2),
        ("VNM", "HOSE", DAY, at("09:17:00"), 60_300, 10, 0, 0, 3),
        ("41I1GC000", "DER", DAY, at("09:15:00"), 130_000, 1, 130_010, 1, 4),
    )
    put(
        writer,
        "candles_state",
        "symbol, exchange, day, minute, open, high, low, close, volume, value, prints, offset",
        ("VNM", "HOSE", DAY, at("09:15:00"), 60_000, 60_000, 60_000, 60_000, 100, 6_000_000, 1, 1),
        ("VNM", "HOSE", DAY, at("09:16:00"), 1, 1, 1, 1, 1, 1, 1, 2),
        # Told again, as a late print amended it.
        ("VNM", "HOSE", DAY, at("09:16:00"), 60_300, 60_400, 60_200, 60_300, 200, 12_060_000, 1, 3),
        ("VNM", "HOSE", DAY, at("09:20:00"), 60_500, 60_500, 60_500, 60_500, 10, 605_000, 1, 4),
        ("41I1GC000", "DER", DAY, at("09:15:00"), 130_010, 130_025, 130_010, 130_025, 3, 390_060_000, 2, 5),
    )
    put(
        writer,
        "flow",
        "scope, day, ts, bought, sold, bought_value, sold_value, offset",
        ("sector:Banks", DAY, at("09:16:00"), 1, 0, 100, 0, 1),
        ("sector:Banks", DAY, at("09:17:00"), 3, 1, 300, 40, 2),
        ("VN30", DAY, at("09:17:00"), 3, 1, 7, 9, 3),
    )
    put(
        writer,
        "prices_daily_state",
        "symbol, exchange, day, ts, final, reference, open, high, low, close, printed_volume, missed_volume, put_through_volume,"
        " put_through_value, offset",
        ("VNM", "HOSE", DAY, at("15:00:00"), True, 60_000, 60_000, 60_600, 60_000, 60_600, 400, 700, 900, 45_000_000, 1),
        ("41I1GC000", "DER", DAY, at("15:00:00"), True, 130_000, None, None, None, None, 0, 0, 0, None, 2),
    )
    put(
        writer,
        "alerts",
        "alert_id, rule, symbol, direction, day, ts, offset",
        ("a", "burst", "VNM", "up", DAY, at("09:16:10"), 1),
        ("b", "none", "HPG", "up", DAY, at("09:16:10"), 2),
    )
    put(
        writer,
        "reference_state",
        "symbol, exchange, day, groups, sector, offset",
        ("VNM", "HOSE", DAY, ["VN30"], "Food", 1),
        ("SHS", "HNX", DAY, [], "Brokers", 2),
    )
    put(
        writer,
        "foreign_ledger",
        "symbol, exchange, day, ts, side, volume, value, offset",
        ("VNM", "HOSE", DAY, at("09:15:30"), "buy", 100, 6_000_000, 1),
        ("VNM", "HOSE", DAY, at("09:16:40"), "sell", 30, 1_800_000, 2),
        ("SHS", "HNX", DAY, at("09:16:41"), "sell", 10, 200_000, 3),
    )
    put(
        writer,
        "basis",
        "underlying, symbol, alias, day, ts, basis, stale, offset",
        ("VN30", "41I1GC000", "VN30F1M", DAY, at("09:15:02"), 250, False, 1),
        ("VN30", "41I1GC000", "VN30F1M", DAY, at("09:16:02"), -125, False, 2),
    )


def asked(client: Client, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(sql).result_rows]


def test_candles_of_any_length_are_in_points_and_dong(archive: Client) -> None:
    ask = "SELECT formatDateTime(minute, '%H:%i'), open, high, low, close, volume, value_vnd, prints FROM candles_of(minutes={})"
    assert asked(archive, f"{ask.format(5)} WHERE symbol = 'VNM' AND day = '{DAY}' ORDER BY minute") == [
        ("09:15", Decimal(60_000), Decimal(60_400), Decimal(60_000), Decimal(60_300), 300, 18_060_000, 2),
        ("09:20", Decimal(60_500), Decimal(60_500), Decimal(60_500), Decimal(60_500), 10, 605_000, 1),
    ]
    (contract,) = asked(archive, f"{ask.format(60)} WHERE symbol = '41I1GC000'")
    assert contract[1:5] == (Decimal("1300.10"), Decimal("1300.25"), Decimal("1300.10"), Decimal("1300.25"))


def test_vwap_is_told_by_session_and_without_what_was_put_through(archive: Client) -> None:
    assert asked(archive, "SELECT symbol, session, vwap, volume, value_vnd, prints FROM vwap_by_session ORDER BY ALL") == [
        ("41I1GC000", "morning", Decimal("1300.20"), 3, 390_060_000, 2),
        ("VNM", "afternoon", Decimal(60_600), 100, 6_060_000, 1),
        ("VNM", "morning", Decimal(60_200), 300, 18_060_000, 2),
    ]


def test_a_spread_needs_both_sides(archive: Client) -> None:
    assert asked(archive, "SELECT symbol, bid, ask, mid, spread, round(spread_bps, 2) FROM spreads ORDER BY symbol, ts") == [
        ("41I1GC000", Decimal("1300.00"), Decimal("1300.10"), Decimal("1300.05"), Decimal("0.10"), 0.77),
        ("VNM", Decimal(59_900), Decimal(60_000), Decimal(59_950), Decimal(100), 16.68),
        ("VNM", Decimal(60_100), Decimal(60_300), Decimal(60_200), Decimal(200), 33.22),
    ]


def test_gaps_say_when_and_why(archive: Client) -> None:
    ask = "SELECT symbol, formatDateTime(since, '%T'), formatDateTime(until, '%T'), cause, volume, value_vnd FROM gap_audit"
    assert asked(archive, ask) == [("VNM", "13:59:00", "14:00:00", "lost", 700, 42_000_000)]


def test_foreigners_flow_is_told_by_scope_and_minute(archive: Client) -> None:
    ask = "SELECT scope, formatDateTime(ts, '%H:%i'), bought_vnd, sold_vnd, net_vnd FROM foreign_by_scope ORDER BY ALL"
    assert asked(archive, ask) == [
        ("VN30", "09:17", 7, 9, -2),
        ("sector:Banks", "09:16", 100, 0, 100),
        ("sector:Banks", "09:17", 200, 40, 160),
    ]


def test_a_day_tells_what_was_put_through_apart(archive: Client) -> None:
    ask = (
        "SELECT symbol, reference, open, high, low, close, change_pct, matched_volume, put_through_volume, missed_volume,"
        " put_through_vnd FROM day_summary ORDER BY symbol"
    )
    assert asked(archive, ask) == [
        ("41I1GC000", Decimal("1300.00"), None, None, None, None, None, 0, 0, 0, None),
        ("VNM", *map(Decimal, (60_000, 60_000, 60_600, 60_000, 60_600)), 1.0, 400, 900, 700, 45_000_000),
    ]


def test_a_trade_shows_the_book_that_it_met(archive: Client) -> None:
    ask = "SELECT price, bid, ask, formatDateTime(quoted, '%T') FROM quotes_at_trades WHERE symbol = '{}' ORDER BY ts"
    assert asked(archive, ask.format("VNM"))[:2] == [
        (Decimal(60_000), Decimal(59_900), Decimal(60_000), "09:15:00"),
        # The quote of the same second may be what the trade left behind.
        (Decimal(60_300), Decimal(59_900), Decimal(60_000), "09:15:00"),
    ]
    assert asked(archive, ask.format("41I1GC000"))[0][:3] == (Decimal("1300.10"), Decimal(1300), Decimal("1300.10"))


def test_an_alert_tells_how_far_the_price_went(archive: Client) -> None:
    moved = "round(after_1m_pct, 3), round(after_5m_pct, 3), round(after_15m_pct, 3)"
    ask = f"SELECT alert_id, {moved} FROM alert_outcomes ORDER BY alert_id"
    # 60,000 when it fired; 60,300 a minute later, and nothing new until after noon.
    assert asked(archive, ask) == [("a", 0.5, 0.5, 0.5), ("b", None, None, None)]


ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "The tape of a symbol's day": [
        ("09:15:01", 60_000, 100, "buy"),
        ("09:16:30", 60_300, 200, "sell"),
        ("13:00:05", 60_600, 100, "buy"),
        ("13:30:00", 50_000, 900, "neutral"),
    ],
    "Candles of a quarter of an hour": [("09:15:00", *map(Decimal, (60_000, 60_500, 60_000, 60_500)), 310)],
    "Average price by session": [("afternoon", Decimal(60_600), 100, 1), ("morning", Decimal(60_200), 300, 2)],
    "Where the volume was, by price": [(60_000, 100, 25.0), (60_300, 200, 50.0), (60_600, 100, 25.0)],
    "What moved most": [("VNM", Decimal(60_600), 1.0, 400)],
    "Foreigners' net by sector": [("Food", 4_200_000), ("Brokers", -200_000)],
    "Foreigners' net in VN30 by minute": [("09:15:00", 6_000_000, 6_000_000), ("09:16:00", -1_800_000, 4_200_000)],
    "The price after foreigners' largest minutes": [
        ("VNM", "09:15:00", 6_000_000, 60_000, 60_300),
        ("VNM", "09:16:00", -1_800_000, 60_300, 60_300),
        # Nobody has traded it.
        ("SHS", "09:16:00", -200_000, 0, 0),
    ],
    "The basis of the front month, day by day": [(DAY, -1.25, -1.25, 2.5)],
    "Which rules were right after five minutes": [("burst", 1, 1), ("none", 1, 0)],
    "What no print tells of": [("lost", 1, 700)],
    "Spreads of the day": [("VNM", 24.95, 2), ("41I1GC000", 0.77, 1)],
    "What aggressors paid against the middle": [("buy", 100, 50.0), ("sell", 200, 350.0)],
}


def test_documented_questions_are_those_that_are_answered_here() -> None:
    assert list(queries()) == list(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_a_documented_question_is_answered(archive: Client, question: str) -> None:
    found = archive.query(queries()[question], parameters={"day": date.fromisoformat(DAY), "symbol": "VNM"}).result_rows
    assert [tuple(map(shown, row)) for row in found] == ANSWERS[question]


def shown(value: Any) -> Any:
    """Times as they are of that day, days as text."""
    if isinstance(value, datetime):
        return value.strftime("%H:%M:%S")
    return value.isoformat() if isinstance(value, date) else value


@pytest.fixture
def listed(writer: Client, database: str) -> Client:
    """What was listed on three days: VNM leaves VN30 after the first, STB joins on the third, sectors change on the second."""
    migrations.migrate(writer, database)
    said = "symbol, exchange, day, groups, sector, tick, month, expiry, offset"
    put(
        writer,
        "reference_state",
        said,
        ("VNM", "HOSE", "2026-11-18", ["VN100", "VN30"], None, None, None, None, 1),
        ("STB", "HOSE", "2026-11-18", ["VN100"], None, None, None, None, 2),
        ("SHS", "HNX", "2026-11-18", [], "Brokers", 100, None, None, 3),
        ("VNM", "HOSE", "2026-11-19", ["VN100"], None, None, None, None, 4),
        ("STB", "HOSE", "2026-11-19", ["VN100"], None, None, None, None, 5),
        ("SHS", "HNX", "2026-11-19", [], "Brokers", 100, None, None, 6),
        # Said twice of a day: the last one holds.
        ("STB", "HOSE", DAY, ["VN100"], None, None, None, None, 7),
        ("STB", "HOSE", DAY, ["VN100", "VN30"], None, None, None, None, 8),
        ("VNM", "HOSE", DAY, ["VN100"], None, None, None, None, 9),
        ("41I1GC000", "DER", DAY, [], None, 10, 202612, "2026-12-17", 10),
    )
    for day, sectors, offset in (("2026-11-18", "'VNM', 'Food', 'STB', 'Banks'", 1), ("2026-11-19", "'STB', 'Lenders'", 2)):
        writer.command(
            "INSERT INTO terms (pipeline, day, sectors, offset)"
            f" VALUES ('foreign', '{day}', map({sectors}), {offset}), ('alerts', '{day}', map(), {offset})"
        )
    put(
        writer,
        "foreign_ledger",
        "symbol, exchange, day, ts, side, volume, value, offset",
        ("STB", "HOSE", DAY, at("09:15:01"), "buy", 100, 3_000_000, 1),
        ("STB", "HOSE", DAY, at("09:15:09"), "sell", 50, 1_600_000, 2),
        ("VNM", "HOSE", DAY, at("09:16:30"), "buy", 10, 600_000, 3),
        # Of this one nobody has said anything on that day.
        ("SHS", "HNX", DAY, at("09:16:31"), "sell", 10, 200_000, 4),
    )
    return writer


def test_an_instrument_is_told_as_it_was_on_each_day(listed: Client) -> None:
    ask = "SELECT toString(day), symbol, sector, tick, month, toString(expiry) FROM instruments ORDER BY day, symbol"
    assert asked(listed, ask) == [
        ("2026-11-18", "SHS", "Brokers", Decimal(100), None, None),
        ("2026-11-18", "STB", "Banks", None, None, None),
        ("2026-11-18", "VNM", "Food", None, None, None),
        ("2026-11-19", "SHS", "Brokers", Decimal(100), None, None),
        ("2026-11-19", "STB", "Lenders", None, None, None),
        # No longer in any list of the terms: it has no sector, not its old one.
        ("2026-11-19", "VNM", "", None, None, None),
        (DAY, "41I1GC000", "", Decimal("0.1"), 202612, "2026-12-17"),
        (DAY, "STB", "Lenders", None, None, None),
        (DAY, "VNM", "", None, None, None),
    ]


def test_members_of_a_group_come_and_go(listed: Client) -> None:
    ask = "SELECT `group`, symbol, toString(first_day), toString(last_day) FROM group_members ORDER BY ALL"
    assert asked(listed, ask) == [
        ("VN100", "STB", "2026-11-18", None),
        ("VN100", "VNM", "2026-11-18", None),
        ("VN30", "STB", DAY, None),
        ("VN30", "VNM", "2026-11-18", "2026-11-18"),
    ]


def test_a_day_of_which_nobody_said_the_groups_ends_no_membership(listed: Client) -> None:
    put(listed, "reference_state", "symbol, exchange, day, groups, offset", ("STB", "HOSE", "2026-11-23", [], 11))
    ask = "SELECT toString(last_day) FROM group_members WHERE `group` = 'VN30' AND symbol = 'STB'"
    assert asked(listed, ask) == [(None,)]


def test_foreigners_net_is_asked_for_by_sector_and_by_group(listed: Client) -> None:
    by_sector = f"SELECT sector, sum(net_vnd) FROM foreign_minutes WHERE day = '{DAY}' GROUP BY sector ORDER BY sector"
    assert asked(listed, by_sector) == [("", 600_000), ("Brokers", -200_000), ("Lenders", 1_400_000)]
    vn30 = "SELECT symbol, sum(net_vnd) FROM foreign_minutes WHERE has(groups, 'VN30') GROUP BY symbol"
    assert asked(listed, vn30) == [("STB", 1_400_000)]
