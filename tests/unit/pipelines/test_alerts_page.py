"""``docs/alerts.md`` says what each kind's keys mean: it has them all, and no others."""

import re
from pathlib import Path
from typing import get_args

import pytest

from pipelines.core.rules import AnyRule, load_rules

PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
COMMON = {"name", "kind", "severity", "symbols", "exchanges"}


def kind_of(model: type[AnyRule]) -> str:
    (kind,) = get_args(model.model_fields["kind"].annotation)
    return str(kind)


@pytest.mark.parametrize("model", get_args(AnyRule), ids=kind_of)
def test_the_page_has_every_key_of_a_kind_and_says_which_are_optional(model: type[AnyRule]) -> None:
    section = PAGE.split(f"### `{kind_of(model)}`\n")[1].split("\n#")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", section, re.MULTILINE))
    keys = {key: field for key, field in model.model_fields.items() if key not in COMMON}
    assert set(rows) == set(keys)
    assert {key for key, unit in rows.items() if "optional" in unit} == {
        key for key, field in keys.items() if not field.is_required()
    }


def test_the_page_describes_the_kinds_that_there_are() -> None:
    assert set(re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)) == {kind_of(model) for model in get_args(AnyRule)}


def test_the_example_on_the_page_is_a_rule() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert len(load_rules(example)) == 1
