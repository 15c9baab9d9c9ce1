"""A day in two databases of the embedded engine: where they differ is said, and the one takes the other's place, once."""

from collections.abc import Iterator

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from schemas.units import TradingDay
from stock_tracker.recompute.tables import OFFSETS_FROM, compare, swap

STANDING, AGAIN = "market", "market_recomputed_20261123"
DAY = TradingDay(20261123)


@pytest.fixture(scope="module")
def engine() -> Iterator[Client]:
    """The embedded engine in memory, with both databases.

    It has the defaults of the oldest server that we name: that one takes what is selected and inserted once more for a repeat.
    """
    client = clickhouse_connect.get_client(interface="chdb", path=":memory:", settings={"compatibility": "25.8"})
    for database in (STANDING, AGAIN):
        client.database = database
        migrations.migrate(client, database)
    yield client
    client.close()


def trade(client: Client, database: str, symbol: str, day: str, offset: int, number: int, price: int) -> None:
    """A print of 100 shares at 09:16 of a day, the ``number``-th of its stock."""
    row = {
        "day": f"'{day}'", "ts": f"'{day} 09:16:00'", "symbol": f"'{symbol}'", "exchange": "'HOSE'", "kind": "'print'",
        "generation": 0, "start": number * 100, "total_volume": number * 100 + 100, "price": price, "volume": 100,
        "value": price * 100, "phase": "'continuous'", "anchored": 1, "partition": 0, "offset": offset, "idx": 0,
    }  # fmt: skip
    client.command(f"INSERT INTO {database}.trades_state ({', '.join(row)}) VALUES ({', '.join(map(str, row.values()))})")


def volumes(client: Client, database: str) -> dict[tuple[str, str], int]:
    asked = f"SELECT symbol, toString(day), sum(volume) FROM {database}.trades GROUP BY 1, 2"
    return {(symbol, day): volume for symbol, day, volume in client.query(asked).result_rows}


def minutes(client: Client) -> dict[str, int]:
    """What the view of minutes that follows the trades has summed up, by stock."""
    asked = "SELECT symbol, sum(volume) FROM market.candles_1m_state WHERE toDate(t) = '2026-11-23' GROUP BY symbol"
    return {str(symbol): int(volume) for symbol, volume in client.query(asked).result_rows}


def test_a_day_is_compared_and_put_in_its_place_and_no_other_day_is_touched(engine: Client) -> None:
    for number in range(3):
        trade(engine, STANDING, "HPG", "2026-11-23", 10 + number, number, 20_000)
        trade(engine, AGAIN, "HPG", "2026-11-23", number, number, 20_000)
        trade(engine, STANDING, "VNM", "2026-11-23", 20 + number, number, 6_000)
        trade(engine, AGAIN, "VNM", "2026-11-23", 50 + number, number, 60_000)
    trade(engine, STANDING, "VNM", "2026-11-20", 1, 0, 60_000)
    trade(engine, AGAIN, "FPT", "2026-11-23", 90, 0, 90_000)

    (trades,) = [found for found in compare(engine, STANDING, AGAIN, DAY) if found.table == "trades"]
    # Of HPG only the places in Kafka differ, and those do not count.
    assert trades == ("trades", 6, 7, ["FPT", "VNM"])

    before = volumes(engine, STANDING)
    for _ in range(2):  # The second time as after a kill.
        swap(engine, STANDING, AGAIN, DAY, lambda _: None)
        assert [found.differing for found in compare(engine, STANDING, AGAIN, DAY)] == [[]] * 9
        assert volumes(engine, STANDING) == before | {("FPT", "2026-11-23"): 100}
        assert minutes(engine) == {"HPG": 300, "VNM": 300, "FPT": 100}
    offsets = "SELECT min(offset) FROM market.trades WHERE day = '2026-11-23'"
    assert engine.query(offsets).result_rows == [(OFFSETS_FROM,)]
    prices = "SELECT DISTINCT price FROM market.trades WHERE symbol = 'VNM'"
    assert engine.query(prices).result_rows == [(60_000,)]
