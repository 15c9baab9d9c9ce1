"""Runs several pipelines as one application: one consumer, one transaction, one group. Only to be measured (``bench_chain.py``).

    python benchmarks/one_application.py PORT NAME...

Its state and its place in the topics are a group of its own: it goes on from nothing that the pipelines by themselves have
done.
"""

import os
import sys
from pathlib import Path

from pipelines import catalogue
from pipelines.catalogue import Pipeline, named
from pipelines.service import run
from pipelines.settings import PipelineSettings
from schemas.deployment import kafka_config
from stock_tracker.service import log_to_stderr, serving_health, spare_the_collector


def main() -> None:
    port, *names = sys.argv[1:]
    parts = [named(name) for name in names]
    both = Pipeline("-".join(names), "", tuple(topology for part in parts for topology in part.topologies))
    # Where the service looks its pipelines up.
    setattr(catalogue, "CATALOGUE", (*catalogue.CATALOGUE, both))  # noqa: B010 # it is Final to everybody else
    log_to_stderr()
    settings = PipelineSettings(kafka=kafka_config(os.environ), home=Path(os.environ["STOCK_TRACKER_HOME"]))
    with serving_health(int(port)) as health:
        run([both.name], settings, health, spare_the_collector)


if __name__ == "__main__":
    main()
