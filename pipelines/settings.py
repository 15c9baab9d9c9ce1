"""What an operator can set for the pipelines."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.core.suspects import Thresholds
from schemas.dead_letters import Limit
from schemas.terms import DealCounting


class PipelineSettings(BaseSettings):
    """Settings of a process that runs pipelines; from the environment, except for what its caller fills."""

    model_config = SettingsConfigDict(
        env_prefix="PIPELINE_", frozen=True, populate_by_name=True, extra="ignore", env_ignore_empty=True
    )

    kafka: dict[str, str]
    """librdkafka's connection settings, as :func:`schemas.deployment.kafka_config` makes them."""
    dead_letter_limit: Limit = Limit()
    """How much of what a pipeline reads may be unusable, as :func:`schemas.deployment.dead_letter_limit` reads it."""
    topic_prefix: str = Field(default="", validation_alias="TOPIC_PREFIX")
    """Before every topic, consumer group and transactional id."""
    home: Path = Field(default=Path(".stock-tracker"), validation_alias="STOCK_TRACKER_HOME")
    """Local state lives below it, in ``state/<pipeline>-<instance>``: each instance needs its own."""
    instance: str = Field(default="0", pattern=r"^[A-Za-z0-9_.-]+$")
    """Which of several processes of a pipeline this is; stable over restarts, different among those alive."""
    correction_percent: int = Field(default=10, ge=0, le=100)
    """A counter that fell by no more than this part of its highest value, in percent, was corrected by the feed."""
    reset_percent: int = Field(default=50, ge=0, le=100)
    """A counter that fell below this part of its highest value, in percent, was restarted by the feed."""
    put_through_counter: DealCounting = "unknown"
    """Whether SSI counts put-through deals in the totals of the order book (``shared``) or apart (``own``), where that is known;
    otherwise each day's records have to tell."""
    force_terms: bool = False
    """Whether shards take over other terms in the middle of a trading day, and do without what of
    today's state they cannot read."""
    skip_lost: bool = False
    """Whether a pipeline goes on at what Kafka keeps when that begins after its commit, instead of stopping."""
    alert_rules: Path | None = None
    """A rule file to use instead of ``pipelines/alerts.toml``."""

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses."""
        return self.kafka.get("bootstrap.servers", "")

    @property
    def thresholds(self) -> Thresholds:
        """What decides about a counter that fell."""
        return Thresholds(correction_percent=self.correction_percent, reset_percent=self.reset_percent)
