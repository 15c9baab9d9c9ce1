"""``stock-tracker status``: what runs here, and how it is."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stock_tracker.stack.core.condition import StackCondition

EPILOG = "Example: stock-tracker status --watch    for a program: stock-tracker status --json"
_PAUSE_S = 2.0


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of stacks, as docs/status.md describes it.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Show each process of the running stack: ready or why not, lag, age, restarts, memory; and the day's gaps and dead letters.

    Exit 1 when a process is not ready.
    """
    import asyncio
    import os

    from stock_tracker.stack.overview import look

    if watch:
        _watch(as_json)
        return
    conditions = asyncio.run(look(os.environ))
    if as_json:
        _print_json(conditions)
    else:
        from rich.console import Console

        from stock_tracker.stack.overview_table import page

        for condition in conditions:
            Console().print(page(condition))
    if not all(condition.ready for condition in conditions):
        raise typer.Exit(1)


def _watch(as_json: bool) -> None:
    """Show the conditions again and again: in place on a terminal, one after the other elsewhere."""
    import asyncio
    import contextlib
    import os
    import time

    from rich.console import Console, Group
    from rich.live import Live

    from stock_tracker.stack.overview import look
    from stock_tracker.stack.overview_table import page

    console = Console()
    with contextlib.suppress(KeyboardInterrupt):
        if as_json or not console.is_terminal:
            while True:
                conditions = asyncio.run(look(os.environ))
                if as_json:
                    _print_json(conditions)
                else:
                    console.print(*(page(condition) for condition in conditions))
                time.sleep(_PAUSE_S)
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(Group(*(page(condition) for condition in asyncio.run(look(os.environ)))), refresh=True)
                time.sleep(_PAUSE_S)


def _print_json(conditions: "list[StackCondition]") -> None:
    import json

    print(json.dumps([condition.model_dump() for condition in conditions]), flush=True)
