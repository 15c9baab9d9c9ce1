"""What is encoded is what an engine reads, for every type that the archive's tables have."""

from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.native import Misfit, encode

N = 300
"""More different texts than one byte can name."""
COLUMNS: dict[str, tuple[str, list[Any]]] = {
    "small": ("UInt16", [0, 65_535] * (N // 2)),
    "signed": ("Int32", [-(2**31), 2**31 - 1] * (N // 2)),
    "large": ("UInt64", [2**64 - 1] * N),
    "price": ("Nullable(Int32)", [None, -5, 7] * (N // 3)),
    "never": ("Nullable(Int64)", [None] * N),
    "always": ("Nullable(Int64)", [3] * N),
    "share": ("Float64", [0.25, -1e300] * (N // 2)),
    "maybe": ("Nullable(Float64)", [None, 0.5] * (N // 2)),
    "flag": ("Bool", [True, False] * (N // 2)),
    "text": ("String", ["", "Cổ phiếu", "x" * 300] * (N // 3)),
    "maybe_text": ("Nullable(String)", [None, "a", ""] * (N // 3)),
    "few": ("LowCardinality(String)", ["", "buy", "sell"] * (N // 3)),
    "many": ("LowCardinality(String)", [f"S{n:03d}" for n in range(N)]),
    "maybe_few": ("LowCardinality(Nullable(String))", [None, "", "ceiling"] * (N // 3)),
    "none_of_few": ("LowCardinality(Nullable(String))", [None] * N),
    "groups": ("Array(LowCardinality(String))", [[], ["VN30"], ["VN100", "VN30"]] * (N // 3)),
    "sectors": ("Map(LowCardinality(String), LowCardinality(String))", [{}, {"SSI": "Brokers", "TCB": "Banks"}] * (N // 2)),
    "no_sectors": ("Map(LowCardinality(String), String)", [{}] * N),
}


@pytest.fixture(scope="module")
def engine() -> Iterator[Client]:
    client = clickhouse_connect.get_client(interface="chdb", path=":memory:")
    yield client
    client.close()


def stored(engine: Client, columns: dict[str, tuple[str, list[Any]]], shown: str = "*") -> list[tuple[Any, ...]]:
    types = {name: type_ for name, (type_, _) in columns.items()}
    described = ", ".join(f"{name} {type_}" for name, type_ in types.items())
    engine.command(f"CREATE OR REPLACE TABLE t ({described}) ENGINE = Memory")
    block = encode(list(columns), types, [values for _, values in columns.values()])
    engine.raw_insert("t", column_names=list(columns), insert_block=block, fmt="Native")
    return [tuple(row) for row in engine.query(f"SELECT {shown} FROM t").result_rows]


def test_an_engine_reads_what_was_encoded(engine: Client) -> None:
    assert stored(engine, COLUMNS) == list(zip(*(values for _, values in COLUMNS.values()), strict=True))


def test_times_and_days_are_numbers_since_1970(engine: Client) -> None:
    columns: dict[str, tuple[str, list[Any]]] = {
        "ts": ("DateTime64(3, 'Asia/Ho_Chi_Minh')", [1_795_140_900_123, 4_102_444_800_000]),
        "day": ("Date", [20_777, 65_535]),
        "since": ("Nullable(DateTime64(3, 'Asia/Ho_Chi_Minh'))", [None, 5]),
        "expiry": ("Nullable(Date)", [20_804, None]),
    }
    shown = "toUnixTimestamp64Milli(ts), toInt32(day), toUnixTimestamp64Milli(since), toInt32(expiry)"
    assert stored(engine, columns, shown) == [(1_795_140_900_123, 20_777, None, 20_804), (4_102_444_800_000, 65_535, 5, None)]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("UInt16", 65_536),
        ("UInt16", -1),
        ("Int64", 2**63),
        ("Int32", None),
        ("Date", -1),
        ("DateTime64(3)", -1),
        ("DateTime64(3)", 4_102_444_800_001),
        ("Nullable(Int32)", 2**31),
        ("Bool", 256),
        ("String", None),
        ("LowCardinality(String)", None),
    ],
)
def test_what_a_type_does_not_hold_is_an_error(type_: str, value: Any) -> None:
    with pytest.raises(Misfit, match=f"x {type_}".replace("(", r"\(").replace(")", r"\)")):
        encode(["x"], {"x": type_}, [[value]])
