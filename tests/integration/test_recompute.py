"""The drill: a decoder is wrong for a day, found, mended; the day computed again from what the hub said, and put in its place."""

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from connectors.ssi.core.decode import Decoder
from connectors.ssi.core.market_clock import WallClock
from connectors.ssi.core.outbox import Outbox
from connectors.ssi.core.stream import RecordStream
from pipelines.catalogue import CATALOGUE, NAMES
from schemas.calendar import at
from schemas.structs import TradeRecord
from schemas.units import TradingDay, UnixUs
from stock_tracker.golden.apps import Apps, wait_until_folded
from stock_tracker.recompute.tables import OFFSETS_FROM
from stock_tracker.testing.archive import Archive
from tests.builders import a_reference, changed
from tests.command_line import StockTracker
from tests.operators_pages import examples, not_printed
from tests.patience import PATIENCE_S

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

DAY = TradingDay(20261123)
BEGIN_MS = at(DAY, 9, 16)
SECONDS = 90
CHANNELS = "X-TRADE:ALL,R:ALL"
RIGHT, WRONG = 60_000, 6_000


def record(data_type: str, second: int, symbol: str, **fields: Any) -> str:
    time = f"09:{16 + second // 60}:{second % 60:02}"
    content = {"RType": data_type, "TradingDate": "23/11/2026", "Time": time, "Symbol": symbol, "Exchange": "HOSE"}
    return json.dumps({"DataType": data_type, "Content": json.dumps(content | fields)})


def hub_messages() -> Iterator[tuple[UnixUs, list[str]]]:
    """A match of two stocks and what foreigners have bought of them, each second."""
    for second in range(SECONDS):
        said = []
        for symbol in ("VNM", "HPG"):
            prices = dict.fromkeys(("Ceiling", "Floor", "RefPrice", "Highest", "Lowest", "LastPrice", "AvgPrice"), float(RIGHT))
            totals = {"LastVol": 100.0, "TotalVol": 100.0 * (second + 1), "TotalVal": 100.0 * RIGHT * (second + 1)}
            said.append(record("X-TRADE", second, symbol, **prices, **totals, MarketId="HOSE", TradingSession="LO"))
            bought = {"BuyVol": 10.0 * second, "SellVol": 0.0, "BuyVal": 10.0 * second * RIGHT, "SellVal": 0.0}
            said.append(record("R", second, symbol, TotalRoom=9e6, CurrentRoom=8e6, **bought))
        yield UnixUs((BEGIN_MS + second * 1_000) * 1_000), said


def publish(kafka: str, prefix: str) -> None:
    """What a connector makes of them, verbatim messages and frames, onto the topics."""
    outbox = Outbox(1_000_000, 1_000_000_000)
    stream = RecordStream("a", 3, WallClock(), outbox, CHANNELS)
    stream.begin(UnixUs(BEGIN_MS * 1_000))
    stream.refer([a_reference(symbol, trading_day=DAY) for symbol in ("VNM", "HPG")], UnixUs(BEGIN_MS * 1_000))
    for now, said in hub_messages():
        invocations = [{"H": "FcMarketDataV2Hub", "M": "Broadcast", "A": [argument]} for argument in said]
        stream.keep(json.dumps({"C": "d-1", "M": invocations}).encode(), now)
        stream.publish(said, now)
        stream.tick(UnixUs(now + 10_000), "up")
    stream.flush()
    producer = Producer({"bootstrap.servers": kafka, "partitioner": "murmur2"})
    while (outgoing := outbox.take()) is not None:
        producer.produce(f"{prefix}{outgoing.topic}", outgoing.value, outgoing.key, headers=list(outgoing.headers))
    assert producer.flush(PATIENCE_S) == 0


def traded(archive: Archive) -> dict[str, tuple[int, int]]:
    """What analysts ask for: the value and the volume of each stock."""
    asked = "SELECT symbol, sum(value) AS v, sum(volume) AS n FROM trades WHERE kind = 'print' GROUP BY symbol"
    return {row["symbol"]: (row["v"], row["n"]) for row in archive.query(asked)}


def by_minute(archive: Archive, table: str, column: str) -> dict[str, int]:
    rows = archive.query(f"SELECT symbol, sum({column}) AS v FROM {table} GROUP BY symbol")
    return {row["symbol"]: row["v"] for row in rows}


def test_a_day_that_was_decoded_wrong_is_computed_again_and_put_right(
    kafka: str, topics: str, archive: Archive, tmp_path: Path, stock_tracker: StockTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Decoder.decode
    with monkeypatch.context() as planted:
        # A release that takes a price for a tenth of it, for one stock.
        def wrong(decoder: Decoder, argument: str | bytes) -> Any:
            found = decode(decoder, argument)
            is_hit = isinstance(found, TradeRecord) and found.symbol == "VNM"
            return changed(found, price=WRONG) if is_hit else found

        planted.setattr(Decoder, "decode", wrong)
        publish(kafka, topics)
    settings = {"bootstrap.servers": kafka}
    with Apps(settings, topics, [NAMES], tmp_path / "apps") as apps:
        wait_until_folded(settings, topics, CATALOGUE, apps.check)
    archive.store()
    right = (100 * RIGHT * SECONDS, 100 * SECONDS)
    assert traded(archive)["HPG"] == right
    assert traded(archive)["VNM"] == (100 * WRONG * SECONDS, 100 * SECONDS)
    minutes = by_minute(archive, "candles_1m", "volume")
    foreign = by_minute(archive, "foreign_1m", "bought")
    assert minutes == {"VNM": right[1], "HPG": right[1]}
    assert foreign == {"VNM": 10 * (SECONDS - 1), "HPG": 10 * (SECONDS - 1)}
    # Rows of another day, which nobody may touch.
    other = (
        "SELECT * REPLACE (toDate('2026-11-20') AS day, toDateTime64('2026-11-20 10:00:00', 3, 'Asia/Ho_Chi_Minh') AS ts) FROM"
    )
    archive.client.command(f"INSERT INTO quotes {other} quotes LIMIT 1")
    archive.client.command(f"INSERT INTO foreign_ledger {other} foreign_ledger LIMIT 1")

    place = archive._settings
    where = {
        "KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": topics, "CLICKHOUSE_URL": place.clickhouse_url, "ARCHIVE_USER": place.user,
        "ARCHIVE_PASSWORD": place.read_password(), "ARCHIVE_DATABASE": place.database, "STOCK_TRACKER_HOME": str(tmp_path),
        "SSI_CHANNELS": CHANNELS,
    }  # fmt: skip
    # The commands of docs/operations.md, one after the other.
    shown = [example for example in examples("operations.md") if "recompute" in example.command]
    typed = [example.command for example in shown]
    said = [shlex.split(command.replace("market_recomputed", f"{place.database}_recomputed")) for command in typed]
    computing, asking, swapping, forgetting = said
    again = stock_tracker(*computing, **where)
    assert again.code == 1, again.said
    assert not_printed(shown[0], again.out) == [], again.out
    tables = {line.split()[0]: line.split()[1:] for line in again.out.splitlines()}
    standing, computed, *differing = tables["trades"]
    assert (int(standing), differing) == (int(computed), ["1", "VNM"])
    assert tables["foreign_ledger"][2:] == ["0"]
    asked = stock_tracker(*asking, **where)
    assert (asked.code, not_printed(shown[1], asked.out)) == (0, []), asked
    assert f"{right[0]}" in asked.out
    # Nothing that stands has changed yet.
    assert traded(archive)["VNM"] != right

    swapped = stock_tracker(*swapping, **where)
    assert (swapped.code, "They are the same" in swapped.out) == (0, True), swapped.out + swapped.said
    assert not_printed(shown[2], swapped.out) == []
    assert traded(archive) == {"VNM": right, "HPG": right}
    # What views keep by the minute is as much as before, not twice.
    assert by_minute(archive, "candles_1m", "volume") == minutes
    assert by_minute(archive, "candles_1m", "value") == {"VNM": right[0], "HPG": right[0]}
    assert by_minute(archive, "foreign_1m", "bought") == foreign
    assert archive.query("SELECT count() AS n FROM foreign_ledger WHERE day = '2026-11-20'") == [{"n": 1}]
    assert archive.query(f"SELECT countIf(offset < {OFFSETS_FROM}) AS n FROM trades WHERE day = '2026-11-23'") == [{"n": 0}]
    # Once more, as after a kill in the middle.
    repeated = stock_tracker(*swapping, "--json", **where)
    assert (repeated.code, [table["differing"] for table in json.loads(repeated.out)["tables"] if table["differing"]]) == (0, [])
    assert traded(archive) == {"VNM": right, "HPG": right}
    assert by_minute(archive, "candles_1m", "volume") == minutes

    forgotten = stock_tracker(*forgetting, **where)
    assert (forgotten.code, not_printed(shown[3], forgotten.out)) == (0, [])
    names = archive.client.query("SHOW DATABASES").result_columns[0]
    assert [name for name in names if "recomputed" in name and place.database in name] == []


def test_a_day_of_which_there_is_nothing_is_said(kafka: str, topics: str, archive: Archive, stock_tracker: StockTracker) -> None:
    place = archive._settings
    where = {"CLICKHOUSE_URL": place.clickhouse_url, "ARCHIVE_USER": place.user, "ARCHIVE_PASSWORD": place.read_password()}
    ended = stock_tracker("recompute", "--day", "20261120", KAFKA_BOOTSTRAP=kafka, TOPIC_PREFIX=topics, **where)
    assert ended.code == 1
    assert "20261120" in ended.said
