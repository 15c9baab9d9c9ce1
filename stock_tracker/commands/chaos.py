"""``stock-tracker chaos``: a stack whose processes are killed, stopped and cut off on purpose, and which must still add up."""

from typing import Annotated

import typer

EPILOG = "Example: stock-tracker chaos --seed 7 --kills 20 --for 300 --json"


def chaos(
    seed: Annotated[int, typer.Option(help="Which strikes, and which synthetic day: the same seed plans the same.")] = 1,
    kills: Annotated[
        int,
        typer.Option(help="How many processes are killed; a fifth as many are stopped for 15 s, half as many cut off.", min=1),
    ] = 10,
    seconds: Annotated[
        float, typer.Option("--for", help="Play so many seconds from 08:55 on, then drain, verify and stop.", min=1)
    ] = 120.0,
    speed: Annotated[float, typer.Option(help="Market seconds a second.", min=0.1, max=600)] = 20.0,
    parts: Annotated[
        str | None, typer.Option(help="Which may be struck, with commas between; all if not given.", metavar="NAME[,NAME…]")
    ] = None,
    faults: Annotated[
        str | None,
        typer.Option(help="What goes wrong with the feed besides: calm, rough, hostile, or a file.", metavar="NAME|FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Kill, stop and cut off the processes of a stack while a day plays; exit 1 when something is lost, doubled or not back.

    The stack is as that of stock-tracker up, on free ports, and it ends with the same verification.
    """
    import asyncio
    import os
    import time
    from random import Random

    from stock_tracker.chaos.core.schedule import plan_strikes
    from stock_tracker.chaos.play import parts_of, play
    from stock_tracker.stack.lock import only_stack
    from stock_tracker.stack.plan import Options, home_of, plan

    options = Options(speed=speed, seed=seed, seconds=seconds, free_ports=True, faults=faults)
    with only_stack(home_of(options, os.environ)):
        stack = plan(options, os.environ, run_id=f"{int(time.time())}")
        struck = parts_of(stack, [name.strip() for name in (parts or "").split(",") if name.strip()])
        strikes = plan_strikes(seed, kills, stack.options.seconds or seconds, struck, Random)
        if not asyncio.run(play(stack, seed, strikes, as_json)):
            raise typer.Exit(1)
