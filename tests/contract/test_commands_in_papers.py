"""Every ``stock-tracker …`` that a paper tells its reader to type is a command that is there, with options that it has."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from stock_tracker import cli

ROOT = Path(__file__).parents[2]
PAPERS = sorted({ROOT / "README.md", *(ROOT / "docs").glob("*.md")})
TOP = typer.main.get_command(cli.build())
_COMMAND = re.compile(r"`(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?stock-tracker ([^`\n]+)`")
_LINE = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?stock-tracker (.+)$", re.MULTILINE)


def commands(paper: Path) -> Iterator[str]:
    """What comes after ``stock-tracker``, in the text and in blocks of code."""
    blocks = re.split(r"^```.*$", paper.read_text(), flags=re.MULTILINE)
    for number, block in enumerate(blocks):
        yield from (_LINE if number % 2 else _COMMAND).findall(block)


def wrong(said: str) -> str:
    """What is wrong with a command; empty when nothing is."""
    # A remark of the paper, or the next command of the line, is not the command's.
    words = re.split(r"\s{2,}|\s#|[|;&(]", re.sub(r'"[^"]*"', "TEXT", said).replace("…", ""))[0].split()
    command: Any = TOP
    while words and hasattr(command, "commands"):
        if words[0].startswith("-") or not re.fullmatch(r"[a-z-]+", words[0]):
            break
        if words[0] not in command.commands:
            return f"{said}: there is no {words[0]}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    used = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    return f"{said}: it has no {sorted(used - known)}" if used - known else ""


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: paper.name)
def test_what_a_paper_tells_to_type_is_there(paper: Path) -> None:
    assert [found for said in commands(paper) if (found := wrong(said))] == []


def test_what_is_not_there_is_found() -> None:
    assert wrong("status --json") == wrong("archive backup november") == wrong("topics plan --file topics.toml") == ""
    assert "there is no statos" in wrong("statos")
    assert "--jason" in wrong("status --jason")
    assert "there is no shrink" in wrong("topics shrink")
