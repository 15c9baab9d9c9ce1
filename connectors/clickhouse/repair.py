"""Makes sure of blocks that may have been inserted before: :mod:`connectors.clickhouse.core.repair` says how and why."""

import logging
from collections.abc import Callable, Mapping

from clickhouse_connect.driver.client import Client

from connectors.clickhouse import metrics
from connectors.clickhouse.core import repair
from connectors.clickhouse.core.errors import InsertStillRuns, RowsLost
from connectors.clickhouse.core.repair import DERIVED, REPAIRS, DerivedTable
from connectors.clickhouse.core.rows import Block

log = logging.getLogger(__name__)


class Repair:
    """Looks into the tables for what an insert that is repeated has left out, and puts it there."""

    def __init__(self, client: Client, database: str, types: Mapping[str, Mapping[str, str]], settings: Mapping[str, object]):
        """Set whose tables.

        Args:
            client: That may write.
            database: What names without a database mean to it.
            types: Of the columns, in order, by table.
            settings: Of every insert, but for its token.
        """
        self._client = client
        self._database = database
        self._types = types
        self._settings = dict(settings)

    def settle(self, block: Block, token: str, insert: Callable[[Block, str], None]) -> int:
        """Make sure that the rows of a block are in its table once, and that derived tables are made of them.

        Says how many rows it has inserted; in a table that shows the last row of a thing only, all of them.

        Nobody else may insert what belongs to the block's partition meanwhile, but a sink that has lost the partition.

        Args:
            block: It, or some of it, may be there already.
            token: Of its insert.
            insert: Inserts rows under a token.

        Raises:
            InsertStillRuns: So nobody can say yet what is there.
            RowsLost: The repairs are lost, too.
        """
        if block.table in repair.REPLACING:
            self._insert_again(block)
            return block.rows
        stored = self._count(block, token, insert)
        for derived in DERIVED.get(block.table, ()):
            self._correct(block, token, derived)
        return stored

    def _count(self, block: Block, token: str, insert: Callable[[Block, str], None]) -> int:
        self._ended(token)
        lacking = self._lacking(block)
        lacked = 0 if lacking is None else lacking.rows
        if lacking is not None and lacking.rows == block.rows:
            insert(block, token)
            self._ended(token)
            lacking = self._lacking(block)
        for n in range(1, REPAIRS):
            if lacking is None:
                return lacked
            log.warning("%s lacks %d rows of an insert that it takes for done: they go in again", block.table, lacking.rows)
            metrics.REPAIRED.labels(block.table).inc(lacking.rows)
            insert(lacking, f"{token}#rows-{n}")
            self._ended(f"{token}#rows-{n}")
            lacking = self._lacking(block)
        raise RowsLost(block.table, token)

    def _correct(self, block: Block, token: str, table: DerivedTable) -> None:
        asked = repair.correction(table, self._types[table.storage], self._query_of(table))
        # Given as text, the map of conditions needs quotes of its own.
        filters = repair.filter_setting(repair.filters(block, table, self._database))
        for n in range(1, REPAIRS):
            rows = self._client.raw_query(asked, fmt="Native", settings={"additional_table_filters": filters})
            if not rows:
                return
            log.warning("%s is not what its rows come to after an insert that was cut off: it is corrected", table.storage)
            metrics.REPAIRED.labels(table.storage).inc()
            corrects = f"{token}#{table.storage}-{n}"
            self._client.raw_insert(
                table.storage,
                column_names=list(self._types[table.storage]),
                insert_block=rows,
                fmt="Native",
                settings={**self._settings, "insert_deduplication_token": corrects},
            )
            self._ended(corrects)
        raise RowsLost(table.storage, token)

    def _insert_again(self, block: Block) -> None:
        types = self._types[block.table]
        self._client.insert(
            block.table,
            block.columns,
            column_names=block.names,
            column_type_names=[types[name] for name in block.names],
            column_oriented=True,
            settings={**self._settings, "insert_deduplicate": 0},
        )

    def _lacking(self, block: Block) -> Block | None:
        found = self._client.query(repair.question(block)).result_rows
        return repair.lacking(block, found, self._oldest_day(block.table))

    def _oldest_day(self, table: str) -> int | None:
        engine, today = self._client.query(
            "SELECT engine_full, toInt32(today()) FROM system.tables"
            " WHERE database = currentDatabase() AND name = {table:String}",
            parameters={"table": table},
        ).result_rows[0]
        days = repair.kept_days(str(engine))
        return None if days is None else int(today) - days

    def _query_of(self, table: DerivedTable) -> str:
        found = self._client.query(
            "SELECT as_select FROM system.tables WHERE database = currentDatabase() AND name = {view:String}",
            parameters={"view": table.view},
        ).result_rows
        return str(found[0][0])

    def _ended(self, token: str) -> None:
        """Make sure that no insert under a token runs any more.

        Raises:
            InsertStillRuns: One does.
        """
        running = self._client.query(
            "SELECT count() FROM system.processes WHERE Settings['insert_deduplication_token'] = {token:String}",
            parameters={"token": token},
        ).result_rows
        if running[0][0]:
            raise InsertStillRuns(token)
