"""The fixture ``ssi_server`` in tests that have no event loop."""

import json
import urllib.request
from collections.abc import Callable
from datetime import time

import pytest

from connectors.ssi.settings import SsiSettings
from stock_tracker.testing.ssi_server import SsiServer
from tests.simulator_client import DAY


def test_it_answers_a_connector_that_has_its_environment(
    ssi_server: Callable[..., SsiServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ssi_server(seed=7, day=DAY, start=time(9, 14, 50), end=time(9, 15, 0))
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    settings = SsiSettings(kafka={})
    body = {"consumerID": settings.consumer_id.get_secret_value(), "consumerSecret": server.environ["SSI_CONSUMER_SECRET"]}
    asked = urllib.request.Request(
        f"{settings.api_url}api/v2/Market/AccessToken", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked) as answer:
        assert json.loads(answer.read())["data"]["accessToken"]
    assert server.clock().state == "waiting"
    assert server.status().connections == []


def test_two_of_them_play_side_by_side_and_come_to_the_end_of_their_days(ssi_server: Callable[..., SsiServer]) -> None:
    days = {"start": time(8, 55), "end": time(8, 55, 30), "wait_for_client": False}
    first, second = ssi_server(seed=7, day=DAY, **days), ssi_server(seed=8, day=DAY, **days)
    assert first.url != second.url
    for server in (first, second):
        server.wait_until_finished()
        assert server.clock().state == "finished"
    assert list(first.truth().header.stories) != []
