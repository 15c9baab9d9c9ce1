"""The number of rows that a Parquet file states, read without a library for Parquet."""

from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.clickhouse.core.parquet import NotParquet, metadata_bytes, rows_in
from connectors.clickhouse.export import rows_of


def written(file: Path, rows: int, columns: int = 3, group: int = 1_000) -> Path:
    """A file by somebody else's code, with what files of ours do not have, too: nested columns, and metadata of a schema."""
    made: dict[str, object] = {f"c{n}": pa.array(range(rows), pa.int64()) for n in range(columns)}
    made["nested"] = pa.array(
        [{"a": n % 2 == 0, "b": [n]} for n in range(rows)], pa.struct({"a": pa.bool_(), "b": pa.list_(pa.int32())})
    )
    pq.write_table(pa.table(made), file, row_group_size=group)
    return file


@pytest.mark.parametrize(("rows", "columns", "group"), [(0, 1, 10), (1, 1, 10), (250, 40, 7), (70_000, 2, 1_000)])
def test_the_rows_of_a_file_are_those_that_its_writer_counted(tmp_path: Path, rows: int, columns: int, group: int) -> None:
    file = written(tmp_path / "a.parquet", rows, columns, group)
    assert rows_of(file) == rows == pq.read_metadata(file).num_rows


def test_what_is_no_whole_file_has_no_rows(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.parquet", 100).read_bytes()
    file = tmp_path / "b.parquet"
    assert rows_of(file) is None
    for text in (b"", b"PAR1", whole[:-1], whole[:-9], b"\xff\xff\xff\x00PAR1", b"PAR1\x00\x00\x00\x00PAR1"):
        file.write_bytes(text)
        assert rows_of(file) is None, text[-20:]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), byte=st.integers(0, 255))
def test_metadata_that_are_broken_are_refused_or_read_and_nothing_else(tmp_path: Path, place: int, byte: int) -> None:
    file = tmp_path / "a.parquet"
    whole = file.read_bytes() if file.exists() else written(file, 10, 1).read_bytes()
    metadata = bytearray(whole[-8 - metadata_bytes(whole[-8:]) : -8])
    metadata[place % len(metadata)] = byte
    with suppress(NotParquet):
        assert isinstance(rows_in(bytes(metadata)), int)
