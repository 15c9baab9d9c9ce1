"""Write docs/api: what the gateway offers, for machines. ``make api`` runs it."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gateway.core.api import asyncapi, openapi

FOLDER = Path(__file__).parents[1] / "docs" / "api"


def papers() -> dict[Path, str]:
    """Each file of the folder, and what it should say."""
    release = version("stock-tracker")
    made: dict[str, dict[str, Any]] = {"asyncapi.json": asyncapi(release), "openapi.json": openapi(release)}
    return {FOLDER / name: json.dumps(paper, indent=1, ensure_ascii=False) + "\n" for name, paper in made.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in papers().items():
        path.write_text(text)
