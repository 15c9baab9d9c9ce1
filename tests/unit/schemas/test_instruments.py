from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendar import at, day_of, is_trading_day, last_trading_day, previous_trading_day
from schemas.instruments import (
    FIRST_DAY_BANDS,
    FUND_TICK,
    contract_of,
    expiry,
    future_symbol,
    limits,
    listed_months,
    routing_key,
    tick_of,
    warrant_limits,
)
from schemas.session import phase_at
from schemas.shards import murmur2, shard_keys, shard_of
from schemas.units import Exchange, Price, SessionPhase, Symbol, TradingDay, UnixMs

MONDAY = TradingDay(20261123)
SUNDAY = TradingDay(20261122)

# Published reference → ceiling, floor (exchange history and press); None where only the ceiling was published.
PUBLISHED_LIMITS = [
    (28300, 30250, 26350),
    (27500, 29400, 25600),
    (26850, 28700, 25000),
    (26900, 28750, 25050),
    (26550, 28400, 24700),
    (26800, 28650, 24950),
    (27550, 29450, 25650),
    (26750, 28600, 24900),
    (27100, 28950, 25250),
    (16300, 17400, None),
    (36650, 39200, None),
    (98400, 105200, None),
    (68800, 73600, None),
    (43050, 46050, None),
    (9900, 10550, 9210),
    (10700, 11400, 9960),
    (47000, 50200, 43750),
    (53700, 57400, 49950),
]


@pytest.mark.parametrize(("reference", "ceiling", "floor"), PUBLISHED_LIMITS)
def test_limits_of_hose_are_the_published_ones(reference: int, ceiling: int, floor: int | None) -> None:
    got = limits(Price(reference), Exchange.HOSE)
    assert got[0] == ceiling
    assert floor is None or got[1] == floor


def test_limits_of_a_future_are_in_hundredths_of_a_point() -> None:
    assert limits(Price(206660), Exchange.DER) == (221120, 192200)


@pytest.mark.parametrize(
    ("exchange", "reference", "ceiling", "floor"),
    [
        # 17,500 ± 1,750, and 10,300 ± 1,545, on a tick of 100.
        (Exchange.HNX, 17_500, 19_200, 15_800),
        (Exchange.UPCOM, 10_300, 11_800, 8_800),
        # The tick is that of the result: 9,400 × 1.07 is 10,058, 50,100 × 0.93 is 46,593.
        (Exchange.HOSE, 9_400, 10_050, 8_750),
        (Exchange.HOSE, 50_100, 53_600, 46_600),
        # Both would be the reference: one tick out, and never down to 0.
        (Exchange.HOSE, 100, 110, 90),
        (Exchange.HOSE, 10, 20, 10),
        (Exchange.HNX, 500, 600, 400),
        (Exchange.HNX, 100, 200, 100),
        (Exchange.UPCOM, 100, 200, 100),
        (Exchange.DER, 10, 20, 10),
    ],
)
def test_each_exchange_has_its_band_and_its_tick(exchange: Exchange, reference: int, ceiling: int, floor: int) -> None:
    assert limits(Price(reference), exchange) == (ceiling, floor)


@pytest.mark.parametrize(
    ("exchange", "ceiling", "floor"),
    [(Exchange.HOSE, 24_600, 16_400), (Exchange.HNX, 26_600, 14_400), (Exchange.UPCOM, 28_700, 12_300)],
)
def test_a_first_day_has_a_wider_band(exchange: Exchange, ceiling: int, floor: int) -> None:
    assert limits(Price(20_500), exchange, band=FIRST_DAY_BANDS[exchange]) == (ceiling, floor)


def test_funds_have_one_tick_at_every_price() -> None:
    # 23,450 × 1.07 is 25,091.5 and × 0.93 is 21,808.5; on HNX the tick of a fund is 1 dong.
    assert limits(Price(23_450), Exchange.HOSE, tick=FUND_TICK) == (25_090, 21_810)
    assert limits(Price(12_345), Exchange.HNX, tick=Price(1)) == (13_579, 11_111)


def test_bonds_have_no_limits_and_futures_on_them_three_percent() -> None:
    with pytest.raises(ValueError, match="HNXBOND has no price limits: say the band"):
        limits(Price(100_000), Exchange.HNXBOND)
    assert limits(Price(102_000), Exchange.DER, band=3, tick=Price(1)) == (105_060, 98_940)


@pytest.mark.parametrize(
    ("reference", "ratio", "ceiling", "floor"),
    [
        # The stock, 27,500, may rise by 1,900 and fall by 1,900: a quarter of that is 475.
        (1_500, "4", 1_970, 1_030),
        (1_500, "4.9", 1_880, 1_120),
        # It would fall below 0.
        (300, "2", 1_250, 10),
        (950, "2", 1_900, 10),
    ],
)
def test_a_covered_warrant_moves_as_far_as_its_part_of_the_stock(reference: int, ratio: str, ceiling: int, floor: int) -> None:
    stock = Price(27_500)
    assert warrant_limits(Price(reference), Fraction(ratio), stock, limits(stock, Exchange.HOSE)) == (ceiling, floor)


@given(st.integers(10, 10_000).map(lambda n: n * 100), st.sampled_from([Exchange.HOSE, Exchange.HNX, Exchange.UPCOM]))
def test_limits_are_on_the_tick_and_around_the_reference(reference: int, exchange: Exchange) -> None:
    ceiling, floor = limits(Price(reference), exchange)
    assert floor <= reference <= ceiling
    assert ceiling % tick_of(ceiling, exchange) == floor % tick_of(floor, exchange) == 0


@pytest.mark.parametrize(
    ("symbol", "contract"),
    [
        ("41I1GC000", ("VN30", 202612)),
        ("41I1H1000", ("VN30", 202701)),
        ("41I1FB000", ("VN30", 202511)),
        ("41I2FA000", ("VN100", 202510)),
        ("41B5G3000", ("GB05", 202603)),
        ("41BAG6000", ("GB10", 202606)),
        ("VN30F2407", ("VN30", 202407)),
        ("VN30", None),
        ("VNM", None),
        ("41I1O1000", None),
        ("41I1GD000", None),
    ],
)
def test_a_contract_code_says_underlying_and_month(symbol: str, contract: tuple[str, int] | None) -> None:
    assert contract_of(symbol) == contract


@given(st.sampled_from(["VN30", "VN100", "GB05", "GB10"]), st.integers(2020, 2039), st.integers(1, 12))
def test_a_future_s_symbol_reads_back(underlying: str, year: int, month: int) -> None:
    assert contract_of(future_symbol(underlying, year * 100 + month)) == (underlying, year * 100 + month)


def test_a_future_lives_in_the_shard_of_its_index_and_a_stock_in_its_own() -> None:
    assert routing_key(Symbol("41I1GC000")) == "VN30"
    assert routing_key(Symbol("VNM")) == "VNM"


def test_listed_months_on_a_day_after_an_expiry() -> None:
    assert listed_months(MONDAY) == (202612, 202701, 202703, 202706)
    assert listed_months(TradingDay(20260420)) == (202605, 202606, 202609, 202612)
    assert listed_months(TradingDay(20260410)) == (202604, 202605, 202606, 202609)


def test_an_expiry_on_a_holiday_moves_to_the_trading_day_before() -> None:
    assert [expiry(202602), expiry(202611), expiry(202612)] == [20260213, 20261119, 20261217]


def test_the_calendar_knows_weekends_holidays_and_vietnam_s_midnight() -> None:
    assert not is_trading_day(SUNDAY)
    assert not is_trading_day(TradingDay(20261124))
    assert last_trading_day(SUNDAY) == 20261120
    assert previous_trading_day(MONDAY) == 20261120
    assert day_of(at(MONDAY, 0)) == 20261123
    assert day_of(UnixMs(at(MONDAY, 0) - 1)) == 20261122


@pytest.mark.parametrize(
    ("exchange", "clock", "phase"),
    [
        (Exchange.HOSE, (8, 59, 59), SessionPhase.PRE_OPEN),
        (Exchange.HOSE, (9, 0, 0), SessionPhase.ATO),
        (Exchange.HOSE, (9, 15, 0), SessionPhase.CONTINUOUS),
        (Exchange.HNX, (9, 0, 0), SessionPhase.CONTINUOUS),
        (Exchange.DER, (8, 45, 0), SessionPhase.ATO),
        (Exchange.HOSE, (11, 30, 0), SessionPhase.BREAK),
        (Exchange.UPCOM, (14, 50, 0), SessionPhase.CONTINUOUS),
        (Exchange.HNX, (14, 50, 0), SessionPhase.POST_CLOSE),
        (Exchange.HOSE, (15, 0, 0), SessionPhase.CLOSED),
    ],
)
def test_phases_follow_the_exchange_s_timetable(exchange: Exchange, clock: tuple[int, int, int], phase: SessionPhase) -> None:
    assert phase_at(at(MONDAY, *clock), MONDAY, exchange) is phase


@pytest.mark.parametrize(
    # The vectors of Kafka's own UtilsTest, signed as Java prints them.
    ("data", "value"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafka_s(data: bytes, value: int) -> None:
    assert murmur2(data) == value % 2**32


@given(st.integers(1, 64))
def test_each_shard_key_maps_to_its_own_shard(shards: int) -> None:
    assert [shard_of(key, shards) for key in shard_keys(shards)] == list(range(shards))
