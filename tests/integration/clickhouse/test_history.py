"""SSI's history in the archive: loaded from the simulator, through a kill, and never over what the stream booked."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.client import connect
from connectors.clickhouse.core.coverage import DaySource
from connectors.clickhouse.coverage import coverage_of, symbols_covered
from connectors.clickhouse.profiles import profiles_for
from connectors.ssi.settings import SsiSettings
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS
from connectors.ssi.simulator.server import simulator
from gateway.core.history import QUESTIONS, statement
from gateway.history import ArchiveAnswers
from gateway.settings import GatewaySettings
from schemas.calendar import as_day
from schemas.units import TradingDay
from stock_tracker.errors import HistoryNotOver
from stock_tracker.history.load import HistoryLoad, HistoryRequest
from stock_tracker.history.run import run
from stock_tracker.testing.archive import own_database
from tests.patience import PATIENCE_S
from tests.proof import usually
from tests.simulator_client import DAY, settings

pytestmark = pytest.mark.clickhouse

FIRST, LAST = usually(TradingDay(20261012), proving=TradingDay(20260915)), TradingDay(20261113)
"""Two windows; in ``make prove`` whole ones, sixty days."""
TRADING_DAYS = usually(25, proving=44)
STOCKS = (
    "HPG", "SSI", "VNM", "SHS", "MBB", "VPB", "TCB", "FPT", "STB", "MWG", "VHM", "HDB", "VIC", "ACB", "VCB", "MSN", "VRE", "CTG",
    "VIB", "BID",
)[: usually(3, proving=20)]  # fmt: skip
FUTURE, INDEX = "41I1GC000", "VN30"
SYMBOLS = (*STOCKS, FUTURE, INDEX)
LISTS = 7
"""Calls for a token, and for what SSI lists."""
TABLES = ("history_days", "history_minutes", "history_indices", "history_asked")


@asynccontextmanager
async def ssi(quota: str | None = None) -> AsyncIterator[SsiSettings]:
    """A simulated SSI, and the settings of who asks it."""
    async with simulator(settings(scale=0.01, symbols=FEWEST_SYMBOLS, quota=quota)) as port:
        url = f"http://127.0.0.1:{port}/"
        secrets = {"consumer_id": "demo", "consumer_secret": "demo"}
        yield SsiSettings.model_validate({**secrets, "api_url": url, "clock": f"{url}sim/clock", "kafka": {}})


@pytest.fixture
def archive(writer: Client, database: str) -> Client:
    """An archive without a row."""
    migrations.migrate(writer, database)
    return writer


@pytest.fixture
def another(server: Any) -> Iterator[Client]:
    """Another one."""
    with own_database(server) as name, closing(connect(server.url, server.user, server.password, name)) as client:
        migrations.migrate(client, name)
        yield client


async def loaded(known: SsiSettings, archive: Client, *symbols: str, **changes: Any) -> HistoryLoad:
    return await run(known, archive, HistoryRequest(FIRST, LAST, symbols, **changes), lambda done, total, what: None)


def content(archive: Client, *, when: bool = False) -> dict[str, list[Any]]:
    """All that history has stored; with ``when``, also when SSI said so."""
    columns = "*" if when else "* EXCEPT asked_at"
    return {table: list(archive.query(f"SELECT {columns} FROM {table} FINAL ORDER BY ALL").result_rows) for table in TABLES}


async def test_a_load_that_is_killed_goes_on_where_it_was_and_comes_to_the_same(
    archive: Client, another: Client, server: Any, tmp_path: Path
) -> None:
    # Half of the minutes come; then SSI wants a long pause, in which the load is killed.
    half = LISTS + 2 * len(SYMBOLS) + len(STOCKS)
    async with ssi(quota=f"{half}/86400") as known:
        environ = {
            **os.environ, "SSI_API_URL": known.api_url, "SSI_CLOCK": known.clock, "SSI_CONSUMER_ID": "demo",
            "SSI_CONSUMER_SECRET": "demo", "CLICKHOUSE_URL": server.url, "ARCHIVE_USER": server.user,
            "ARCHIVE_PASSWORD": server.password, "ARCHIVE_DATABASE": str(archive.database), "STOCK_TRACKER_HOME": str(tmp_path),
        }  # fmt: skip
        words = ("ssi", "backfill", "--from", str(FIRST), "--to", str(LAST), "--symbols", ",".join(SYMBOLS))
        load = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "stock_tracker", *words, env=environ, stderr=asyncio.subprocess.PIPE
        )
        said = b""
        assert load.stderr is not None
        async with asyncio.timeout(PATIENCE_S):
            while b"asking again in" not in said:
                line = await load.stderr.readline()
                assert line, said.decode()
                said += line
        load.kill()
        await load.wait()
    counts = archive.query("SELECT what, count() FROM history_asked GROUP BY what").result_rows
    asked = {str(what): int(count) for what, count in counts}
    assert asked["days"] >= len(STOCKS) * TRADING_DAYS
    assert 0 < asked["minutes"] < (len(STOCKS) + 1) * TRADING_DAYS
    # Killed between rows and marks: the rows are there, and nobody knows.
    archive.command("DELETE FROM history_asked WHERE what = 'minutes' AND subject = 'HPG'")
    async with ssi() as known:
        went_on = await loaded(known, archive, *SYMBOLS)
        at_once = await loaded(known, another, *SYMBOLS)
        assert 0 < went_on.parts < at_once.parts
        assert at_once.unusable == []
        assert content(archive) == content(another)
        # A second time nothing is asked for, and nothing changes.
        before = content(another, when=True)
        again = await loaded(known, another, *SYMBOLS)
        assert (again.parts, sum(again.rows.values())) == (0, 0)
        assert content(another, when=True) == before
        # Unless that is wanted: then everything is as SSI says now, which is the same.
        afresh = await loaded(known, another, *SYMBOLS, again=True)
        assert (afresh.parts, afresh.rows) == (at_once.parts, at_once.rows)
        assert content(another) == content(archive)
    covered = symbols_covered(archive, SYMBOLS, FIRST, LAST)
    assert [(one.symbol, one.days, one.source) for one in covered] == [
        *((symbol, TRADING_DAYS, DaySource.MINUTES) for symbol in (*STOCKS, FUTURE)),
        (INDEX, TRADING_DAYS, DaySource.DAY_ALONE),
    ]
    views_agree(archive)
    made = profiles_for(archive, TradingDay(20261116))
    assert made.profiles.keys() == {*STOCKS, FUTURE}
    assert {profile.days for profile in made.profiles.values()} == {20}


def views_agree(archive: Client) -> None:
    """What people ask is the same however they ask: minutes make five minutes, and these the day."""
    sums = "symbol, day, sum(volume), max(high), min(low), argMin(open, {0}), argMax(close, {0})"
    whole = archive.query("SELECT symbol, day, volume, high, low, open, close FROM candles_1d ORDER BY symbol, day").result_rows
    assert len(whole) == (len(STOCKS) + 1) * TRADING_DAYS
    for view in ("minutes", "candles_1m", "candles_5m"):
        asked = f"SELECT {sums.format('minute')} FROM {view} GROUP BY symbol, day ORDER BY symbol, day"
        assert archive.query(asked).result_rows == whole, view
    quarters = archive.query(
        "SELECT symbol, day, sum(volume), countIf(source = 'history') = count() FROM candles_of(minutes = 15)"
        " GROUP BY symbol, day ORDER BY symbol, day"
    ).result_rows
    assert quarters == [(symbol, day, volume, 1) for symbol, day, volume, *_ in whole]
    days = archive.query(
        "SELECT symbol, day, matched_volume, close_adjusted IS NULL, put_through_volume IS NULL, final, source"
        " FROM day_summary ORDER BY symbol, day"
    ).result_rows
    assert days == [
        (symbol, day, volume, symbol == FUTURE, symbol == FUTURE, True, "history") for symbol, day, volume, *_ in whole
    ]
    foreign = archive.query(
        "SELECT symbol, count(), sum(bought) > 0 FROM foreign_daily GROUP BY symbol ORDER BY symbol"
    ).result_rows
    assert foreign == [(symbol, TRADING_DAYS, True) for symbol in sorted(STOCKS)]
    indices = archive.query("SELECT symbol, count(), min(close) > 0 FROM indices_daily GROUP BY symbol").result_rows
    assert indices == [(INDEX, TRADING_DAYS, True)]


BOOKED = date(2026, 11, 11)
LATER = date(2026, 11, 12)


def book(archive: Client, symbol: str, day: date, price: int) -> None:
    """As the sink stores a day of a symbol: a print, its minute, its summary, its foreigners; and one of the index."""
    ts = f"{day} 10:00:05"
    archive.command(
        "INSERT INTO trades_state (kind, symbol, exchange, day, ts, volume, price, anchored, phase, offset)"
        f" VALUES ('print', '{symbol}', 'HOSE', '{day}', '{ts}', 100, {price}, true, 'continuous', 1)"
    )
    archive.command(
        "INSERT INTO candles_state (symbol, exchange, day, minute, ts, open, high, low, close, volume, value, prints, offset)"
        f" VALUES ('{symbol}', 'HOSE', '{day}', '{day} 10:00:00', '{ts}', {price}, {price}, {price}, {price}, 100, 0, 1, 1)"
    )
    archive.command(
        "INSERT INTO prices_daily_state (symbol, exchange, day, ts, final, close, total_volume, printed_volume, offset)"
        f" VALUES ('{symbol}', 'HOSE', '{day}', '{ts}', true, {price}, 100, 100, 1)"
    )
    archive.command(
        "INSERT INTO foreign_ledger (kind, symbol, day, ts, side, volume, value, offset)"
        f" VALUES ('delta', '{symbol}', '{day}', '{ts}', 'buy', 7, 70, 1)"
    )
    archive.command(f"INSERT INTO indices (symbol, day, ts, value, offset) VALUES ('{INDEX}', '{day}', '{ts}', {price}, 1)")


SEEN = (
    "SELECT toString(source), groupUniqArray(close) FROM minutes WHERE {where} GROUP BY source",
    "SELECT toString(source), groupUniqArray(close) FROM candles_1m WHERE {where} GROUP BY source",
    "SELECT toString(source), groupUniqArray(close) FROM candles_5m WHERE {where} GROUP BY source",
    "SELECT toString(source), [close] FROM candles_1d WHERE {where}",
    "SELECT toString(source), [toInt32(close)] FROM candles_of(minutes = 60) WHERE {where}",
    "SELECT toString(source), [toInt32(assumeNotNull(close))] FROM day_summary WHERE {where}",
)
"""Of every view in which history stands beside the stream."""


async def test_history_is_never_seen_over_what_the_stream_booked_before_or_after(archive: Client) -> None:
    book(archive, "VNM", BOOKED, 77_000)
    async with ssi() as known:
        done = await loaded(known, archive, "VNM", "HPG", INDEX)
        assert done.rows["days"] == 2 * TRADING_DAYS - 1
        booked = as_day(BOOKED)
        whole = await run(
            known, archive, HistoryRequest(booked, booked, kinds=frozenset(["days"])), lambda done, total, what: None
        )
    assert (whole.rows["days"], whole.kept) == (FEWEST_SYMBOLS - 1, 1)
    for table in ("history_days", "history_minutes"):
        assert archive.command(f"SELECT count() FROM {table} WHERE symbol = 'VNM' AND day = '{BOOKED}'") == 0
        assert archive.command(f"SELECT count() FROM {table} WHERE symbol = 'HPG' AND day = '{BOOKED}'") != 0
    # A day that history has, and that the stream brings afterwards: a sink that was behind, or another archive's rows.
    book(archive, "HPG", LATER, 88_000)
    for symbol, day, price in (("VNM", BOOKED, 77_000), ("HPG", LATER, 88_000)):
        for asked in SEEN:
            where = f"symbol = '{symbol}' AND day = '{day}'"
            assert archive.query(asked.format(where=where)).result_rows == [("stream", [price])], asked
        where = f"symbol = '{symbol}' AND day = '{day}'"
        assert archive.query(f"SELECT source, bought FROM foreign_daily WHERE {where}").result_rows == [("stream", 7)]
        where = f"symbol = '{INDEX}' AND day = '{day}'"
        closed = archive.query(f"SELECT source, toInt32(close * 100) FROM indices_daily WHERE {where}").result_rows
        assert closed == [("stream", price)]
    # The days around them, and the other symbol on the same day, are history's.
    others = archive.query(
        f"SELECT symbol, day, toString(any(source)) FROM minutes WHERE day IN ('{BOOKED}', '{LATER}') GROUP BY 1, 2 ORDER BY 1, 2"
    ).result_rows
    assert others == [("HPG", BOOKED, "history"), ("HPG", LATER, "stream"), ("VNM", BOOKED, "stream"), ("VNM", LATER, "history")]
    stretches = [(one.days, one.source) for one in symbols_covered(archive, ["HPG"], TradingDay(20261111), TradingDay(20261113))]
    assert stretches == [(1, DaySource.MINUTES), (1, DaySource.STREAM), (1, DaySource.MINUTES)]


@pytest.mark.parametrize(
    "view", ["minutes", "candles_1m", "candles_5m", "candles_1d", "day_summary", "foreign_daily", "indices_daily"]
)
def test_what_the_stream_has_is_looked_up_for_the_symbol_that_is_asked_for_alone(view: str, archive: Client) -> None:
    """Where history and stream have the same days, looking all of them up would cost each question as much as all symbols."""
    book(archive, INDEX, BOOKED, 77_000)
    for table in ("history_days", "history_minutes", "history_indices"):
        archive.command(f"INSERT INTO {table} (symbol, day) VALUES ('{INDEX}', '{BOOKED}')")
    told = ", ".join(f"('{what}', '{INDEX}', '{BOOKED}', 1)" for what in ("days", "minutes", "indices"))
    archive.command(f"INSERT INTO history_asked (what, subject, day, rows) VALUES {told}")
    asked = f"EXPLAIN indexes = 1 SELECT * FROM {view} WHERE symbol = '{INDEX}' AND day = '{BOOKED}'"
    plan = [str(line).strip(" │├└─") for (line,) in archive.query(asked).result_rows]
    read = [line for line in plan if line.startswith("ReadFromMergeTree") and "history_asked" not in line]
    narrowed = [line for line in plan if line.startswith("Condition:") and f"symbol in ['{INDEX}', '{INDEX}']" in line]
    # The stream, history, and what the stream has of that.
    assert len(read) == len(narrowed) == 3, "\n".join(plan)


async def test_a_market_is_loaded_whole_and_the_chart_of_the_board_shows_it(archive: Client, server: Any) -> None:
    day = TradingDay(20261113)
    async with ssi() as known:
        wanted = HistoryRequest(day, day)
        done = await run(known, archive, wanted, lambda done, total, what: None)
        again = await run(known, archive, wanted, lambda done, total, what: None)
    assert done.rows["days"] == FEWEST_SYMBOLS
    assert done.rows["indices"] == 3
    assert again.parts == 0
    (covered,) = coverage_of(archive, day, day)
    assert (covered.history, covered.history_minutes, covered.lacks) == (FEWEST_SYMBOLS, FEWEST_SYMBOLS, False)
    assert str(covered) == f"2026-11-13  history of {FEWEST_SYMBOLS} symbols, minutes of {FEWEST_SYMBOLS}"
    fields = {"kafka": {}, "topic_prefix": "", "archive_url": server.url, "archive_user": server.user}
    known_to_gateway = GatewaySettings.model_validate(
        {**fields, "archive_password": server.password, "archive_database": str(archive.database)}
    )
    answers = ArchiveAnswers(known_to_gateway)
    try:
        candles = QUESTIONS["candles"]
        first = await answers.ask(candles, statement(candles, "VNM", {"day": "20261113", "limit": "20"}), None)
        rest = await answers.ask(candles, statement(candles, "VNM", {"day": "20261113", "after": first["next"]}), None)
        daily = QUESTIONS["candles/daily"]
        days = await answers.ask(daily, statement(daily, "VNM", {"from": "20261101", "to": "20261120"}), None)
    finally:
        await answers.close()
    rows = [dict(zip(first["cols"], row, strict=True)) for row in (*first["rows"], *rest["rows"])]
    assert rest["next"] is None
    assert {row["source"] for row in rows} == {"history"}
    assert [row["minute"] for row in rows] == sorted({row["minute"] for row in rows})
    assert [row["opens"] for row in rows] == [True, *[False] * (len(rows) - 1)]
    (whole,) = [dict(zip(days["cols"], row, strict=True)) for row in days["rows"]]
    assert whole["volume"] == sum(row["volume"] for row in rows)
    assert (whole["open"], whole["close"]) == (rows[0]["open"], rows[-1]["close"])


async def test_a_day_that_is_not_over_is_not_history(writer: Client) -> None:
    async with ssi() as known:
        with pytest.raises(HistoryNotOver, match="20261123 is not over") as refused:
            await run(known, writer, HistoryRequest(LAST, DAY), lambda done, total, what: None)
    assert "--to 20261120" in refused.value.remedy
