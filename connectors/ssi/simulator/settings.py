"""The settings of the simulator: from ``SIM_*`` in the environment, or as arguments."""

from datetime import time
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.ssi.simulator.core.errors import UnreadableQuota
from connectors.ssi.simulator.core.hub import Customs
from connectors.ssi.simulator.core.listing_day import PutThrough
from connectors.ssi.simulator.core.market import MarketDay, MarketSize
from connectors.ssi.simulator.core.quota import Quota
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS, MOST_SYMBOLS
from schemas.calendar import as_date, at, is_trading_day
from schemas.deployment import SIMULATOR_PORT
from schemas.units import TradingDay, UnixMs

START, END = time(8, 55), time(15, 45)
"""Between these market times a generated day is played if nothing else is asked for."""
MOST_KEPT: Final = 4.0
"""The largest scale of a day that is kept. It is ten million records, a gigabyte, and five minutes of work before it is played; a
day of scale 100 would be 30 GB and take hours, so it is made while it is played."""
HOST: Final = "127.0.0.1"
"""The only address that it listens on: whoever reaches it may hold the market and make faults."""


class SimulatorSettings(BaseSettings):
    """Which day is played, how fast, and to whom."""

    model_config = SettingsConfigDict(
        env_prefix="SIM_", frozen=True, extra="forbid", env_ignore_empty=True, populate_by_name=True
    )

    port: int = Field(default=SIMULATOR_PORT, ge=0, le=65_535)
    """0 takes any free one."""
    seed: int = 1
    """The same seed and day give the same records."""
    day: TradingDay | None = Field(default=None, validation_alias="SIM_DATE")
    """The simulated trading day, YYYYMMDD; None for the last one of the calendar."""
    scale: float = Field(default=0.05, ge=0.01, le=100)
    """Records of the day, as a part of a real day's 2.5 million."""
    symbols: int | None = Field(default=None, ge=FEWEST_SYMBOLS, le=MOST_SYMBOLS)
    """Instruments that are listed; None for as many as fit the scale: 134 up to 0.07, all 1,900 from 1 on."""
    put_through: PutThrough = "index"
    """What ``X-TRADE`` says of put-through deals: nothing (``index``: they are in the totals of indices only), or each one, with
    a total of deals alone (``own``) or with the total of all matches (``shared``)."""
    cache: Path | None = None
    """Where days are kept that are played as fast as the clients read, so that they are made only once; None for nowhere. Days
    above scale :data:`MOST_KEPT` are not."""
    state: Path | None = None
    """A folder in which it keeps how far its day has come: killed and started again, it goes on with it; None for nowhere."""
    recording: Path | None = Field(default=None, validation_alias="SIM_DAY")
    """A file with a captured or recorded day that is played instead of a generated one."""
    start: time | None = None
    """Market time (Vietnam) at which the day begins, 08:55 if not given; of a recorded day, when its first record is due. What
    the feed said before that is in SSI's cache: a subscription is answered with the last of it."""
    end: time | None = None
    """Market time at which the clock stops, 15:45 if not given; of a recorded day, after its last record. Nothing that is due
    later is sent."""
    speed: float | Literal["max"] = 20.0
    """Market seconds a second, or ``max``: as fast as the clients read."""
    wait_for_client: bool = False
    """Whether the clock stands at the start until the first subscription has been answered."""
    faults: str | None = None
    """What goes wrong: ``calm``, ``rough``, ``hostile``, or a file with a schedule; None for nothing."""
    quota: str | None = None
    """How many REST calls are allowed in how many seconds, as CALLS/SECONDS; None for any number."""
    snapshot: bool = True
    """Whether a subscription is answered with the last record of everything that it names. SSI does not say."""
    second_subscription: Literal["replaces", "adds"] = "replaces"
    """What a second SwitchChannels on a connection does to the first. SSI does not say."""
    evict: bool = False
    """Whether a second connection of a key ends the first. SSI does not say."""
    keep_alive_s: float = Field(default=10.0, ge=0.05, le=600)
    """Seconds between two keep-alives; clients are told to give up after twice as long."""
    consumer_id: str = "demo"
    """The keys that are accepted: one, or several with commas between."""
    consumer_secret: SecretStr = SecretStr("demo")
    most_waiting: int = Field(default=20_000, ge=1_000)
    """Records that may wait for one slow client; of more than these it does not get the oldest."""

    @field_validator("day")
    @classmethod
    def _is_open(cls, day: TradingDay | None) -> TradingDay | None:
        if day is not None and not is_trading_day(day):
            raise ValueError(f"the exchanges are closed on {as_date(day)}: choose a trading day, or none for the last one")
        return day

    @field_validator("recording", mode="before")
    @classmethod
    def _is_a_file(cls, recording: object) -> object:
        text = str(recording)
        if len(text) == 8 and text.isdecimal() and not Path(text).exists():
            raise ValueError(f"a day to play is a file; the simulated date is set with --date {text}, or SIM_DATE")
        return recording

    @field_validator("start", "end")
    @classmethod
    def _is_vietnams(cls, clock: time | None) -> time | None:
        if clock is not None and clock.tzinfo is not None:
            raise ValueError("market time is Vietnam's: write it as HH:MM or HH:MM:SS, without a time zone")
        return clock

    @field_validator("quota")
    @classmethod
    def _is_a_quota(cls, quota: str | None) -> str | None:
        try:
            Quota.parse(quota)
        except UnreadableQuota as error:
            raise ValueError(str(error)) from None
        return quota

    @field_validator("speed")
    @classmethod
    def _goes_forward(cls, speed: float | Literal["max"]) -> float | Literal["max"]:
        if speed != "max" and not 0 < speed <= 10_000:
            raise ValueError("speed is market seconds a second, above 0 and up to 10000, or max")
        return speed

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        start, end = self.start or START, self.end or END
        if self.recording is not None and self.day is not None:
            raise ValueError("a recorded day has a date of its own: give a date or a file, not both")
        if start >= end and (self.recording is None or (self.start and self.end)):
            raise ValueError(f"the day would end at {end:%H:%M:%S}, before it starts at {start:%H:%M:%S}")
        return self

    @model_validator(mode="after")
    def _has_a_clock_to_go_on_with(self) -> Self:
        if self.state is not None and self.speed == "max":
            raise ValueError("a day that goes as fast as clients read cannot be gone on with: give a speed, or no SIM_STATE")
        return self

    @property
    def made_from(self) -> str:
        """What decides which records a day has, when they are due and what goes wrong, in words."""
        names = ("seed", "scale", "symbols", "put_through", "recording", "start", "end", "speed", "faults")
        return ", ".join(f"{name} {getattr(self, name)}" for name in names)

    @property
    def keeps_the_day(self) -> bool:
        """Whether the day is made before it is played, and kept: as fast as clients read is faster than a day is made."""
        return self.speed == "max" and self.cache is not None and self.recording is None and self.scale <= MOST_KEPT

    @property
    def size(self) -> MarketSize:
        """How much happens in the day."""
        return MarketSize.of(self.scale, self.symbols, self.put_through)

    @property
    def consumers(self) -> frozenset[str]:
        """The keys that are accepted."""
        return frozenset(name.strip() for name in self.consumer_id.split(",") if name.strip())

    @property
    def customs(self) -> Customs:
        """How the hub behaves where SSI does not say."""
        return Customs(self.snapshot, self.second_subscription, self.evict, self.keep_alive_s)

    def span(self, market: MarketDay) -> tuple[UnixMs, UnixMs]:
        """The market times at which the clock starts and ends."""
        start, end = self.start or START, self.end or END
        if self.recording is None:
            return instant(market.day, start), instant(market.day, end)
        first_ms, last_ms = market.records[0].due_ms, market.records[-1].due_ms
        # From just before the first record on, so that who subscribes by then gets every one of them.
        start_ms = instant(market.day, self.start) if self.start else UnixMs(first_ms - 1)
        return start_ms, instant(market.day, self.end) if self.end else UnixMs(last_ms)


def instant(day: TradingDay, clock: time) -> UnixMs:
    """The market time of ``clock`` on ``day``."""
    return at(day, clock.hour, clock.minute, clock.second)
