"""``docs/settings.md`` names every setting that a service reads, and none that it does not."""

import re
from pathlib import Path

from pydantic_settings import BaseSettings

from connectors.clickhouse.settings import SinkSettings
from connectors.ssi.settings import SsiSettings
from connectors.ssi.simulator.settings import SimulatorSettings
from gateway.settings import GatewaySettings
from pipelines.settings import PipelineSettings
from schemas.dead_letters import Limit
from stock_tracker import secret_files

DEAD_LETTERS = {f"DEAD_LETTER_LIMIT_{name.upper()}" for name in Limit._fields}
PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
EVERY: list[type[BaseSettings]] = [SsiSettings, SimulatorSettings, PipelineSettings, SinkSettings, GatewaySettings]
FILLED_BY_THE_CALLER = {"kafka", "topic_prefix", "dead_letter_limit"}


def names(settings: type[BaseSettings]) -> set[str]:
    prefix = settings.model_config["env_prefix"]
    return {
        str(field.validation_alias or f"{prefix}{name}".upper())
        for name, field in settings.model_fields.items()
        if name not in FILLED_BY_THE_CALLER
    }


def test_every_setting_is_on_the_page() -> None:
    page = PAGE.read_text()
    read = set().union(*map(names, EVERY))
    assert {name for name in read | DEAD_LETTERS if f"`{name}`" not in page} == set()


def test_every_secret_can_come_from_a_file_and_the_page_says_so() -> None:
    secret, files = set(), {f"{name}_FILE" for name in secret_files.NAMES}
    for settings in EVERY:
        prefix = settings.model_config["env_prefix"]
        secret |= {
            str(field.validation_alias or f"{prefix}{name}".upper())
            for name, field in settings.model_fields.items()
            if "SecretStr" in str(field.annotation)
        }
        files |= {name for name in names(settings) if name.endswith("_FILE")}
    assert "ARCHIVE_PASSWORD" in secret
    assert {name for name in secret if f"{name}_FILE" not in files} == set()
    page = PAGE.read_text()
    assert {name for name in secret | set(secret_files.NAMES) if f"`{name}_FILE`" not in page} == set()


def test_the_page_names_no_setting_that_nothing_reads() -> None:
    sources = "".join(
        path.read_text()
        for folder in ("schemas", "connectors", "pipelines", "gateway", "stock_tracker", "tests")
        for path in (PAGE.parents[1] / folder).rglob("*.py")
    )
    families = "DEAD_LETTER|SSI|SIM|PIPELINE|ARCHIVE|GATEWAY|STOCK_TRACKER|CLICKHOUSE"
    named = set(re.findall(rf"`((?:{families})_[A-Z_]+)`", PAGE.read_text()))
    prefixes = ("SSI_", "SIM_", "PIPELINE_", "ARCHIVE_", "GATEWAY_")
    unread = {
        name
        for name in named
        if name.removesuffix("_FILE") not in secret_files.NAMES
        and name not in sources
        and not any(name.startswith(p) and name.removeprefix(p).lower() in sources for p in prefixes)
    }
    assert unread == set()
