"""``stock-tracker kafka``: the local broker."""

import json
import os
from typing import Annotated

import typer

from stock_tracker.kafka import PORT, PORT_NAME

app = typer.Typer(
    help="The local Kafka broker. KAFKA_BOOTSTRAP names an external cluster instead.",
    no_args_is_help=True,
    epilog="Example: stock-tracker kafka start",
)

Port = Annotated[int, typer.Option(envvar=PORT_NAME, help="Port on 127.0.0.1.", min=1, max=65535)]


@app.command(epilog="Example: stock-tracker kafka start --port 19092")
def start(port: Port = PORT) -> None:
    """Start the broker and wait until it answers; it stays when the terminal closes."""
    from stock_tracker.kafka.broker import Broker
    from stock_tracker.progress import progress

    if _external() is not None:
        status()
        return
    broker = Broker.of(os.environ)
    with progress() as tell:
        before = broker.running()
        running = broker.start(port, tell)
    state = "was running already" if before == running else "is running"
    print(f"Kafka {state} at {running.bootstrap} (pid {running.pid}), its data and log are in {broker.folder}")
    if before == running and not running.bootstrap.endswith(f":{port}"):
        print(f"To have it on port {port}: stock-tracker kafka stop && stock-tracker kafka start --port {port}")


@app.command(epilog="Example: stock-tracker kafka stop")
def stop() -> None:
    """Stop the broker; its data stays."""
    from stock_tracker.kafka.broker import Broker
    from stock_tracker.progress import progress

    broker = Broker.of(os.environ)
    with progress() as tell:
        tell("Stopping Kafka")
        stopped = broker.stop(tell)
    print("Kafka is stopped; its data stays" if stopped else "Kafka was not running")


@app.command(epilog="Example: stock-tracker kafka status --json")
def status(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Say whether Kafka answers, and where. Exit code 1 when it does not."""
    from stock_tracker.kafka import metadata
    from stock_tracker.kafka.broker import Broker
    from stock_tracker.kafka.connection import kafka_config

    external = _external()
    running = None if external else Broker.of(os.environ).running()
    kafka = kafka_config(os.environ)
    cluster = metadata.ask(kafka)
    if as_json:
        print(
            json.dumps(
                {
                    "bootstrap": kafka["bootstrap.servers"],
                    "external": running is None,
                    "pid": running.pid if running else None,
                    "cluster_id": cluster.cluster_id,
                    "brokers": len(cluster.brokers),
                    "topics": len(cluster.topics),
                }
            )
        )
        return
    whose = f"the local broker, pid {running.pid}" if running else ("KAFKA_BOOTSTRAP" if external else "not started by us")
    print(
        f"Kafka answers at {kafka['bootstrap.servers']} ({whose}): cluster {cluster.cluster_id}, "
        f"{len(cluster.brokers)} brokers, {len(cluster.topics)} topics"
    )


@app.command(epilog="Example: stock-tracker kafka fetch")
def fetch() -> None:
    """Download what the broker needs, if it is not there yet: Kafka's jars, and a Java where the system has none.

    It also starts a broker once and stops it, and keeps its classes in Java's own form, so that later ones start quicker.
    All of it goes to STOCK_TRACKER_CACHE (by default stock-tracker in the user's cache folder). With STOCK_TRACKER_NO_JAVA=1 the
    system's Java and Maven are left alone, as if there were none.
    """
    from stock_tracker.kafka.fetch import fetch as fetch_all
    from stock_tracker.kafka.recipe import Recipe
    from stock_tracker.progress import progress

    recipe = Recipe.of_repository()
    with progress() as tell:
        runtime, folder = fetch_all(recipe, os.environ, tell)
    print(f"Kafka {recipe.version} is in {folder} and runs on {runtime}")


def _external() -> str | None:
    return os.environ.get("KAFKA_BOOTSTRAP") or None
