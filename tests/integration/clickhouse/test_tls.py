"""ClickHouse over TLS: both who write and who read see to it that the server is the one that was meant."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trustme
from clickhouse_connect.driver.client import Client

from connectors.clickhouse.core.errors import ClickHouseUnreachable
from connectors.clickhouse.settings import SinkSettings
from connectors.clickhouse.writer import Writer
from gateway.core.errors import ArchiveAway
from gateway.core.history import QUESTIONS, statement
from gateway.history import ArchiveAnswers
from gateway.settings import GatewaySettings
from stock_tracker.testing.archive import EmbeddedServer
from tests.tls_front import tls_front

pytestmark = pytest.mark.clickhouse

CANDLES = QUESTIONS["candles"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path) -> str:
    """A file with the certificate of who vouches for the server."""
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture
def strange(tmp_path: Path) -> str:
    """A file with the certificate of somebody else."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    return str(tmp_path / "other.pem")


@pytest.fixture(scope="module")
def tls_port(embedded: EmbeddedServer, authority: trustme.CA) -> Iterator[int]:
    with tls_front(embedded.port, authority) as port:
        yield port


def sink_settings(embedded: EmbeddedServer, url: str, database: str, ca_file: str | None) -> SinkSettings:
    fields = {"kafka": {}, "clickhouse_url": url, "database": database, "user": embedded.user, "password": embedded.password}
    return SinkSettings.model_validate({**fields, "ca_file": ca_file})


def test_the_sink_makes_its_tables_over_tls(embedded: EmbeddedServer, tls_port: int, trusted: str, writer: Client) -> None:
    with closing(Writer(sink_settings(embedded, f"https://localhost:{tls_port}", str(writer.database), trusted))) as sink:
        sink.open()
    assert writer.command("EXISTS TABLE trades") == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_sink_gives_its_password_to_nobody_else(
    embedded: EmbeddedServer, tls_port: int, trusted: str, strange: str, database: str, host: str
) -> None:
    """One is vouched for by a stranger; of the other the certificate does not speak."""
    settings = sink_settings(embedded, f"https://{host}:{tls_port}", database, strange if host == "localhost" else trusted)
    with closing(Writer(settings)) as sink, pytest.raises(ClickHouseUnreachable, match="certificate"):
        sink.open()


async def test_the_gateway_asks_over_tls_as_who_may_only_read(
    embedded: EmbeddedServer, tls_port: int, trusted: str, strange: str, writer: Client
) -> None:
    with closing(Writer(sink_settings(embedded, embedded.url, str(writer.database), None))) as sink:
        sink.open()

    async def ask(ca_file: str, password: str = "") -> int:
        fields = {"kafka": {}, "topic_prefix": "", "archive_url": f"https://localhost:{tls_port}", "archive_user": "default"}
        settings = GatewaySettings.model_validate(
            {**fields, "archive_password": password, "archive_ca_file": ca_file, "archive_database": writer.database}
        )
        archive = ArchiveAnswers(settings)
        try:
            return len((await archive.ask(CANDLES, statement(CANDLES, "VNM", {"day": "20261123"}), None))["rows"])
        finally:
            await archive.close()

    assert await ask(trusted) == 0
    with pytest.raises(ArchiveAway) as refused:
        await ask(trusted, "a wrong password")
    assert "Authentication failed" in refused.value.detail
    with pytest.raises(ArchiveAway) as distrusted:
        await ask(strange)
    assert "certificate" in distrusted.value.detail.lower()
