"""``stock-tracker up``: the whole system on this machine."""

from typing import Annotated

import typer

EPILOG = "Example: stock-tracker up    or, checked and stopped by itself: stock-tracker up --seed 7 --speed 60 --for 60 --json"


def up(
    speed: Annotated[float, typer.Option(help="Market seconds a second.", min=0.1, max=600)] = 20.0,
    seed: Annotated[int, typer.Option(help="Which synthetic day: the same seed gives the same records.")] = 1,
    seconds: Annotated[
        float | None,
        typer.Option("--for", help="Play so many seconds from 08:55 on, then drain, verify and stop.", metavar="SECONDS", min=1),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="With --for: print the result as one JSON object.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Connect to SSI itself; needs SSI_CONSUMER_ID and its secret.")] = False,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Take free ports instead of the usual ones.")] = False,
) -> None:
    """Start everything, and start again what dies; Ctrl-C stops it cleanly.

    Without options a simulated market day plays from 08:55 at 20 times its speed. At its end everything stays up.
    """
    import asyncio
    import os
    import sys
    import time

    from stock_tracker.stack.lock import only_stack
    from stock_tracker.stack.plan import END_OF_DAY, Options, home_of, plan
    from stock_tracker.stack.play import play

    if live and seconds is not None:
        raise typer.BadParameter("--for plays a simulated day; a live one has no truth to verify against")
    if as_json and seconds is None:
        raise typer.BadParameter("--json is for the result of --for")
    options = Options(speed=speed, seed=seed, seconds=seconds, live=live, free_ports=free_ports)
    if options.longer_than_the_day:
        print(
            f"A simulated day ends at {END_OF_DAY}, which is {options.whole_day_s:,.0f} s after its start at this speed: "
            "it is played to there",
            file=sys.stderr,
        )
    with only_stack(home_of(options, os.environ)):
        stack = plan(options, os.environ, run_id=f"{int(time.time())}")
        if not asyncio.run(play(stack, as_json)):
            raise typer.Exit(1)
