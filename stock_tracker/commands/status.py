"""``stock-tracker status``: what runs here, and how it is."""

from typing import Annotated

import typer

EPILOG = "Example: stock-tracker status --json"


def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list of stacks instead of a table.")] = False,
) -> None:
    """Show each process of the running stack: pid, whether it is ready, where its metrics are. Exit 1 when one is not."""
    import asyncio
    import json
    import os

    from stock_tracker.stack.overview import look

    overviews = asyncio.run(look(os.environ))
    if as_json:
        print(json.dumps([overview.as_json() for overview in overviews]))
    else:
        for overview in overviews:
            overview.show()
    if not all(overview.ready for overview in overviews):
        raise typer.Exit(1)
