"""Progress of a command that takes a while: on a terminal a line or bar that changes in place, else a line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

PLAIN_EVERY_S = 5.0


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give the function that takes a line of progress. It writes to stderr: stdout is for results."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("") as status:
            yield lambda line: status.update(Text(line, overflow="ellipsis", no_wrap=True))
    else:
        yield _seldom(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int, str], None]]:
    """Give the function that takes how many parts are done, of how many, and which one comes now. It writes to stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        tell = _seldom(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
        yield lambda done, total, what: tell(f"{done} of {total}: {what}")
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total, what: shown.update(task, completed=done, total=total, description=what)


def _seldom(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Pass a line on only if the last that was passed on is at least ``PLAIN_EVERY_S`` old; drop the others."""
    last: float | None = None

    def told(line: str) -> None:
        nonlocal last
        now = time.monotonic()
        if last is None or now - last >= PLAIN_EVERY_S:
            last = now
            tell(line)

    return told
