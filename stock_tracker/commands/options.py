"""Options that several commands share."""

from typing import Annotated

import typer

HealthPort = Annotated[
    int,
    typer.Option("--port", help="Where /healthz, /readyz and /metrics are served; 0 takes a free port.", min=0, max=65_535),
]
Wait = Annotated[float, typer.Option("--wait", help="How many seconds to wait for Kafka and the topics before giving up.", min=0)]
