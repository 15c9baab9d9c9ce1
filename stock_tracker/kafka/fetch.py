"""Gets ready all that a local broker needs before its first start: Java, Kafka's jars, and its classes in Java's own form."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from schemas.errors import SchemaError
from stock_tracker.errors import StockTrackerError
from stock_tracker.home import cache
from stock_tracker.kafka import class_data, jars, java, topics
from stock_tracker.kafka.broker import Broker
from stock_tracker.kafka.java import Java
from stock_tracker.kafka.programs import Tell
from stock_tracker.kafka.recipe import Recipe
from stock_tracker.ports import free_port


def fetch(recipe: Recipe, environ: Mapping[str, str], tell: Tell) -> tuple[Java, Path]:
    """Download what is not there yet or not as it should be; return the Java, and the folder of the jars.

    Raises:
        NoJava, JarsUnavailable, WrongJars: Something cannot be had.
    """
    runtime = java.find(recipe, cache(environ), environ, tell)
    classes = jars.fetch(recipe, cache(environ), environ, tell)
    _keep_classes(classes, class_data.archive_of(classes, runtime), environ, tell)
    return runtime, classes


def _keep_classes(classes: Path, archive: Path, environ: Mapping[str, str], tell: Tell) -> None:
    """Write the archive of a broker that starts, makes our topics and stops, if it is not there yet.

    It only makes starts quicker. Where this Java cannot write one, or no broker starts here, there is none; why a broker does not
    start is told to whoever needs one.
    """
    # One that is older than the jars was written with others.
    if archive.exists() and archive.stat().st_mtime >= classes.stat().st_mtime:
        return
    tell("Keeping Kafka's classes for quicker starts")
    with tempfile.TemporaryDirectory(prefix=".classes-", dir=archive.parent) as folder:
        written = Path(folder) / archive.name
        broker = Broker(Path(folder) / "broker", environ, class_data.writing_options(written))
        try:
            running = broker.start(free_port(), tell)
            topics.apply({"bootstrap.servers": running.bootstrap}, "", shards=1, replication=1)
        except (SchemaError, StockTrackerError):
            return
        finally:
            broker.stop(tell)
        if written.exists():
            os.replace(written, archive)
