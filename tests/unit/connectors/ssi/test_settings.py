from datetime import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.ssi.settings import SsiSettings
from schemas.calendar import HOLIDAYS

SECRET = "s3cret-of-the-consumer"
KAFKA = {"bootstrap.servers": "127.0.0.1:9092", "sasl.password": "kafka-password"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ID", "ID_FILE", "SECRET", "SECRET_FILE"):
        monkeypatch.delenv(f"SSI_CONSUMER_{name}", raising=False)


def settings(**changes: Any) -> SsiSettings:
    return SsiSettings(**{"consumer_id": "me", "consumer_secret": SECRET, "kafka": KAFKA} | changes)


def test_the_defaults_are_ssi_itself() -> None:
    ours = settings()
    assert (ours.api_url, ours.stream_url) == ("https://fc-data.ssi.com.vn/", "https://fc-datahub.ssi.com.vn/")
    assert ours.channels == "X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,F:ALL"
    assert (ours.feed, ours.clock, ours.reconnect_time) == ("a", "wall", time(8, 15))


def test_everything_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    for name, value in {
        "SSI_CONSUMER_ID": "me", "SSI_CONSUMER_SECRET_FILE": str(file), "SSI_API_URL": "http://127.0.0.1:8181",
        "SSI_STREAM_URL": "http://localhost:8181//", "SSI_CHANNELS": " X-TRADE:ALL , R: VNM-SSI ", "SSI_FEED": "b",
        "SSI_CLOCK": "http://127.0.0.1:8181/sim/clock",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    ours = SsiSettings(kafka=KAFKA)
    assert ours.consumer_secret.get_secret_value() == SECRET
    assert (ours.api_url, ours.stream_url) == ("http://127.0.0.1:8181/", "http://localhost:8181/")
    assert (ours.channels, ours.feed) == ("X-TRADE:ALL,R:VNM-SSI", "b")


@pytest.mark.parametrize(
    "changes", [{"consumer_id": ""}, {"consumer_secret": ""}, {"consumer_id": None, "consumer_secret": None}]
)
def test_missing_credentials_name_both_variables(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"SSI_CONSUMER_ID and SSI_CONSUMER_SECRET \(or SSI_CONSUMER_SECRET_FILE\)"):
        settings(**changes)


def test_the_id_may_be_in_a_file_as_well(tmp_path: Path) -> None:
    file = tmp_path / "id"
    file.write_text("me\n")
    assert settings(consumer_id=None, consumer_id_file=file).consumer_id.get_secret_value() == "me"
    with pytest.raises(ValidationError, match="SSI_CONSUMER_ID_FILE cannot be read"):
        settings(consumer_id=None, consumer_id_file="/nowhere/id")


def test_a_secret_file_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValidationError, match="SSI_CONSUMER_SECRET_FILE cannot be read"):
        settings(consumer_secret=None, consumer_secret_file="/nowhere/secret")


@pytest.mark.parametrize("host", ["fc-data.ssi.com.vn", "10.0.0.5", "127.0.0.1.example.com", "localhost.example.com"])
def test_credentials_never_travel_in_clear(host: str) -> None:
    with pytest.raises(ValidationError, match=r"use https://"):
        settings(api_url=f"http://{host}/")
    with pytest.raises(ValidationError, match=r"use https://"):
        settings(stream_url=f"http://{host}/")


@pytest.mark.parametrize("host", ["127.0.0.1:8181", "[::1]:8181", "localhost", "127.1.2.3"])
def test_this_machine_may_be_reached_without_tls(host: str) -> None:
    assert settings(api_url=f"http://{host}").api_url == f"http://{host}/"


@pytest.mark.parametrize("url", ["fc-data.ssi.com.vn", "ftp://127.0.0.1/", "https://", ""])
def test_what_is_no_url_is_said(url: str) -> None:
    with pytest.raises(ValidationError, match="SSI_API_URL"):
        settings(api_url=url)


@pytest.mark.parametrize("channels", ["TRADES:ALL", "X-TRADE", "X-TRADE:", "X-TRADE:ALL;R:ALL", " , "])
def test_a_channel_that_ssi_has_not_is_said(channels: str) -> None:
    with pytest.raises(ValidationError, match="SSI_CHANNELS"):
        settings(channels=channels)


def test_a_clock_that_is_none_is_said() -> None:
    with pytest.raises(ValidationError, match="SSI_CLOCK"):
        settings(clock="sundial")


def test_the_daily_time_is_one_or_never() -> None:
    assert settings(reconnect_at="07:00").reconnect_time == time(7)
    assert settings(reconnect_at="never").reconnect_time is None
    for odd in ("7:00", "24:00", "08:15:00", "noon", "8"):
        with pytest.raises(ValidationError, match="SSI_RECONNECT_AT"):
            settings(reconnect_at=odd)


def test_a_calendar_file_changes_the_holidays(tmp_path: Path) -> None:
    file = tmp_path / "calendar.toml"
    file.write_text("closed = [2026-12-31]\nopen = [2026-11-24]\n")
    assert settings(calendar_file=file).holidays == (HOLIDAYS | {20261231}) - {20261124}
    assert settings().holidays == HOLIDAYS
    for wrong in (
        "closed = 2026-12-31",
        "closed = ['31/12/2026']",
        "holidays = []",
        "closed = [",
        "closed = [2026-12-31T00:00:00]",
    ):
        file.write_text(wrong)
        with pytest.raises(ValidationError, match="SSI_CALENDAR_FILE"):
            settings(calendar_file=file)
    with pytest.raises(ValidationError, match="SSI_CALENDAR_FILE cannot be read"):
        settings(calendar_file=tmp_path / "none.toml")


def test_reference_data_is_kept_in_the_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STOCK_TRACKER_HOME", str(tmp_path))
    assert settings().cache == tmp_path / "ssi"


def test_secrets_show_nowhere() -> None:
    shown = [repr(settings()), str(settings())]
    for wrong in ({"feed": "?"}, {"clock": "?"}, {"consumer_id": ""}, {"max_buffered_records": "x"}):
        with pytest.raises(ValidationError) as caught:
            settings(**wrong)
        shown += [repr(caught.value), str(caught.value)]
    assert not any(SECRET in text or "kafka-password" in text for text in shown)
