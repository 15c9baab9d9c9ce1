"""The examples of ``docs/explain.md``, as they stand there: each line of one is printed by its command."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stock_tracker.cli import build
from stock_tracker.explain.core.rules import COUNTED, DROPPED
from tests.make_days import DAYS

PAGE = (Path(__file__).parents[4] / "docs" / "explain.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```\n\$ stock-tracker (explain .*?)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), EXAMPLES, ids=lambda each: each.partition("\n")[0][:40])
def test_an_example_is_what_its_command_prints(command: str, shown: str) -> None:
    *words, recording = shlex.split(command)
    told = CliRunner().invoke(build(), [*words, str(DAYS / recording)])
    assert told.exit_code == 0, told.output
    printed = told.stdout.splitlines()
    place = 0
    for line in filter(None, shown.splitlines()):
        if line.strip() == "…":
            continue
        begin = line.removesuffix("…")
        place = next((n for n in range(place, len(printed)) if printed[n].startswith(begin)), len(printed)) + 1
        assert place <= len(printed), line


def test_there_is_one_example_of_each_kind() -> None:
    kinds = {re.search(r"--what (\w+)", command + " --what last").group(1) for command, _ in EXAMPLES}  # type: ignore[union-attr]
    assert kinds == {"last", "total", "gap", "candle", "foreign", "alert"}


def test_the_page_has_every_rule_that_a_record_can_be_counted_by() -> None:
    assert [name for name in (*COUNTED, *DROPPED) if f"`{name}`" not in PAGE] == []
