from pathlib import Path

import pytest

from connectors.clickhouse import users as users_on_disk
from connectors.clickhouse.core.access import Access, Guard, Users, digest
from connectors.clickhouse.core.errors import ForeignRequest, StatementRefused, UsersFileInvalid
from connectors.clickhouse.settings import ServerSettings


@pytest.fixture
def users(tmp_path: Path) -> Users:
    return users_on_disk.load(tmp_path / "password", tmp_path / "users.toml")


def test_whoever_gives_no_name_may_read(users: Users) -> None:
    assert users.identify({}, {}) == ("default", Access.READ)


def test_the_sink_may_write_with_the_password_in_the_file(users: Users, tmp_path: Path) -> None:
    password = (tmp_path / "password").read_text().strip()
    assert users.identify({"X-ClickHouse-User": "sink", "X-ClickHouse-Key": password}, {}) == ("sink", Access.WRITE)


def test_the_password_is_made_once(users: Users, tmp_path: Path) -> None:
    before = (tmp_path / "password").read_text()
    users_on_disk.load(tmp_path / "password", tmp_path / "users.toml")
    assert (tmp_path / "password").read_text() == before
    assert len(before.strip()) >= 40


@pytest.mark.parametrize("authorization", ["Basic !", "Basic c2luaw==", "Basic //8=", "basic c2luazo="])
def test_an_odd_authorization_is_refused(users: Users, authorization: str) -> None:
    with pytest.raises(StatementRefused) as refusal:
        users.identify({"Authorization": authorization}, {})
    assert refusal.value.code == 516


@pytest.mark.parametrize(
    "text", ["[x", "x = 1", '[x]\npassword_sha256 = "short"\naccess = "read"', f'[x]\npassword_sha256 = "{"0" * 64}"']
)
def test_a_users_file_that_says_something_else_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "users.toml").write_text(text)
    with pytest.raises(UsersFileInvalid, match=r"users\.toml"):
        users_on_disk.load(tmp_path / "password", tmp_path / "users.toml")


def test_the_users_file_can_replace_the_anonymous_reader(tmp_path: Path) -> None:
    (tmp_path / "users.toml").write_text(f'[default]\npassword_sha256 = "{digest("x")}"\naccess = "read"\n')
    users = users_on_disk.load(tmp_path / "password", tmp_path / "users.toml")
    with pytest.raises(StatementRefused):
        users.identify({}, {})


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "[::1]:8123", "LOCALHOST", "archive.internal:80"])
def test_its_own_names_are_served(host: str) -> None:
    Guard(frozenset({"archive.internal"}), 8123).check({"Host": host})


@pytest.mark.parametrize("host", ["", "evil.example", "localhost.evil.example:8123", "127.0.0.1.nip.io", "[::2]:8123"])
def test_other_names_are_not(host: str) -> None:
    with pytest.raises(ForeignRequest, match="Host"):
        Guard(frozenset(), 8123).check({"Host": host})


@pytest.mark.parametrize(
    "origin", ["null", "http://127.0.0.1:8080", "https://127.0.0.1:8123", "http://evil.example:8123", "http://127.0.0.1"]
)
def test_pages_of_other_origins_are_not_served(origin: str) -> None:
    with pytest.raises(ForeignRequest, match="Origin"):
        Guard(frozenset(), 8123).check({"Host": "127.0.0.1:8123", "Origin": origin})


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_will_not_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="CLICKHOUSE_URL"):
        ServerSettings(host=host)
