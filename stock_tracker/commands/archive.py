"""``stock-tracker archive``: the embedded ClickHouse and the sink into it, or into a server of your own."""

from typing import Annotated

import typer

app = typer.Typer(
    help="The archive: an embedded ClickHouse, or the server that CLICKHOUSE_URL names.",
    no_args_is_help=True,
    epilog="Example: stock-tracker archive serve",
)

Port = Annotated[int, typer.Option(help="Where /healthz, /readyz and /metrics are served; 0 takes a free port.")]


@app.command(epilog="Example: stock-tracker archive serve --port 8123")
def serve(port: Annotated[int, typer.Option(help="Where it listens, on 127.0.0.1.")] = 8123) -> None:
    """Serve the embedded ClickHouse over its HTTP interface until stopped."""
    import os

    from connectors.clickhouse.server import run
    from connectors.clickhouse.settings import ServerSettings
    from stock_tracker.home import Home
    from stock_tracker.service import log_to_stderr, run_until_signalled

    log_to_stderr()
    settings = ServerSettings(home=Home.of(os.environ).root, port=port)
    run_until_signalled(lambda stop: run(settings, stop))


@app.command(epilog="Example: CLICKHOUSE_URL=http://127.0.0.1:8123 stock-tracker archive sink")
def sink(port: Port = 0) -> None:
    """Write the event topics to ClickHouse, each event exactly once, until stopped."""
    import os
    import signal
    import threading

    from connectors.clickhouse.settings import SinkSettings
    from connectors.clickhouse.sink import run
    from schemas.deployment import kafka_config
    from stock_tracker.home import Home
    from stock_tracker.service import log_to_stderr, serving_health

    log_to_stderr()
    settings = SinkSettings(kafka=kafka_config(os.environ), home=Home.of(os.environ).root)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with serving_health(port) as health:
        run(settings, stop, health)
