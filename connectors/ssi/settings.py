"""The settings of the connector, read from ``SSI_*`` in the environment."""

import ipaddress
import re
import tomllib
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.ssi.core.calendar_file import read_holidays
from connectors.ssi.core.channels import CHANNELS
from connectors.ssi.core.errors import InsecureUrl
from schemas.calendar import HOLIDAYS
from schemas.units import TradingDay

_SYMBOLS: Final = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")
_CLOCK_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class SsiSettings(BaseSettings):
    """Settings of one connector. Secrets do not show in its ``repr`` or in its errors."""

    model_config = SettingsConfigDict(
        env_prefix="SSI_", frozen=True, env_ignore_empty=True, hide_input_in_errors=True, validate_by_name=True
    )

    consumer_id: SecretStr
    consumer_id_file: Path | None = None
    """The file that the id came from, which may get another one while the connector runs; None where it was set itself."""
    consumer_secret: SecretStr
    consumer_secret_file: Path | None = None
    """The file that the secret came from, likewise."""
    api_url: str = "https://fc-data.ssi.com.vn/"
    stream_url: str = "https://fc-datahub.ssi.com.vn/"
    channels: str = "X-TRADE:ALL,X-QUOTE:ALL,R:ALL,MI:ALL,F:ALL"
    feed: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,7}$")] = "a"
    clock: str = "wall"
    """What tells the market time: ``wall`` (this machine's clock), ``feed`` (the records), or the URL of a simulator's clock."""
    reconnect_at: str = "08:15"
    """Time of day in Vietnam at which the connection is made anew on each weekday, ``HH:MM``; ``never`` for not at all."""
    off_hours_pause_s: Annotated[float, Field(ge=60, le=3600)] = 300.0
    """The longest pause between attempts at night and at the weekend, in seconds; none reaches into a weekday's hours."""
    calendar_file: Path | None = None
    """A TOML file with days on which the exchanges are closed or open against the built-in calendar."""
    home: Path = Field(default=Path(".stock-tracker"), validation_alias="STOCK_TRACKER_HOME")
    """Local state: the reference data of the last day is kept in ``ssi/`` there."""
    kafka: Annotated[dict[str, str], Field(repr=False)]
    """librdkafka's connection settings. They may hold a password, so ``repr`` leaves them out."""
    topic_prefix: str = ""
    profiles: Path | None = None
    """A file of what symbols usually trade (:class:`schemas.profiles.DayProfiles`); None where nobody keeps earlier days."""
    max_buffered_records: Annotated[int, Field(ge=1_000)] = 200_000
    """Records that wait for Kafka before the oldest are thrown away."""
    max_buffered_bytes: Annotated[int, Field(ge=1_000_000)] = 128_000_000
    """Bytes of verbatim hub messages, dead letters and status that wait for Kafka."""

    @property
    def reconnect_time(self) -> time | None:
        """The time of day in Vietnam at which the connection is made anew; None for never."""
        return None if self.reconnect_at == "never" else time.fromisoformat(self.reconnect_at)

    @property
    def holidays(self) -> frozenset[TradingDay]:
        """Weekdays on which the exchanges do not open: the built-in ones, as the calendar file changes them."""
        return read_holidays(self.calendar_file.read_text(encoding="utf-8"), HOLIDAYS) if self.calendar_file else HOLIDAYS

    @property
    def cache(self) -> Path:
        """The folder in which reference data is kept for the next start."""
        return self.home / "ssi"

    @model_validator(mode="before")
    @classmethod
    def _find_the_credentials(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name in ("consumer_id", "consumer_secret"):
            if values.get(name):
                values[f"{name}_file"] = None
            elif file := values.get(f"{name}_file"):
                try:
                    values[name] = Path(file).read_text().strip()
                except OSError as error:
                    raise ValueError(f"SSI_{name.upper()}_FILE cannot be read: {error.strerror}: {file}") from None
        if not values.get("consumer_id") or not values.get("consumer_secret"):
            raise ValueError(
                "SSI's credentials are missing: set SSI_CONSUMER_ID and SSI_CONSUMER_SECRET (or SSI_CONSUMER_SECRET_FILE); "
                "keys are made on iBoard, or use the simulator (stock-tracker up)"
            )
        return values

    @field_validator("api_url", "stream_url")
    @classmethod
    def _check_url(cls, url: str, info: Any) -> str:
        name = f"SSI_{info.field_name.upper()}"
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{name} is no http(s) URL")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(str(InsecureUrl(name, parts.hostname)))
        return url.rstrip("/") + "/"

    @field_validator("channels")
    @classmethod
    def _check_channels(cls, channels: str) -> str:
        wanted = [channel.strip().replace(" ", "") for channel in channels.split(",") if channel.strip()]
        for channel in wanted:
            name, _, symbols = channel.partition(":")
            if channel != "ALL" and (name.upper() not in CHANNELS or not _SYMBOLS.fullmatch(symbols)):
                raise ValueError(
                    f"SSI_CHANNELS: {channel[:40]!r} is no channel; expected a comma-separated list of <channel>:ALL or "
                    f"<channel>:<symbol>-<symbol> with a channel of {', '.join(CHANNELS)}"
                )
        if not wanted:
            raise ValueError("SSI_CHANNELS is empty; leave it unset for the default")
        return ",".join(wanted)

    @field_validator("clock")
    @classmethod
    def _check_clock(cls, clock: str) -> str:
        if clock not in ("wall", "feed") and urlsplit(clock).scheme not in ("http", "https"):
            raise ValueError(f"SSI_CLOCK is {clock[:40]!r}; expected wall, feed, or the URL of a simulator's clock")
        return clock

    @field_validator("reconnect_at")
    @classmethod
    def _check_reconnect_at(cls, clock_time: str) -> str:
        if clock_time != "never" and not _CLOCK_TIME.fullmatch(clock_time):
            raise ValueError(f"SSI_RECONNECT_AT is {clock_time[:20]!r}; expected HH:MM, or never")
        return clock_time

    @field_validator("calendar_file")
    @classmethod
    def _check_calendar_file(cls, file: Path | None) -> Path | None:
        if file is None:
            return None
        try:
            read_holidays(file.read_text(encoding="utf-8"), HOLIDAYS)
        except OSError as error:
            raise ValueError(f"SSI_CALENDAR_FILE cannot be read: {error.strerror}: {file}") from None
        except (ValueError, tomllib.TOMLDecodeError) as error:
            raise ValueError(f"SSI_CALENDAR_FILE {file}: {error}") from None
        return file


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
