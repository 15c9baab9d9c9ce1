"""What went wrong in the predecessor, by the numbers of its list of defects: each shown not to be here.

Those of its archive (D4, D5) and of its WebSocket server (D16 to D18) are in files of the same name beside the tests of ours.
Not ours to have: D23, a load suite of locust scenarios, of which there is none here; ``benchmarks/`` are plain programs.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.ssi.core.decode import decode
from connectors.ssi.settings import SsiSettings
from schemas.instruments import expiry
from schemas.structs import ForeignRecord
from schemas.units import Exchange
from stock_tracker.testing import patience
from tests.builders import (
    DAY,
    FRONT,
    INDEX,
    PRICE,
    a_foreign,
    a_frame,
    a_tick,
    a_trade,
    an_index,
    moment,
)
from tests.system import System

ROOT = Path(__file__).parents[3]
CEILING, FLOOR = 64_200, 55_800
SECOND = "41I1H1000"


class Feed:
    """Frames of one connection after the other, folded as they come."""

    def __init__(self) -> None:
        self.system = System()
        self._seq: dict[tuple[str, int], int] = {}

    def say(self, topic: str, *records: Any, epoch: int = 1) -> None:
        seq = self._seq.get((topic, epoch), -1) + 1
        self._seq[topic, epoch] = seq
        self.system.take(topic, a_frame(*records, epoch=epoch, seq=seq))

    def prices(self, *records: Any, epoch: int = 1) -> None:
        self.say("ssi.ticks", *records, epoch=epoch)

    def foreign(self, *records: Any, epoch: int = 1) -> None:
        self.say("ssi.foreign", *records, epoch=epoch)

    def row(self, topic: str = "state.prices", symbol: str = "VNM") -> Any:
        return self.system.rows[topic][symbol]

    def alerts(self, kind: str) -> list[Any]:
        return [alert for alert in self.system.alerts if alert.kind == kind]

    def prints(self) -> list[Any]:
        return [event for event in self.system.events.get("market.trades", []) if event.kind == "print"]


@pytest.fixture
def feed() -> Feed:
    feed = Feed()
    for topic in ("ssi.ticks", "ssi.foreign", "ssi.indices"):
        feed.say(topic, a_tick("08:59"))
    return feed


def test_d01_six_connections_that_tell_the_same_count_it_once(feed: Feed) -> None:
    for total in range(100, 1_500, 100):
        for epoch in range(1, 7):
            feed.prices(a_tick("10:00"), a_trade(total=total), epoch=epoch)
    assert (len(feed.prints()), feed.row().total_volume) == (14, 1_400)
    assert sum(line.volume for line in feed.prints()) == 1_400


def test_d02_a_stock_that_no_list_names_is_folded_all_the_same(feed: Feed) -> None:
    # The predecessor dropped what was not in a list that it could not read; here nothing asks for one.
    feed.prices(a_tick(), a_trade("XYZ"))
    assert feed.row(symbol="XYZ").last == PRICE


FOREIGN = (
    '{"DataType":"R","Content":"{\\"RType\\":\\"R\\",\\"TradingDate\\":\\"20/11/2026\\",\\"Time\\":\\"10:00:00\\",\\"Isin\\":\\"VNM\\",'
    '\\"Symbol\\":\\"VNM\\",\\"TotalRoom\\":9.0,\\"CurrentRoom\\":5.0,\\"%sBuyVol\\":100.0,\\"%sSellVol\\":40.0,'
    '\\"%sBuyVal\\":6000.0,\\"%sSellVal\\":2400.0,\\"MarketId\\":\\"HOSE\\",\\"Exchange\\":\\"HOSE\\"}"}'
)


@pytest.mark.parametrize("prefix", ["", "F"])
def test_d03_foreign_counters_are_read_under_both_of_their_names(prefix: str) -> None:
    record = decode(FOREIGN % ((prefix,) * 4))
    assert isinstance(record, ForeignRecord)
    assert (record.bought, record.sold, record.bought_value, record.sold_value) == (100, 40, 6_000, 2_400)


def buys(feed: Feed, *said: tuple[str, int]) -> None:
    for ts, bought in said:
        feed.foreign(a_tick(ts), a_foreign(ts=ts, bought=bought))


def test_d06_a_restart_of_the_counter_loses_nothing(feed: Feed) -> None:
    buys(feed, ("10:00:00", 1_000), ("10:00:10", 1_500), ("10:00:20", 200), ("10:00:30", 600))
    assert feed.row("state.foreign").bought == 2_100


def test_d06_a_late_record_counts_nothing_twice(feed: Feed) -> None:
    buys(feed, ("10:00:00", 1_000), ("10:00:10", 1_500))
    feed.foreign(a_foreign(ts="10:00:05", bought=1_400))
    assert feed.row("state.foreign").bought == 1_500
    buys(feed, ("10:00:20", 1_600))
    assert feed.row("state.foreign").bought == 1_600


def test_d07_speed_is_per_minute_at_any_rate_of_records_and_decays(feed: Feed) -> None:
    start = moment("10:00")
    feed.foreign(a_tick("10:00"), a_foreign(bought=0))
    bought = 0
    for second in range(1, 121):
        for _ in range(5):
            bought += 20
            feed.foreign(a_foreign(ts=start + second * 1_000, bought=bought))
        feed.foreign(a_tick(start + second * 1_000))
    assert feed.row("state.foreign").buy_speed_1m == pytest.approx(6_000, rel=0.03)
    for second in range(121, 721):
        feed.foreign(a_tick(start + second * 1_000))
    row = feed.row("state.foreign")
    assert (row.buy_speed_1m, row.buy_speed_5m, row.acceleration) == (0, 0, 0)


def test_d08_acceleration_is_told_at_two_records_a_second(feed: Feed) -> None:
    start, bought = moment("10:00"), 0
    for half in range(2 * 1_000):
        ts_ms = start + half * 500 // 1_000 * 1_000
        bought += 50 if half < 1_600 else 5_000
        feed.foreign(a_tick(ts_ms), a_foreign(ts=ts_ms, bought=bought))
    [alert] = feed.alerts("foreign_acceleration")
    assert alert.direction == "buy"


def test_d09_contracts_on_either_side_of_their_index_do_not_flip(feed: Feed) -> None:
    start = moment("10:00")
    for second in range(30):
        ts_ms = start + second * 1_000
        records = [a_tick(ts_ms), an_index(ts=ts_ms, volume=second)]
        for symbol, price in ((FRONT, INDEX - 500), (SECOND, INDEX + 500)):
            records.append(
                a_trade(symbol, ts_ms, exchange=Exchange.DER, price=price, volume=1, total=second + 1, reference=INDEX)
            )
        feed.say("ssi.indices", *records)
    assert [feed.row("state.basis", symbol).basis for symbol in (FRONT, SECOND)] == [-500, 500]
    assert feed.alerts("basis_flip") == []


def test_d10_a_match_told_three_times_is_one(feed: Feed) -> None:
    for _ in range(3):
        feed.prices(a_tick(), a_trade())
    assert (len(feed.prints()), feed.row().total_volume, feed.row().repeats) == (1, 100, 2)


def at_the_ceiling(feed: Feed, seconds: range) -> None:
    for second in seconds:
        ts_ms = moment("10:00") + second * 1_000
        feed.prices(a_tick(ts_ms), a_trade(ts=ts_ms, price=CEILING, total=100 * (second + 1), volume=100))


def test_d11_a_restart_keeps_sums_and_says_nothing_again(feed: Feed) -> None:
    at_the_ceiling(feed, range(30))
    feed.system.restart()
    at_the_ceiling(feed, range(30, 60))
    assert feed.row().total_volume == 6_000
    assert len(feed.alerts("price_limit")) == 1


def test_d12_a_row_of_an_index_does_not_grow_with_the_day(feed: Feed) -> None:
    lengths = []
    for second in range(500):
        ts_ms = moment("10:00") + second * 1_000
        feed.say("ssi.indices", a_tick(ts_ms), an_index(ts=ts_ms, volume=1_000_000 + second))
        lengths.append(feed.system.row_bytes["state.indices"])
    assert max(lengths) <= lengths[10] + 20 < 1_000


def test_d13_an_hour_at_the_ceiling_is_one_alert_and_the_floor_after_it_another(feed: Feed) -> None:
    at_the_ceiling(feed, range(0, 3_600, 10))
    [alert] = feed.alerts("price_limit")
    assert alert.data["price"] == CEILING
    assert "64.2" in alert.message or "64,200" in alert.message
    ts = moment("10:00") + 3_600_000
    feed.prices(a_tick(ts), a_trade(ts=ts, price=FLOOR, total=360_100))
    assert [alert.direction for alert in feed.alerts("price_limit")] == ["up", "down"]


def test_d14_a_contract_ends_on_the_third_thursday_or_the_trading_day_before_it() -> None:
    assert [expiry(month) for month in (202601, 202602, 202611, 202612)] == [20260115, 20260213, 20261119, 20261217]


def test_d15_stocks_are_in_vnd_and_a_point_of_a_future_is_100_000(feed: Feed) -> None:
    feed.prices(a_tick(), a_trade(price=21_800, volume=100, reference=21_800))
    feed.say(
        "ssi.indices", a_trade(FRONT, exchange=Exchange.DER, price=124_500, volume=2, reference=124_500)
    )  # fmt: skip
    values = {line.symbol: line.value for line in feed.prints()}
    assert values == {"VNM": 2_180_000, FRONT: 2 * 1_245 * 100_000}


def test_d19_the_foreign_day_is_how_it_closed_not_its_peak(feed: Feed) -> None:
    feed.foreign(a_tick("10:00:00"), a_foreign(ts="10:00:00", bought=1_000))
    feed.foreign(a_tick("10:00:10"), a_foreign(ts="10:00:10", bought=1_000, sold=1_500))
    assert feed.row("state.foreign").net_volume == -500


def test_d20_times_are_instants_that_no_zone_shifts(feed: Feed) -> None:
    feed.prices(a_tick(), a_trade(ts="10:00:00"))
    # 03:00 in Greenwich.
    assert (feed.row().ts_ms // 1_000 % 86_400, feed.row().day) == (3 * 3_600, DAY)


def test_d21_nothing_calls_anybody_when_it_is_imported() -> None:
    # What talks to SSI, and what a user starts. No other service knows SSI: the layers in pyproject.toml hold them to that.
    code = (
        "import socket\n"
        "def refuse(*args, **kwargs): raise SystemExit('a call while importing')\n"
        "socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse\n"
        "import connectors.ssi.service, stock_tracker.cli\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert SsiSettings.model_fields["stream_url"].default == "https://fc-datahub.ssi.com.vn/"


def test_d22_what_never_comes_fails_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_S", 0.0)
    with pytest.raises(AssertionError, match="the alert"):
        patience.until(lambda: False, "the alert")


TESTS = ("unit/pipelines", "unit/connectors/clickhouse", "unit/gateway")
"""Where there is a ``test_defects.py``."""


def test_each_defect_has_a_test_of_its_number() -> None:
    sources = [(ROOT / "tests" / folder / "test_defects.py").read_text() for folder in TESTS]
    shown = {int(number) for source in sources for number in re.findall(r"^(?:async )?def test_d(\d\d)_", source, re.MULTILINE)}
    assert shown == set(range(1, 24))
