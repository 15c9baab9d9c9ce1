"""``topics.toml``: how the topics of a deployment differ from what :mod:`schemas.topics` says of all of them.

.. code-block:: toml

    shards = 6
    replication = 3

    [config]                      # of every topic
    "min.insync.replicas" = "2"

    [topics."market.trades"]      # of one
    "retention.ms" = "1209600000"
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from schemas.deployment import LOCAL_SHARDS
from schemas.topics import TOPICS, Topic
from stock_tracker.errors import TopicsFileRefused


class TopicsFile(BaseModel):
    """What the file says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shards: Annotated[int, Field(ge=1)] = LOCAL_SHARDS
    """Partitions of the sharded topics."""
    replication: Annotated[int, Field(ge=1)] = 1
    """Copies of each topic that is made."""
    config: Mapping[str, str] = {}
    """Kafka's settings of every topic."""
    topics: Mapping[str, Mapping[str, str]] = {}
    """The same of single ones, by their name without prefix."""

    @field_validator("topics")
    @classmethod
    def _known(cls, topics: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
        if strange := sorted(topics.keys() - {topic.name for topic in TOPICS}):
            raise ValueError(f"there is no topic {', '.join(strange)}")
        return topics

    def config_of(self, topic: Topic[Any]) -> dict[str, str]:
        """All settings that ``topic`` is to have."""
        return {**topic.config(), **self.config, **self.topics.get(topic.name, {})}


def read(path: Path | None) -> TopicsFile:
    """What a file says; without one what holds on one machine.

    Raises:
        TopicsFileRefused: It cannot be read, or says what cannot be.
    """
    if path is None:
        return TopicsFile()
    try:
        return TopicsFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TopicsFileRefused(path, [str(error)]) from error
    except ValidationError as error:
        said = [f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors()]
        raise TopicsFileRefused(path, said) from error
