"""Asks a database what its tables look like, and refuses to write into tables that are not what this program needs."""

from clickhouse_connect.driver.client import Client

from connectors.clickhouse import migrations
from connectors.clickhouse.core.errors import ColumnsMissing, ColumnsUnknown, TypesUnknown
from connectors.clickhouse.core.layout import NEEDED, Described, Layout, missing, unknown, unwritable


def describe(client: Client, database: str) -> Layout:
    """All tables and views of ``database`` with their columns, in order."""
    found = client.query(
        "SELECT table, name, type, default_kind FROM system.columns WHERE database = {database:String} ORDER BY table, position",
        parameters={"database": database},
    ).result_rows
    layout: dict[str, dict[str, Described]] = {}
    for table, name, type_, default_kind in found:
        layout.setdefault(str(table), {})[str(name)] = Described(str(type_), str(default_kind))
    return layout


def id_of(client: Client, database: str) -> str:
    """ClickHouse's own id of a database."""
    found = client.query(
        "SELECT toString(uuid) FROM system.databases WHERE name = {database:String}", parameters={"database": database}
    ).result_rows
    return str(found[0][0])


def inspect(client: Client, database: str) -> Layout:
    """The tables of ``database``, which the sink can write into. Their migrations must have been applied.

    Columns that this program does not know are fine when they have a default: a newer release has added them.

    Raises:
        ColumnsMissing: A column that the sink fills is not there.
        ColumnsUnknown: A column that it does not know has no default.
        TypesUnknown: A column that it fills has a type that it does not write.
    """
    found = describe(client, database)
    if lacking := missing(found, NEEDED, migrations.load()):
        raise ColumnsMissing(database, lacking)
    if strange := unknown(found, NEEDED):
        raise ColumnsUnknown(database, strange)
    if strange := unwritable(found, NEEDED):
        raise TypesUnknown(database, strange)
    return found
