"""``stock-tracker ssi``: the connector, the simulated SSI, and a look at what SSI sends."""

from pathlib import Path
from typing import Annotated

import typer

from stock_tracker.commands.options import HealthPort

app = typer.Typer(
    help="SSI's feed: connect to it, simulate it, decode it.",
    no_args_is_help=True,
    epilog="Example: stock-tracker ssi simulate --speed 20 --seed 7",
)


@app.command("run", epilog="Example: SSI_CONSUMER_ID=… SSI_CONSUMER_SECRET_FILE=secret.txt stock-tracker ssi run")
def run_connector(
    port: HealthPort = 0,
) -> None:
    """Connect to SSI and publish what it says to the ssi.* topics, until stopped."""
    import os

    from connectors.ssi.service import run
    from connectors.ssi.settings import SsiSettings
    from schemas.deployment import topic_prefix
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.service import log_to_stderr, run_until_signalled, serving_health, spare_the_collector

    log_to_stderr()
    settings = SsiSettings(kafka=kafka_config(os.environ), topic_prefix=topic_prefix(os.environ))
    spare_the_collector()
    with serving_health(port) as health:
        run_until_signalled(lambda stop: run(settings, stop, health))


@app.command(epilog="Example: stock-tracker ssi simulate --speed 20 --seed 7")
def simulate(
    port: Annotated[int | None, typer.Option(help="Where it listens, on 127.0.0.1; 8181 if not given.", min=0, max=65535)] = None,
    seed: Annotated[int | None, typer.Option(help="Which synthetic day: the same seed gives the same records.")] = None,
    speed: Annotated[str | None, typer.Option(help="Market seconds a second (20 if not given), or max.")] = None,
    start: Annotated[str | None, typer.Option(help="Market time to begin at, HH:MM; 08:55 if not given.")] = None,
    end: Annotated[str | None, typer.Option(help="Market time to stop at, HH:MM[:SS]; 15:45 if not given.")] = None,
    day: Annotated[int | None, typer.Option(help="Trading day, YYYYMMDD; the last one if not given.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Hold the clock until the first client has subscribed.")] = False,
) -> None:
    """Play a synthetic market day as SSI's servers would send it, on this machine."""
    from connectors.ssi.simulator.server import run
    from connectors.ssi.simulator.settings import SimulatorSettings
    from stock_tracker.service import log_to_stderr, run_until_signalled

    log_to_stderr()
    given = {"port": port, "seed": seed, "speed": speed, "start": start, "end": end, "day": day, "wait_for_client": wait or None}
    settings = SimulatorSettings.model_validate({name: value for name, value in given.items() if value is not None})
    run_until_signalled(lambda stop: run(settings, stop))


@app.command(epilog="Example: stock-tracker ssi decode captured.jsonl | head")
def decode(
    file: Annotated[
        Path,
        typer.Argument(
            help="One Broadcast argument a line, bare or under 'broadcast_arg'; - for stdin.",
            exists=True,
            dir_okay=False,
            allow_dash=True,
        ),
    ],
) -> None:
    """Print what each captured Broadcast argument decodes to, or why it does not, as JSON lines."""
    import sys

    from connectors.ssi.core.decode import decode_lines
    from schemas.topics import encode

    with sys.stdin if str(file) == "-" else file.open(encoding="utf-8", errors="backslashreplace") as lines:
        for decoded in decode_lines(lines):
            sys.stdout.write(encode(decoded).decode() + "\n")
