"""The papers name files and sections that are there, so that a reader who follows them arrives."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "schemas" / "README.md"})
PACKAGES = ("schemas", "connectors", "pipelines", "gateway", "stock_tracker", "tests", "benchmarks", "infra", "docs")
# What a paper says of a file that its reader is to make, or of one of many.
_PLACEHOLDER = re.compile(r"[<…*]|NNN")


def anchors(paper: Path) -> set[str]:
    """The headings of a paper, as links to them are written."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```", "", paper.read_text(), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_what_a_paper_links_to_is_there(paper: Path) -> None:
    missing = []
    for target in re.findall(r"\]\(([^)]+)\)", paper.read_text()):
        name, _, anchor = target.partition("#")
        if "://" in target:
            continue
        found = (paper.parent / name).resolve() if name else paper
        if not found.exists() or (anchor and anchor not in anchors(found)):
            missing.append(target)
    assert missing == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_a_file_that_a_paper_names_is_there(paper: Path) -> None:
    known = {path.name for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    secrets = re.findall(r"^make_one (\w+)", (ROOT / "infra" / "secrets" / "make").read_text(), re.MULTILINE)
    made = {f"infra/secrets/{secret}" for secret in secrets}
    missing = []
    for name in re.findall(r"`([\w./<>…*-]+)`", paper.read_text()):
        if _PLACEHOLDER.search(name):
            continue
        if "/" in name and name.partition("/")[0] in PACKAGES:
            missing += [] if name in made or (ROOT / name).exists() else [name]
        elif "/" not in name and name.endswith(".py"):
            missing += [] if name in known else [name]
    assert missing == []


def test_the_index_has_every_paper() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    assert [
        paper.name for paper in (ROOT / "docs").glob("*.md") if paper.name != "README.md" and f"({paper.name})" not in index
    ] == []
