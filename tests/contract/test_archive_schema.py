"""The archive's tables are its events: same fields, same names, every column explained."""

import re
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from connectors.clickhouse import migrations
from connectors.clickhouse.core.tables import DLQ, DLQ_NAMES, SOURCES, TABLES
from schemas import records, topics
from schemas.message import twin

PAGE = Path(__file__).parents[2] / "docs" / "archive.md"
_CREATE = re.compile(r"CREATE (TABLE|VIEW) IF NOT EXISTS (\w+)\s*\n\((.*?)\n\)\n", re.DOTALL)
_COLUMN = re.compile(r"^    (\w+) (.+?)(?: MATERIALIZED .+?)?(?: CODEC\(.+?\)+)? COMMENT '((?:[^']|'')+)',?$", re.MULTILINE)


def declared() -> dict[str, dict[str, tuple[str, str]]]:
    """Type and comment of each column, by table or view, as the migrations write them."""
    found = {}
    for migration in migrations.load():
        for _, name, body in _CREATE.findall(migration.sql):
            columns = {column: (type_, comment) for column, type_, comment in _COLUMN.findall(body)}
            lines = [line for line in body.splitlines() if line.strip() and not line.strip().startswith("INDEX")]
            assert len(columns) == len(lines), f"{name}: a column without a COMMENT"
            found[name] = columns
    return found


def test_there_is_a_table_for_every_event_topic() -> None:
    assert set(TABLES) == {topic.name for topic in topics.EVENT_TOPICS}
    assert set(SOURCES) == {*topics.EVENT_TOPICS, topics.SSI_DLQ}


@pytest.mark.parametrize("topic", TABLES)
def test_a_table_is_made_for_the_events_of_its_topic(topic: str) -> None:
    frame: Any = TABLES[topic].topic.message
    assert get_type_hints(frame)["events"] == list[twin(TABLES[topic].model)]  # type: ignore[misc]


def test_the_page_for_people_names_every_table_with_its_topic() -> None:
    said = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ((?:market|ssi)\.\w+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert said == {**{table.view: topic for topic, table in TABLES.items()}, DLQ: topics.SSI_DLQ.name}


@pytest.mark.parametrize("topic", TABLES)
def test_a_tables_columns_are_its_events_fields_and_its_place(topic: str) -> None:
    table = TABLES[topic]
    wanted = [name.removesuffix("_ms") for name in table.model.model_fields] + ["partition", "offset", "idx"]
    assert list(declared()[table.view]) == wanted
    assert [name for name in declared()[table.name] if name != "version"] == wanted
    assert list(table.names) == wanted


def test_the_dead_letters_columns_are_their_fields_and_their_places() -> None:
    assert list(declared()["dlq"]) == list(DLQ_NAMES)
    fields = [name for name in records.DeadLetter.model_fields if name != "schema_"]
    assert [name.removeprefix("found_") for name in DLQ_NAMES[1:-4]] == fields


@pytest.mark.parametrize("topic", TABLES)
def test_a_columns_type_holds_what_its_field_may_be(topic: str) -> None:
    columns = declared()[TABLES[topic].name]
    for name, field in TABLES[topic].model.model_fields.items():
        type_, _ = columns[name.removesuffix("_ms")]
        assert ("Nullable(" in type_) == (NoneType in get_args(field.annotation)), f"{name} {type_}"
        assert _family(type_) == _expected(name, field.annotation), f"{name} {type_}"


def test_times_keep_their_zone_everywhere() -> None:
    for table, columns in declared().items():
        for name, (type_, _) in columns.items():
            if "DateTime" in type_:
                assert re.fullmatch(r"(Nullable\()?DateTime64\([03], 'Asia/Ho_Chi_Minh'\)\)?", type_), f"{table}.{name}"


def test_every_table_forgets_repeats_for_long_enough() -> None:
    for migration in migrations.load():
        for statement in migration.statements:
            if statement.startswith("CREATE TABLE"):
                assert "SETTINGS non_replicated_deduplication_window = 10000" in statement, statement.splitlines()[0]


def test_migrations_are_numbered_without_a_hole_and_can_be_run_again() -> None:
    loaded = migrations.load()
    assert [m.number for m in loaded] == list(range(1, len(loaded) + 1))
    for migration in loaded:
        assert migration.statements
        for statement in migration.statements:
            assert re.match(r"CREATE (TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS \w+", statement), statement


def _family(type_: str) -> str:
    inner = re.sub(r"^(LowCardinality|Nullable)\(", "", re.sub(r"^LowCardinality\(", "", type_))
    return re.match(r"U?([A-Za-z]+)", inner)[1]  # type: ignore[index]


def _expected(name: str, annotation: Any) -> str:
    optional = get_origin(annotation) in (Union, UnionType)
    of = next(a for a in get_args(annotation) if a is not NoneType) if optional else annotation
    if name.endswith("_ms"):
        return "DateTime"
    if name == "day":
        return "Date"
    while hasattr(of, "__supertype__"):
        of = of.__supertype__
    if get_origin(of) is Literal or (isinstance(of, type) and issubclass(of, str)) or get_origin(of) is dict:
        return "String"
    return {bool: "Bool", int: "Int", float: "Float"}[of]
