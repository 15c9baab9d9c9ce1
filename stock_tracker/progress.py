"""Saying what goes on to whoever waits: a line that changes in place on a terminal, now and then a plain one elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text

PLAIN_EVERY_S = 5.0


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Give a function that takes a line; all goes to stderr, so that stdout has results only."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status("") as status:
            yield lambda line: status.update(Text(line, overflow="ellipsis", no_wrap=True))
    else:
        yield _seldom(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))


def _seldom(tell: Callable[[str], None]) -> Callable[[str], None]:
    """Let a line through only when the one before is a while ago."""
    last: float | None = None

    def told(line: str) -> None:
        nonlocal last
        now = time.monotonic()
        if last is None or now - last >= PLAIN_EVERY_S:
            last = now
            tell(line)

    return told
