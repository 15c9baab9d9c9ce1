"""Inserts blocks into ClickHouse, each with a deduplication token, so that one that is repeated is stored once."""

import logging
import time
from contextlib import AbstractContextManager
from typing import NamedTuple

import lz4.frame
from clickhouse_connect.driver.client import Client

from connectors.clickhouse import metrics
from connectors.clickhouse.client import connect, is_here, naming_errors
from connectors.clickhouse.core import rows
from connectors.clickhouse.core.intent import Batch
from connectors.clickhouse.core.rows import Block, Decoded, Reject
from connectors.clickhouse.layout import id_of, inspect
from connectors.clickhouse.migrations import migrate
from connectors.clickhouse.repair import Repair
from connectors.clickhouse.settings import SinkSettings
from schemas.position import Partition

log = logging.getLogger(__name__)

_INSERT_SETTINGS = {
    # A block is stored before the insert is answered, and never cut in two: the token is for the whole of it.
    "async_insert": 0,
    "max_insert_block_size": 1_048_576,
    "min_insert_block_size_rows": 1_048_576,
    "min_insert_block_size_bytes": 1 << 30,
    "insert_deduplicate": 1,
    # Views look at the token, too: else a repeat would be stored once in the table and twice in the tables behind its views.
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}


class Made(NamedTuple):
    """A batch, ready to be inserted."""

    batch: Batch[Decoded]
    blocks: tuple[Block, ...]
    rejects: tuple[Reject, ...]
    """What of it could not be used; blocks for the table of dead letters are among :attr:`blocks`."""


class Writer:
    """The sink's connection to ClickHouse. After an error, :meth:`close` it and :meth:`open` it again."""

    def __init__(self, settings: SinkSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._types: dict[str, dict[str, str]] = {}
        self.database_id: str | None = None
        """ClickHouse's own id of the database, None before the first :meth:`open`. One that is restored has another."""
        self._begun: set[tuple[Partition, int, int]] = set()
        """Partition, first and next of the batches of which an insert has failed: some of them may be in ClickHouse."""

    def open(self) -> None:
        """Connect, bring the tables up to date and learn their types. Does nothing while it is open.

        The password is read anew each time: the embedded server may have made its own since.

        Raises:
            ClickHouseUnreachable: Nothing answers.
            WrongPassword: It does not know the user with this password.
            SchemaMismatch: The tables are not what this program needs, and it cannot or may not mend that.
        """
        if self._client is not None:
            return
        settings = self._settings
        client = connect(
            settings.clickhouse_url,
            settings.user,
            settings.read_password(),
            settings.database,
            settings.password_file,
            settings.ca_file,
        )
        with self._naming_errors():
            for migration in migrate(client, settings.database):
                log.info("applied migration %03d_%s to %s", migration.number, migration.name, settings.database)
            layout = inspect(client, settings.database)
            self.database_id = id_of(client, settings.database)
        self._types = {table: {name: column.type for name, column in columns.items()} for table, columns in layout.items()}
        self._client = client

    def close(self) -> None:
        """Drop the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def make(self, batch: Batch[Decoded]) -> Made:
        """Make the blocks of a batch, for the tables as they were when this writer was opened."""
        blocks, rejects = rows.blocks(batch.messages, self._types) if batch.messages else ([], [])
        return Made(batch, tuple(blocks), tuple(rejects))

    @property
    def types(self) -> dict[str, dict[str, str]]:
        """The type of each column, by table; known once it has been opened."""
        return self._types

    def settle(self, block: Block, token: str) -> int:
        """Insert what of a block is not in its table yet; how many rows that was.

        Args:
            block: What belongs there.
            token: Of its insert; not the same for two blocks.

        Raises:
            ArchiveError: Some of it may be in ClickHouse, none of it twice.
        """
        assert self._client is not None, "open first"  # noqa: S101
        with self._naming_errors():
            repair = Repair(self._client, self._settings.database, self._types, _INSERT_SETTINGS)
            return repair.settle(block, token, self._insert)

    def insert(self, made: Made, topic_id: str) -> int:
        """Insert a batch, or the rest of it; how many rows that was. May be repeated until it returns.

        Args:
            made: The batch, in blocks.
            topic_id: Kafka's own id of the topic: a topic that was deleted and made anew counts its offsets from 0 again.

        Raises:
            ArchiveError: Some of it may be in ClickHouse, none of it twice.
        """
        assert self._client is not None, "open first"  # noqa: S101
        batch, rejects = made.batch, made.rejects
        range_ = batch.partition, batch.first, batch.next
        again = batch.replayed or range_ in self._begun
        self._begun.add(range_)
        stored = 0
        for block in made.blocks:
            began = time.perf_counter()
            token = f"{topic_id}-{batch.partition.number}-{batch.first}-{batch.next}-{block.table}-{block.month}"
            if again:
                stored += self.settle(block, token)
            else:
                with self._naming_errors():
                    self._insert(block, token)
                stored += block.rows
            metrics.INSERT_SECONDS.labels(block.table).observe(time.perf_counter() - began)
            metrics.ROWS.labels(block.table).inc(block.rows)
        self._begun.discard(range_)
        if rejects:
            log.warning("%d rows do not fit and are in the table dlq, the first for %s", len(rejects), rejects[0])
            metrics.REJECTED.labels(rejects[0].position.topic).inc(len(rejects))
        if batch.replayed:
            metrics.REPLAYED.inc()
        return stored

    def forget(self) -> None:
        """Forget what was begun: another sink may go on with it, and whatever this one takes over counts as begun."""
        self._begun.clear()

    def _insert(self, block: Block, token: str) -> None:
        assert self._client is not None, "open first"  # noqa: S101
        encoded = block.encoded or rows.encoded(block, self._types).encoded or b""
        away = not is_here(self._settings.clickhouse_url)
        self._client.raw_insert(
            block.table,
            column_names=block.names,
            # On one machine it costs more to make it small than to send it.
            insert_block=lz4.frame.compress(encoded) if away else encoded,
            compression="lz4" if away else None,
            fmt="Native",
            settings={**_INSERT_SETTINGS, "insert_deduplication_token": token},
        )

    def _naming_errors(self) -> AbstractContextManager[None]:
        settings = self._settings
        return naming_errors(settings.clickhouse_url, settings.user, settings.database, settings.password_file)
