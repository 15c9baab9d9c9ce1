"""Writes a day of the archive into Parquet files, one a table, each checked for its number of rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.errors import DayChanges
from connectors.clickhouse.core.parquet import TAIL_BYTES, NotParquet, metadata_bytes, rows_in
from connectors.clickhouse.core.tables import DLQ, STORED
from schemas.calendar import as_date
from schemas.units import TradingDay

_PIECE_BYTES: Final = 1 << 20
_PLACE: Final = "partition, offset, idx"
_SETTINGS: Final = {"output_format_parquet_compression_method": "zstd", "output_format_parquet_string_as_string": 1}


class ExportedTable(NamedTuple):
    """A file that has a table's rows of a day."""

    name: str
    file: Path
    rows: int
    is_new: bool
    """Whether it was written just now; else it was there, whole."""


class _Source(NamedTuple):
    name: str
    """What people ask."""
    day: str
    """The expression for a row's day."""
    order: str


def export_day(archive: Client, day: TradingDay, folder: Path, tell: Callable[[str], None]) -> Iterator[ExportedTable]:
    """Write the tables of a day to ``folder/YYYY-MM-DD/``. A file that is there and has as many rows as the table stays.

    Each is written beside its place, checked, and put there whole: whatever ends the export, it may be run again.

    Args:
        archive: Opened on the archive's database, by a user whose answers are not limited.
        day: Which; it should be over.
        folder: Where to; made if it is not there.
        tell: Told of each table before it is written.

    Raises:
        DayChanges: Rows came while a table was written.
        clickhouse_connect.driver.exceptions.Error: ClickHouse would not say.
        OSError: The files cannot be written.
    """
    place = folder / as_date(day).isoformat()
    place.mkdir(parents=True, exist_ok=True)
    for source in _sources():
        file = place / f"{source.name}.parquet"
        rows = _count(archive, source, day)
        if rows_of(file) == rows:
            yield ExportedTable(source.name, file, rows, is_new=False)
            continue
        tell(f"{source.name}: {rows:,} rows")
        unfinished = file.with_name(f".{file.name}.unfinished")
        _write(archive, source, day, unfinished)
        if not rows == rows_of(unfinished) == _count(archive, source, day):
            unfinished.unlink()
            raise DayChanges(source.name, as_date(day).isoformat())
        unfinished.replace(file)
        yield ExportedTable(source.name, file, rows, is_new=True)


def rows_of(file: Path) -> int | None:
    """The number of rows that a Parquet file states; None where there is none, or no whole one."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - TAIL_BYTES))
            length = metadata_bytes(opened.read())
            opened.seek(max(0, size - TAIL_BYTES - length))
            return rows_in(opened.read(length))
    except (FileNotFoundError, NotParquet):
        return None


def _sources() -> Iterator[_Source]:
    for table in STORED.values():
        yield _Source(table.view, "s.day", _PLACE)
    yield _Source(DLQ, "toDate(s.ts)", f"topic, {_PLACE}")
    yield _Source("history_days", "s.day", "symbol")
    yield _Source("history_minutes", "s.day", "symbol, minute")
    yield _Source("history_indices", "s.day", "symbol")


def _from(source: _Source) -> str:
    # Tables of history show a row that was said twice once only if they are asked to.
    final = " FINAL" if source.name.startswith("history_") else ""
    return f"FROM {source.name} AS s{final} WHERE {source.day} = {{day:Date}}"


def _count(archive: Client, source: _Source, day: TradingDay) -> int:
    return int(archive.query(f"SELECT count() {_from(source)}", parameters={"day": as_date(day)}).result_rows[0][0])


def _write(archive: Client, source: _Source, day: TradingDay, file: Path) -> None:
    ask = f"SELECT * {_from(source)} ORDER BY {source.order}"
    answer: Any = archive.raw_stream(ask, parameters={"day": as_date(day)}, fmt="Parquet", settings=_SETTINGS)
    try:
        with file.open("wb") as out:
            while piece := answer.read(_PIECE_BYTES):
                out.write(piece)
    finally:
        answer.close()
