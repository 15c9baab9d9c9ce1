"""What docs/api tells machines is what the gateway offers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.core.board import Board
from gateway.core.events import recents
from gateway.core.limits import ClientLimits
from gateway.core.status import Connectors
from gateway.fanout import Fanout
from gateway.settings import GatewaySettings
from tests.make_api import FOLDER, papers


@pytest.mark.parametrize("path", papers(), ids=lambda path: path.name)
def test_the_papers_are_those_of_this_code(path: Path) -> None:
    assert path.read_text() == papers()[path], "make them anew with `make api`"


def test_every_route_of_rest_is_in_the_paper() -> None:
    fanout = Fanout(Board(), recents(), Connectors(), ClientLimits(), lambda: 0, reason=str)
    routes = Gateway(GatewaySettings(kafka={}, topic_prefix=""), fanout, str).application().router.routes()
    served = {route.resource.canonical for route in routes if route.method == "GET" and route.resource is not None}
    told = set(json.loads((FOLDER / "openapi.json").read_text())["paths"])
    assert {path for path in served if path.startswith(("/api/", "/v1/stream"))} == told


def references(paper: Any) -> Iterator[str]:
    if isinstance(paper, dict):
        if isinstance(paper.get("$ref"), str):
            yield paper["$ref"]
        for value in paper.values():
            yield from references(value)
    elif isinstance(paper, list):
        for value in paper:
            yield from references(value)


@pytest.mark.parametrize("path", papers(), ids=lambda path: path.name)
def test_every_reference_leads_somewhere(path: Path) -> None:
    paper = json.loads(path.read_text())
    found = set(references(paper))
    assert found
    for reference in found:
        assert re.fullmatch(r"#(/[\w{}-]+)+", reference)
        place = paper
        for step in reference[2:].split("/"):
            place = place[step]
