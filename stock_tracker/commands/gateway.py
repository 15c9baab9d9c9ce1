"""``stock-tracker gateway``: the WebSocket gateway with its dashboard."""

from typing import Annotated

import typer

EPILOG = "Example: GATEWAY_PORT=8090 stock-tracker gateway    or, for many clients: stock-tracker gateway --workers 4"


def gateway(
    workers: Annotated[
        int,
        typer.Option(help="How many processes share the connections; each has its metrics at GATEWAY_PORT + its number.", min=1),
    ] = 1,
    worker: Annotated[int, typer.Option(help="The number of a worker that another one starts.", hidden=True)] = 1,
    inherited: Annotated[int | None, typer.Option(help="The descriptor of its socket.", hidden=True)] = None,
    first_worker: Annotated[int | None, typer.Option(help="That of a pipe that ends with the first one.", hidden=True)] = None,
) -> None:
    """Serve stock.v1, the REST endpoints and the dashboard until stopped."""
    import asyncio
    import os
    import signal
    import socket

    from gateway.door import shared_sockets
    from gateway.service import Worker, run
    from gateway.settings import GatewaySettings
    from schemas.deployment import dead_letter_limit, topic_prefix
    from stock_tracker.instances import Child, beside
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.service import log_to_stderr, run_until_signalled, spare_the_collector
    from stock_tracker.tracing import tracing

    log_to_stderr()
    settings = GatewaySettings(
        kafka=kafka_config(os.environ),
        topic_prefix=topic_prefix(os.environ),
        dead_letter_limit=dead_letter_limit(os.environ),
    )
    if inherited is not None and first_worker is not None:
        its = Worker(worker, socket.socket(fileno=inherited))
        # Ctrl-C in a terminal reaches all processes; the first worker tells the others when it is time.
        signal.signal(signal.SIGINT, signal.SIG_IGN)

        async def serve(stop: asyncio.Event) -> None:
            loop = asyncio.get_running_loop()

            def alone() -> None:
                loop.remove_reader(first_worker)
                stop.set()

            loop.add_reader(first_worker, alone)
            with tracing(os.environ, "gateway") as tracer:
                await run(settings, stop, when_ready=spare_the_collector, worker=its, tracer=tracer)

        run_until_signalled(serve, [signal.SIGTERM])
        return
    if workers == 1:
        with tracing(os.environ, "gateway") as tracer:
            run_until_signalled(lambda stop: run(settings, stop, when_ready=spare_the_collector, tracer=tracer))
        return
    settings.require_safe_bind()
    first, *others = shared_sockets(settings.host, settings.port, workers)
    # The others see the end of a pipe when this process is gone, however it went.
    ours, theirs = os.pipe()
    children = [
        Child(
            name=f"worker {number}",
            arguments=[
                *("gateway", "--worker", str(number)),
                *("--inherited", str(listening.fileno()), "--first-worker", str(ours)),
            ],
            files=[listening.fileno(), ours],
        )
        for number, listening in enumerate(others, 2)
    ]
    with beside(children) as tell_to_stop, tracing(os.environ, "gateway") as tracer:
        for listening in others:
            # It is the child's now: connections must not wait at a socket that nobody accepts from once the child is gone.
            listening.close()
        run_until_signalled(
            lambda stop: run(
                settings,
                stop,
                when_ready=spare_the_collector,
                when_leaving=tell_to_stop,
                worker=Worker(worker, first),
                tracer=tracer,
            )
        )
    os.close(theirs)
