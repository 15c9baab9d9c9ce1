"""The processes between SSI and a viewer, as ``stock-tracker up --live`` starts them; the archive is left out."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from stock_tracker.stack.plan import Options, plan
from stock_tracker.stack.readiness import why_not_ready
from stock_tracker.stack.supervisor import Supervisor
from tests.patience import reached

IMPATIENT = (
    "from connectors.ssi.core import backoff; backoff.LONGEST_S = backoff.FIRST_S; from stock_tracker.cli import main; main()"
)
"""The connector, but that its pauses do not grow: scenarios break its connection more often than SSI does in a day."""


@asynccontextmanager
async def running_stack(home: Path, ssi_url: str, kafka: str, prefix: str) -> AsyncIterator[str]:
    """Run a connector to ``ssi_url``, all pipelines and a gateway, on topics that are there; gives the gateway's address.

    Each is a process of its own; one that dies fails whoever waits for it, and at the latest the last test.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SSI_", "GATEWAY_", "PIPELINE_"))}
    environ |= {
        "STOCK_TRACKER_HOME": str(home), "KAFKA_BOOTSTRAP": kafka, "TOPIC_PREFIX": prefix, "SSI_CONSUMER_ID": "me",
        "SSI_CONSUMER_SECRET": "a-secret", "SSI_API_URL": ssi_url, "SSI_STREAM_URL": ssi_url, "SSI_CLOCK": "feed",
        "SSI_RECONNECT_AT": "never",
    }  # fmt: skip
    stack = plan(Options(live=True, free_ports=True), environ, run_id="scenarios")
    connector = replace(stack.connector, argv=(sys.executable, "-c", IMPATIENT, *stack.connector.argv[3:]))
    parts = (*stack.pipelines, stack.gateway, connector)
    deaths: list[str] = []
    supervisor = Supervisor(deaths.append)
    async with aiohttp.ClientSession() as http:

        async def are_ready() -> bool:
            for part in parts:
                supervisor.check(part.name, crashes=1)
            return not any([await why_not_ready(http, part.ready_url) for part in parts])

        try:
            for part in parts:
                await supervisor.start(part)
            await reached(are_ready, "a stack that is ready")
            yield f"http://127.0.0.1:{stack.gateway.port}"
        finally:
            await asyncio.gather(*(supervisor.stop([part.name]) for part in parts))
    assert deaths == []
