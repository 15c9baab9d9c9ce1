"""The commands of docs/operations.md and docs/runbook.md: which are run on a stack, and what the pages show of their output."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

DOCS: Final = Path(__file__).parents[1] / "docs"
PAGES: Final = ("operations.md", "runbook.md")

ELSEWHERE: Final[Mapping[str, str]] = {
    "alerts forward": "integration/test_alerts_forward.py",
    "alerts forward --to https://hooks.example/alerts": "integration/test_alerts_forward.py",
    "alerts forward --format telegram --chat -100123 --language vi": "integration/test_alerts_forward.py",
    "alerts forward --to https://hooks.slack.com/services/… --format slack --severity critical --name pager": (
        "integration/test_alerts_forward.py"
    ),
    "archive backfill --from URL": "integration/clickhouse/test_backfill.py",
    "archive backup": "integration/clickhouse/test_archive_commands.py",
    "recompute": "integration/test_recompute.py",
    "run prices --instances 3": "integration/test_prices_topology.py",
    "topics acls --apply": "integration/test_least_access.py",
    "topics apply": "integration/test_topics_plan.py",
    "topics plan --file topics.toml": "integration/test_topics_plan.py",
    "topics repartition --shards 6 --into v2.": "integration/test_repartition.py",
}
"""Commands that do not end by themselves, or want a deployment of their own, and the test that runs each."""

INLINE: Final[Mapping[str, int]] = {
    "watch status --once": 0,
    "kafka status": 0,
    "status": 0,
    "dlq list": 0,
    "dlq show OFFSET": 0,
    "explain SYMBOL": 0,
    "topics lag": 0,
    "topics list": 0,
    "archive status": 0,
    "archive coverage --from DAY --to DAY": 0,
    'archive query "SELECT reason, detail, count() FROM dlq GROUP BY 1, 2"': 0,
    "archive migrate": 0,
}
"""The commands that the pages name in their text, and how each ends on a stack whose dead letters have been replayed."""


class Example(NamedTuple):
    """A command in a block of code, and the lines of output below it."""

    command: str
    """What comes after ``stock-tracker``."""
    shown: tuple[str, ...]


def examples(page: str) -> list[Example]:
    """The examples of a page that show a prompt, in their order."""
    found: list[Example] = []
    for block in re.findall(r"^```\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        command: str | None = None
        shown: list[str] = []
        for line in [*block.splitlines(), "$ "]:
            if not line.startswith("$ "):
                shown.append(line)
                continue
            if command is not None:
                found.append(Example(command, tuple(shown)))
            command, shown = line.removeprefix("$ ").removeprefix("stock-tracker "), []
    return found


def not_printed(example: Example, printed: str) -> list[str]:
    """The lines of an example that its command has not printed, in that order, but for their numbers, times and paths."""
    shapes = [_shape(line) for line in printed.splitlines()]
    lacking, place = [], 0
    for line in example.shown:
        if not line.strip() or line.strip() == "…":
            continue
        wanted = _shape(line.removesuffix("…"))
        is_cut = line.endswith("…")
        found = next(
            (n for n in range(place, len(shapes)) if shapes[n] == wanted or (is_cut and shapes[n].startswith(wanted))), None
        )
        if found is None:
            lacking.append(line)
        else:
            place = found + 1
    return lacking


def filled(command: str, values: Mapping[str, str]) -> str:
    """A command with what its reader has to put in."""
    for name, value in values.items():
        command = re.sub(rf"\b{name}\b", value, command)
    return command


def _shape(line: str) -> str:
    line = re.sub(r"(?<![\w/])/[\w./-]+", "PATH", line)
    line = re.sub(r"\d[\d,.:]*\d|\d", "0", line)
    return " ".join(re.sub(r"[━─═]+", "-", line).split())
