"""docs/operations.md names what the release before this one cannot read, and nothing else."""

import json
import re
from importlib.metadata import version
from pathlib import Path

from schemas.topics import TOPICS
from tests.last_release import RELEASES, state_of
from tests.unit.pipelines.test_state_versions import KINDS, cells_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
LAST = RELEASES[-1]


def named(row: str) -> set[str]:
    """The names in a row of the table of the last release."""
    after = PAGE.partition(f"From {version('stock-tracker')} back to {LAST}")[2]
    found = re.search(rf"^\| {row} \| (.*) \|$", after, re.MULTILINE)
    assert found is not None, f"the page has no table of {LAST}"
    return set(re.findall(r"`([\w.]+)`", found[1]))


def test_the_page_names_the_state_that_the_last_release_refuses() -> None:
    state = state_of(LAST)
    raised = {
        kind.__name__
        for kind in KINDS
        if (written := {state[shard][key][0] for shard, key in cells_of(kind, state)}) and max(written) < kind.VERSION
    }
    assert named("state") == raised


def test_the_page_names_the_messages_that_the_last_release_refuses() -> None:
    raised = set()
    for topic in TOPICS:
        file = ROOT / "schemas" / "examples" / topic.name / "previous" / f"{LAST}.jsonl"
        if topic.message is not None and file.exists():
            written = {json.loads(line)["schema"] for line in file.read_text(encoding="utf-8").splitlines()}
            if max(written) < topic.version:
                raised.add(topic.name)
    assert named("messages") == raised
