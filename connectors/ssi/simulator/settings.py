"""The settings of the simulator: from ``SIM_*`` in the environment, or as arguments."""

from datetime import time
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connectors.ssi.simulator.core.listing_day import PutThrough
from connectors.ssi.simulator.core.market import MarketSize
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS, MOST_SYMBOLS
from schemas.calendar import as_date, at, is_trading_day
from schemas.deployment import SIMULATOR_PORT
from schemas.units import TradingDay, UnixMs

HOST: Final = "127.0.0.1"
"""The only address that it listens on: whoever reaches it may hold the market and make faults."""


class SimulatorSettings(BaseSettings):
    """Which day is played, how fast, and to whom."""

    model_config = SettingsConfigDict(env_prefix="SIM_", frozen=True, extra="forbid", env_ignore_empty=True)

    port: int = Field(default=SIMULATOR_PORT, ge=0, le=65_535)
    """0 takes any free one."""
    seed: int = 1
    """The same seed and day give the same records."""
    day: TradingDay | None = None
    """The simulated trading day, YYYYMMDD; None for the last one of the calendar."""
    scale: float = Field(default=0.05, ge=0.01, le=100)
    """Records of the day, as a part of a real day's 2.5 million."""
    symbols: int | None = Field(default=None, ge=FEWEST_SYMBOLS, le=MOST_SYMBOLS)
    """Instruments that are listed; None for as many as fit the scale: 134 up to 0.07, all 1,900 from 1 on."""
    put_through: PutThrough = "index"
    """What ``X-TRADE`` says of put-through deals: nothing (``index``: they are in the totals of indices only), or each one, with
    a total of deals alone (``own``) or with the total of all matches (``shared``)."""
    cache: Path | None = None
    """Where days are kept that are played as fast as the clients read, so that they are made only once; None for nowhere."""
    start: time = time(8, 55)
    """Market time (Vietnam) at which the day begins. What the feed said before that is in SSI's cache: a subscription is answered
    with the last of it."""
    end: time = time(15, 45)
    """Market time at which the clock stops: nothing that is due later is sent."""
    speed: float | Literal["max"] = 20.0
    """Market seconds a second, or ``max``: as fast as the clients read."""
    wait_for_client: bool = False
    """Whether the clock stands at the start until the first subscription has been answered."""
    consumer_id: str = "demo"
    consumer_secret: SecretStr = SecretStr("demo")
    most_waiting: int = Field(default=20_000, ge=1_000)
    """Records that may wait for one slow client; of more than these it does not get the oldest."""

    @field_validator("day")
    @classmethod
    def _is_open(cls, day: TradingDay | None) -> TradingDay | None:
        if day is not None and not is_trading_day(day):
            raise ValueError(f"the exchanges are closed on {as_date(day)}: choose a trading day, or none for the last one")
        return day

    @field_validator("start", "end")
    @classmethod
    def _is_vietnams(cls, clock: time) -> time:
        if clock.tzinfo is not None:
            raise ValueError("market time is Vietnam's: write it as HH:MM or HH:MM:SS, without a time zone")
        return clock

    @field_validator("speed")
    @classmethod
    def _goes_forward(cls, speed: float | Literal["max"]) -> float | Literal["max"]:
        if speed != "max" and not 0 < speed <= 10_000:
            raise ValueError("speed is market seconds a second, above 0 and up to 10000, or max")
        return speed

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"the day would end at {self.end:%H:%M:%S}, before it starts at {self.start:%H:%M:%S}")
        return self

    @property
    def size(self) -> MarketSize:
        """How much happens in the day."""
        return MarketSize.of(self.scale, self.symbols, self.put_through)

    def instant(self, day: TradingDay, clock: time) -> UnixMs:
        """The market time of ``clock`` on ``day``."""
        return at(day, clock.hour, clock.minute, clock.second)
