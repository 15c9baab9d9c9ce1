"""Settings of the embedded server and of the sink, from the environment."""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from connectors.clickhouse.core.access import LOOPBACK_NAMES, SINK_USER
from connectors.clickhouse.core.tables import GROUP
from schemas import deployment

Bytes = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]


class ArchiveHome(BaseSettings):
    """Where the embedded server keeps its data and files: ``archive/`` in STOCK_TRACKER_HOME."""

    model_config = SettingsConfigDict(
        env_prefix="ARCHIVE_", frozen=True, extra="ignore", validate_by_name=True, env_ignore_empty=True
    )

    home: Path = Field(default=Path(".stock-tracker"), validation_alias="STOCK_TRACKER_HOME")

    @property
    def folder(self) -> Path:
        """The archive's own folder."""
        return self.home / "archive"

    @property
    def backups(self) -> Path:
        """Where the embedded server keeps backups; it writes and reads them nowhere else."""
        return self.folder / "backups"

    @property
    def password_file(self) -> Path:
        """The sink's password, readable by its owner only."""
        return self.folder / "sink.password"


class ServerSettings(ArchiveHome):
    """The embedded ClickHouse."""

    host: str = "127.0.0.1"
    """A loopback address: it is one machine's archive."""
    port: int = Field(default=8123, ge=0, le=65535)
    """0 takes a free one; ``address_file`` then says which."""
    allowed_hosts: Annotated[frozenset[str], NoDecode] = frozenset()
    """Further names (comma separated) under which requests may ask for it, where something forwards them."""
    server_memory_bytes: Bytes = 3 << 30
    """How much memory all queries and inserts together may use, in bytes."""
    query_memory_bytes: Bytes = 1 << 30
    """How much memory one query or insert may use, in bytes."""
    insert_bytes: Bytes = 256 << 20
    """The largest request body."""
    reader_seconds: Seconds = 60.0
    """How long a reader's query may take, its slow client included."""
    reader_rows: int = Field(default=5_000_000, gt=0)
    """How many rows a reader's result may have."""
    reader_bytes: Bytes = 1 << 30
    """How large a reader's result may be, uncompressed."""
    readers: int = Field(default=4, gt=0)
    """Readers' queries that run at a time; more wait."""
    stop_seconds: Seconds = 10.0
    """How long running requests may go on after a stop."""

    @field_validator("host")
    @classmethod
    def _loopback(cls, host: str) -> str:
        if host != "localhost" and not ip_address(host).is_loopback:
            raise ValueError(
                "the embedded ClickHouse listens on loopback only; for other machines run a ClickHouse server and name it with"
                " CLICKHOUSE_URL"
            )
        return host

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, hosts: object) -> object:
        return [host.strip().lower() for host in hosts.split(",") if host.strip()] if isinstance(hosts, str) else hosts

    @property
    def engine_path(self) -> Path:
        """The engine's data."""
        return self.folder / "data"

    @property
    def address_file(self) -> Path:
        """The URL that the running server listens on; gone when it stopped."""
        return self.folder / "address"

    @property
    def lock_file(self) -> Path:
        """Locked by the running server, whose process id is in it."""
        return self.folder / "lock"

    @property
    def users_file(self) -> Path:
        """Further users, if it exists."""
        return self.folder / "users.toml"


class SinkSettings(ArchiveHome):
    """The process that writes the event topics into ClickHouse."""

    kafka: dict[str, str]
    """librdkafka's connection settings (:func:`schemas.deployment.kafka_config`)."""
    topic_prefix: str = Field(default="", validation_alias="TOPIC_PREFIX")
    clickhouse_url: str = Field(default=deployment.CLICKHOUSE_URL, validation_alias="CLICKHOUSE_URL")
    ca_file: Path | None = Field(default=None, validation_alias="CLICKHOUSE_CA_FILE")
    """Certificates, in PEM, of those who may vouch for the server of an ``https`` URL; None takes the system's."""
    database: str = Field(default=deployment.CLICKHOUSE_DATABASE, pattern=r"^[A-Za-z_]\w*$")
    user: str = SINK_USER
    password: SecretStr | None = None
    """None reads the embedded server's from ``password_file``."""
    instance: str = Field(default="0", pattern=r"^[\w.-]+$")
    """Tells the sinks that run at the same time apart. After a restart it must be the same: Kafka keeps its partitions for it."""
    batch_rows: int = Field(default=50_000, ge=1, le=500_000)
    """Rows of one insert at most. They must all be one block: only then can the insert be repeated without storing any twice."""
    batch_seconds: Seconds = 1.0
    """How long a row waits for others."""
    buffer_rows: int = Field(default=400_000, ge=1)
    """Rows held in all; above it nothing more is read from Kafka."""

    @property
    def group(self) -> str:
        """The consumer group, whose commits say what the archive has."""
        return f"{self.topic_prefix}{GROUP}"

    def read_password(self) -> str:
        """The password to use: the one set, else the embedded server's where that may be meant, else none.

        The file is read each time: the embedded server may be started for the first time after the sink.
        """
        if self.password is not None:
            return self.password.get_secret_value()
        if urlsplit(self.clickhouse_url).hostname not in LOOPBACK_NAMES:
            # The embedded server is on this machine: its password is nobody else's business.
            return ""
        return self.password_file.read_text().strip() if self.password_file.exists() else ""
