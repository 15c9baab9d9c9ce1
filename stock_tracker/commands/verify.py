"""``stock-tracker verify``: are the numbers right, and is everything in the topics, in the archive and on the gateway, once?"""

from typing import Annotated

import typer

EPILOG = "Example: stock-tracker verify --json    while stock-tracker up runs in another terminal"


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """Compare the simulator's truth, the topics, a reference's numbers, the archive and the gateway; exit 1 if they disagree."""
    import asyncio
    import json
    import os

    from stock_tracker.progress import progress
    from stock_tracker.verify.stack import verify_running

    with progress() as tell:
        verification = asyncio.run(verify_running(os.environ, tell))
    if as_json:
        print(json.dumps(verification.as_json()))
    else:
        for line in verification.sentences():
            print(line)
    if not verification.reconciled:
        raise typer.Exit(1)
