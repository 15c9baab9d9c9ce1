"""The archive's tables are its events: same fields, same names, every column explained, whatever migrations made of them.

What a table looks like is asked of a real engine, the embedded one in memory, after all migrations.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.layout import NEEDED, Described, missing, unknown
from connectors.clickhouse.core.migration import Migration
from connectors.clickhouse.core.rows import Block, Decoded
from connectors.clickhouse.core.tables import DLQ, DLQ_NAMES, SOURCES, STORED, TABLES, Table, column_of, fields_of, table
from schemas import events, position, records, topics
from schemas.message import twin
from schemas.topics import Topic
from schemas.units import TradingDay
from stock_tracker.verify.core.archive import compare_rows
from stock_tracker.verify.core.differences import EventPosition
from stock_tracker.verify.rows import event_row, expected, read_rows

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"
TAKEN_MS = 1_795_140_900_123
DATABASE = "archive"
FIRST_RELEASE = 5
"""Migrations of release 0.1.0."""
OTHER = 7
"""A partition in which only some rows are."""
WINDOW = 10_000
"""Inserts that every table remembers: enough for two sinks that insert the same at a time."""


class Look(NamedTuple):
    """A column as the engine has it."""

    type: str
    default_kind: str
    comment: str


Looks = Mapping[str, Mapping[str, Look]]
"""By table or view and column, in the table's order."""


@pytest.fixture(scope="module")
def engine() -> Iterator[Client]:
    """The embedded engine in memory, as long as this client is open."""
    client = clickhouse_connect.get_client(interface="chdb", path=":memory:")
    yield client
    client.close()


@pytest.fixture(scope="module")
def history(engine: Client) -> list[Looks]:
    """What the tables looked like after each migration, oldest first; names without a database mean these tables."""
    engine.database = DATABASE
    known = migrations.load()
    found = []
    for number in range(1, len(known) + 1):
        migrations.migrate(engine, DATABASE, known[:number])
        found.append(look_at(engine, DATABASE))
    return found


@pytest.fixture(scope="module")
def looks(history: list[Looks]) -> Looks:
    """What the tables look like after all migrations."""
    return history[-1]


@pytest.fixture(scope="module")
def archive(engine: Client, history: list[Looks]) -> Client:
    """The engine with all migrations."""
    return engine


def look_at(engine: Client, database: str) -> Looks:
    found = engine.query(
        "SELECT table, name, type, default_kind, comment FROM system.columns WHERE database = {d:String}"
        " ORDER BY table, position",
        parameters={"d": database},
    ).result_rows
    looks: dict[str, dict[str, Look]] = {}
    for name, column, *said in found:
        looks.setdefault(name, {})[column] = Look(*map(str, said))
    return looks


def test_there_is_a_table_for_every_event_topic() -> None:
    assert set(TABLES) == {topic.name for topic in topics.EVENT_TOPICS}
    assert set(SOURCES) == {*topics.EVENT_TOPICS, topics.SSI_REFERENCE, topics.PIPELINES_TERMS, topics.SSI_DLQ}


@pytest.mark.parametrize("topic", TABLES)
def test_a_table_is_made_for_the_events_of_its_topic(topic: str) -> None:
    frame: Any = TABLES[topic].topic.message
    assert get_type_hints(frame)["events"] == list[twin(TABLES[topic].model)]  # type: ignore[misc]


def test_the_page_for_people_names_every_table_with_its_topic() -> None:
    row = r"^\| `(\w+)` \| [^|]+ \| ((?:market|ssi|pipelines)\.\w+)"
    said = dict(re.findall(row, PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert said == {**{table.view: topic for topic, table in STORED.items()}, DLQ: topics.SSI_DLQ.name}


@pytest.mark.parametrize("topic", STORED)
def test_a_tables_columns_are_its_events_fields_and_its_position(topic: str, looks: Looks) -> None:
    filled = STORED[topic]
    assert complaints(filled, looks[filled.name]) == []
    assert complaints(filled, looks[filled.view]) == []


def test_the_dead_letters_columns_are_their_fields_and_their_positions(looks: Looks) -> None:
    assert list(looks[DLQ]) == list(DLQ_NAMES)
    fields = [name for name in records.DeadLetter.model_fields if name != "schema_"]
    assert [name.removeprefix("found_") for name in DLQ_NAMES[1:-4]] == fields


def test_every_column_that_people_see_says_what_it_is(looks: Looks) -> None:
    bare = [f"{name}.{column}" for name, columns in looks.items() for column, look in columns.items() if not look.comment]
    assert [name for name in bare if "_mv." not in name] == []


def test_times_keep_their_zone_everywhere(looks: Looks) -> None:
    for name, columns in looks.items():
        for column, look in columns.items():
            if "DateTime" in look.type:
                assert re.fullmatch(r"(Nullable\()?DateTime64\([03], 'Asia/Ho_Chi_Minh'\)\)?", look.type), f"{name}.{column}"


def test_every_table_forgets_repeats_for_long_enough(archive: Client) -> None:
    found = archive.query(
        "SELECT name, engine_full, comment FROM system.tables WHERE database = {d:String} AND engine LIKE '%MergeTree'",
        parameters={"d": DATABASE},
    ).result_rows
    assert {table.name for table in STORED.values()} < {name for name, _, _ in found}
    for name, engine_full, comment in found:
        window = re.search(r"non_replicated_deduplication_window = (\d+)", engine_full)
        assert window is not None, name
        assert int(window[1]) >= WINDOW, name
        assert comment, name


def test_the_sink_can_write_into_the_tables_that_its_migrations_make(looks: Looks) -> None:
    made = {
        name: {column: Described(look.type, look.default_kind) for column, look in its.items()} for name, its in looks.items()
    }
    assert (missing(made, NEEDED, migrations.load()), unknown(made, NEEDED)) == ([], [])


@pytest.mark.parametrize("topic", STORED)
def test_what_a_topic_holds_is_read_back_from_its_table(topic: str, archive: Client, looks: Looks) -> None:
    filled = STORED[topic]
    said = []
    messages = []
    for offset, value in enumerate(messages_of(filled.topic)):
        messages.append(decode(filled, value, offset))
        said += [
            (EventPosition(position.Position(topic, 0, offset), i), event_row(event))
            for i, event in enumerate(messages[-1].events)
        ]
    made, rejects = rows.blocks(messages, types(looks))
    for block in made:
        insert(archive, block, looks)
    found = dict(read_rows(archive, filled))
    assert rejects == []
    assert list(compare_rows(filled.view, expected(filled, said), found, [])) == []


@pytest.mark.parametrize("topic", STORED)
def test_a_release_that_lacks_a_field_writes_what_this_one_reads_in_its_place(topic: str, archive: Client, looks: Looks) -> None:
    assert differences_of_an_older_row(archive, STORED[topic], looks) == []


@pytest.mark.parametrize("topic", [topic for topic, filled in STORED.items() if filled.retired])
def test_a_retired_column_is_kept_for_writers_of_the_release_before_and_shown_to_nobody(topic: str, looks: Looks) -> None:
    filled = STORED[topic]
    assert set(filled.retired) < looks[filled.name].keys()
    assert not set(filled.retired) & looks[filled.view].keys()


def test_what_the_release_before_writes_of_aggressors_shows_under_the_new_names(archive: Client) -> None:
    row = {"symbol": "OLD", "day": 20_000, "bought": 300, "sold": 200, "offset": 1}
    archive.insert("prices_daily_state", [list(row.values())], column_names=list(row))
    shown = archive.query("SELECT active_buy, active_sell FROM prices_daily WHERE symbol = 'OLD'").result_rows
    archive.command("DELETE FROM prices_daily_state WHERE symbol = 'OLD'")
    assert shown == [(300, 200)]


def test_an_index_and_a_basis_are_shown_by_the_minute(archive: Client) -> None:
    indices = [("MINUTE", "2026-11-20 10:00:05", 200_000, 5, 1), ("MINUTE", "2026-11-20 10:00:55", 200_300, 9, 2)]
    indices += [("MINUTE", "2026-11-20 10:00:55", 200_100, 9, 3), ("MINUTE", "2026-11-20 10:01:00", 201_000, 12, 4)]
    archive.command(f"INSERT INTO indices (symbol, ts, value, volume, offset) VALUES {', '.join(map(str, indices))}")
    bases = [("MINUTE", "F1", "2026-11-20 10:00:05", 500, "false", 1), ("MINUTE", "F1", "2026-11-20 10:00:06", 400, "false", 2)]
    bases += [("MINUTE", "F1", "2026-11-20 10:00:20", 900, "true", 3)]
    archive.command(f"INSERT INTO basis (underlying, symbol, ts, basis, stale, offset) VALUES {', '.join(map(str, bases))}")
    ask = "SELECT toString(t), open, high, low, close{} FROM {} WHERE {} = 'MINUTE' ORDER BY t"
    minutes = archive.query(ask.format(", volume", "indices_1m", "symbol")).result_rows
    bases_by_minute = archive.query(ask.format("", "basis_1m", "underlying")).result_rows
    archive.command("DELETE FROM indices WHERE symbol = 'MINUTE'")
    archive.command("DELETE FROM basis WHERE underlying = 'MINUTE'")
    assert [*minutes, *bases_by_minute] == [
        ("2026-11-20 10:00:00", 200_000, 200_300, 200_000, 200_100, 9),
        ("2026-11-20 10:01:00", 201_000, 201_000, 201_000, 201_000, 12),
        ("2026-11-20 10:00:00", 500, 500, 400, 400),
    ]


def test_a_column_that_came_later_has_a_default(archive: Client, history: list[Looks]) -> None:
    views = "SELECT name FROM system.tables WHERE database = {d:String} AND engine LIKE '%View'"
    # A view computes its columns: nothing was stored without them.
    computed = {name for (name,) in archive.query(views, parameters={"d": DATABASE}).result_rows}
    for before, after in pairwise(history):
        for name in before.keys() & after.keys() - computed:
            for column in after[name].keys() - before[name].keys():
                look = after[name][column]
                assert look.default_kind or is_nullable(look.type), f"{name}.{column}"


def test_migrations_are_numbered_without_a_hole() -> None:
    assert [m.number for m in migrations.load()] == list(range(1, len(migrations.load()) + 1))


NAME = r"\w+"
ADDITIVE = (
    rf"CREATE TABLE IF NOT EXISTS {NAME}\s",
    rf"CREATE MATERIALIZED VIEW IF NOT EXISTS {NAME} TO ",
    rf"CREATE VIEW IF NOT EXISTS {NAME}\s",
    # A plain view holds nothing: it is made anew, whole, in one step.
    rf"CREATE OR REPLACE VIEW {NAME}\s",
    rf"ALTER TABLE {NAME}\s+ADD COLUMN IF NOT EXISTS ",
    rf"ALTER TABLE {NAME}\s+COMMENT COLUMN IF EXISTS ",
    rf"ALTER TABLE {NAME}\s+MODIFY COLUMN IF EXISTS ",
    rf"ALTER TABLE {NAME}\s+MODIFY (COMMENT|SETTING|TTL) ",
    # A materialized view is changed where it stands: between dropping and making it, rows would pass it by.
    rf"ALTER TABLE {NAME}_mv\s+MODIFY QUERY\s",
    rf"ALTER TABLE {NAME}\s+(ADD|MATERIALIZE) INDEX IF (NOT )?EXISTS ",
    rf"ALTER TABLE {NAME}\s+DROP INDEX IF EXISTS ",
    # Made of the minutes, and asked of them since 012: no program writes into it.
    r"DROP (TABLE|VIEW) IF EXISTS candles_(5m|1d)_(state|mv)$",
)
"""Statements that may be run again, and that leave a program which does not know of them able to write."""
NOT_ADDITIVE = (
    rf"ALTER TABLE {NAME}\s+(DROP|RENAME) COLUMN IF EXISTS ",
    rf"DROP (TABLE|VIEW) IF EXISTS {NAME}",
    # What is there already is not copied again.
    rf"INSERT INTO {NAME} \([^;]+ NOT IN \(SELECT partition, offset, idx FROM {NAME} ",
)
"""Further ones, for a file that says ``-- not additive: WHY``."""


def test_a_migration_holds_only_statements_that_can_be_run_again() -> None:
    for migration in migrations.load():
        assert migration.statements, migration
        assert forbidden(migration) == [], migration


def forbidden(migration: Migration) -> list[str]:
    """The statements that its file may not hold."""
    allowed = re.compile("|".join(ADDITIVE + (NOT_ADDITIVE if migration.not_additive else ())))
    return [statement for statement in migration.statements if not allowed.match(statement)]


@pytest.mark.parametrize(
    ("sql", "stands"),
    [
        ("ALTER TABLE trades ADD COLUMN IF NOT EXISTS x Int8 DEFAULT 1 COMMENT 'X';", True),
        ("ALTER TABLE trades ADD COLUMN x Int8;", False),
        ("ALTER TABLE trades DROP COLUMN IF EXISTS late;", False),
        ("-- not additive: a late print is told by its time now\nALTER TABLE trades DROP COLUMN IF EXISTS late;", True),
        ("-- not additive: what for\nALTER TABLE trades DROP COLUMN late;", False),
        ("ALTER TABLE trades UPDATE late = 0 WHERE 1;", False),
        ("INSERT INTO trades SELECT * FROM trades;", False),
        ("DROP VIEW IF EXISTS candles_1m_mv;", False),
        ("CREATE OR REPLACE VIEW prices_daily\n(symbol String) AS SELECT symbol FROM prices_daily_state;", True),
    ],
)
def test_what_cannot_be_run_again_is_no_migration(sql: str, stands: bool) -> None:
    assert (forbidden(Migration(7, "x", sql)) == []) is stands


def test_a_migration_can_be_run_again_from_wherever_it_stopped(engine: Client, archive: Client, looks: Looks) -> None:
    engine.command("CREATE DATABASE interrupted", use_database=False)
    with unqualified(engine, "interrupted"):
        for migration in migrations.load():
            # It stops after one statement, after two, and so on; each time it is begun anew, and at last run twice in full.
            for stop in [*range(1, len(migration.statements) + 1), len(migration.statements)]:
                for statement in migration.statements[:stop]:
                    engine.command(statement)
    again = look_at(engine, "interrupted")
    assert again == {name: columns for name, columns in looks.items() if name in again}
    assert looks.keys() - again.keys() == {"schema_migrations"}


def test_the_first_releases_tables_keep_their_rows_when_they_grow(engine: Client, archive: Client, looks: Looks) -> None:
    trades = TABLES[topics.MARKET_TRADES.name]
    with unqualified(engine, "grown"):
        migrations.migrate(engine, "grown", migrations.load()[:FIRST_RELEASE])
        old = look_at(engine, "grown")
        messages = [decode(trades, value, offset) for offset, value in enumerate(messages_of(trades.topic))]
        for block in rows.blocks(messages, types(looks))[0]:
            insert(engine, replace(only(block, old[trades.view]), table=trades.view), old)
        before = list(read_rows(engine, trades)), engine.query("SELECT * FROM candles_1d ORDER BY ALL").result_rows
        migrations.migrate(engine, "grown")
        after = list(read_rows(engine, trades)), engine.query("SELECT * FROM candles_1d ORDER BY ALL").result_rows
    assert len(before[0]) == sum(message.rows for message in messages)
    for (place, row), (place_after, row_after) in zip(before[0], after[0], strict=True):
        assert place == place_after
        assert row == {name: row_after[name] for name in row}
    # The view says where a day comes from now.
    assert [(*day, "stream") for day in before[1]] == after[1]


# A field that does not exist, and the ways in which its column can be wrong.


class GrownEvent(events.QuoteEvent):
    """A quote that also says where it was made."""

    venue: str = "main"


class GrownFrame(events.QuotesFrame):
    events: list[GrownEvent]  # type: ignore[assignment]


GROWN = table(Topic("market.quotes", twin(GrownFrame), sharded=True, cleanup="delete", retention_ms=1), GrownEvent, "quotes")
LAST = TABLES[topics.MARKET_QUOTES.name].columns[-1].name
VENUE = f"""
ALTER TABLE quotes
    ADD COLUMN IF NOT EXISTS venue LowCardinality(String) DEFAULT 'main' CODEC(ZSTD(1)) COMMENT 'Where it was made' AFTER {LAST};
"""


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ("", "", None),
        (f" AFTER {LAST}", "", "the columns are not"),
        ("LowCardinality(String)", "LowCardinality(Nullable(String))", "may be null"),
        ("LowCardinality(String) DEFAULT 'main'", "Int32 DEFAULT 0", "Int for String"),
        ("COMMENT 'Where it was made'", "", "no comment"),
        ("DEFAULT 'main'", "", "no DEFAULT"),
        ("DEFAULT 'main'", "DEFAULT 'HOSE'", "an older release's row differs in venue"),
    ],
)
def test_a_grown_field_without_its_column_is_told(
    engine: Client, archive: Client, right: str, wrong: str, complaint: str | None
) -> None:
    engine.command("CREATE DATABASE IF NOT EXISTS planted", use_database=False)
    with unqualified(engine, "planted"):
        engine.command(f"CREATE OR REPLACE TABLE quotes AS {DATABASE}.quotes")
        for statement in Migration(99, "venue", VENUE.replace(right, wrong, 1)).statements:
            engine.command(statement)
        found = look_at(engine, "planted")
        said = complaints(GROWN, found["quotes"]) or differences_of_an_older_row(engine, GROWN, found)
    assert (said == []) if complaint is None else any(complaint in text for text in said), said


def test_a_grown_field_without_a_migration_is_told(looks: Looks) -> None:
    assert any("the columns are not" in text for text in complaints(GROWN, looks["quotes"]))


def complaints(filled: Table, columns: Mapping[str, Look]) -> list[str]:
    """What of a table, or of the view on it, is not as its events are."""
    stored = [name for name, look in columns.items() if look.default_kind != "MATERIALIZED" and name not in filled.retired]
    if stored != list(filled.names):
        return [f"{filled.name}: the columns are not {', '.join(filled.names)}, but {', '.join(stored)}"]
    said = []
    for name, annotation in fields_of(filled.model).items():
        look = columns[column_of(name)]
        where = f"{filled.name}.{column_of(name)} {look.type}"
        if is_nullable(look.type) != (NoneType in get_args(annotation)):
            said.append(f"{where}: may be null, or may not, unlike its field")
        if family(look.type) != expected_family(name, annotation):
            said.append(f"{where}: {family(look.type)} for {expected_family(name, annotation)}")
        if not look.comment:
            said.append(f"{where}: no comment")
    return said


def differences_of_an_older_row(engine: Client, filled: Table, looks: Looks) -> list[str]:
    """How a row by a program that lacks the fields with a default differs from one by a program that reads them as they are
    when a message lacks them.
    """
    fields = getattr(filled.model, "model_fields", {})
    later = [name for name, field in fields.items() if not field.is_required()]
    if not later:
        return []
    columns = looks[filled.name]
    bare = [n for n in map(column_of, later) if not columns[n].default_kind and not is_nullable(columns[n].type)]
    if bare:
        return [f"{filled.name}.{name}: no DEFAULT, though its field has one" for name in bare]
    message = json.loads(next(messages_of(filled.topic)))
    for event in message["events"]:
        for name in later:
            event.pop(name, None)
    read = decode(filled, json.dumps(message).encode(), 0, OTHER)
    (newer,), rejects = rows.blocks([read], types(looks))
    assert rejects == []
    older = only(newer, set(newer.names) - set(map(column_of, later)))
    found = []
    for block in (newer, older):
        insert(engine, block, looks)
        found.append(engine.query(f"SELECT * FROM {filled.name} WHERE partition = {OTHER} ORDER BY ALL").named_results())
        engine.command(f"DELETE FROM {filled.name} WHERE partition = {OTHER}")
    return [
        f"{filled.name}: an older release's row differs in {name}"
        for by_newer, by_older in zip(*found, strict=True)
        for name in by_newer
        if by_newer[name] != by_older[name]
    ]


def messages_of(topic: Topic[Any]) -> Iterator[bytes]:
    """What stands on a topic, by example."""
    for path in sorted((EXAMPLES / topic.name).glob("*.json")):
        yield path.read_bytes()
    for path in sorted((EXAMPLES / topic.name / "previous").glob("*.jsonl")):
        yield from path.read_bytes().splitlines()


def decode(filled: Table, value: bytes, offset: int, partition: int = 0) -> Decoded:
    place = position.Position(filled.topic.name, partition, offset)
    return rows.decode(place, TAKEN_MS, value, {filled.topic.name: filled})


def types(looks: Looks) -> Mapping[str, Mapping[str, str]]:
    return {name: {column: look.type for column, look in columns.items()} for name, columns in looks.items()}


def insert(engine: Client, block: Block, looks: Looks) -> None:
    engine.insert(
        block.table,
        block.columns,
        column_names=block.names,
        column_type_names=[looks[block.table][name].type for name in block.names],
        column_oriented=True,
        # The same row twice is meant: it has no token that tells it from a repeat.
        settings={"insert_deduplicate": 0},
    )


def only(block: Block, names: Collection[str]) -> Block:
    """The block without the columns that are not among ``names``."""
    kept = [n for n, name in enumerate(block.names) if name in names]
    return Block(block.table, block.month, tuple(block.names[n] for n in kept), tuple(block.columns[n] for n in kept))


@contextmanager
def unqualified(engine: Client, database: str) -> Iterator[None]:
    """Names without a database mean ``database`` as long as the block runs."""
    engine.database = database
    try:
        yield
    finally:
        engine.database = DATABASE


def is_nullable(type_: str) -> bool:
    return "Nullable(" in type_


def family(type_: str) -> str:
    inner = re.sub(r"^(LowCardinality|Nullable)\(", "", re.sub(r"^LowCardinality\(", "", type_))
    return re.match(r"U?([A-Za-z]+)", inner)[1]  # type: ignore[index]


def expected_family(name: str, annotation: Any) -> str:
    optional = get_origin(annotation) in (Union, UnionType)
    of = next(a for a in get_args(annotation) if a is not NoneType) if optional else annotation
    if name.endswith("_ms"):
        return "DateTime"
    if of is TradingDay:
        return "Date"
    while hasattr(of, "__supertype__"):
        of = of.__supertype__
    if get_origin(of) is dict and name != "data":
        return "Map"
    if get_origin(of) is list:
        return "Array"
    if get_origin(of) is Literal or (isinstance(of, type) and issubclass(of, str)) or get_origin(of) is dict:
        return "String"
    return {bool: "Bool", int: "Int", float: "Float"}[of]
