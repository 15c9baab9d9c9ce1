"""``stock-tracker doctor``: is this machine fit, and what it is to talk to?"""

from typing import Annotated

import typer

EPILOG = "Example: stock-tracker doctor    with KAFKA_BOOTSTRAP, CLICKHOUSE_URL and SSI's settings as the services have them"


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list instead of lines.")] = False) -> None:
    """Look at versions, home, disk, ports, Java, Kafka, topics, archive, SSI, clocks and credentials; exit 1 if one is bad."""
    import asyncio
    import json
    import os
    from dataclasses import asdict

    from stock_tracker.doctor import CheckState, examine

    findings = asyncio.run(examine(os.environ))
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            print(f"{finding.state:<5} {finding.check:<15} {finding.said}")
            if finding.remedy:
                print(f"{'':<21} → {finding.remedy}")
    if any(finding.state is CheckState.BAD for finding in findings):
        raise typer.Exit(1)
