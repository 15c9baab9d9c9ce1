"""Where frames begin decides nothing: the same records in other frames come to the same."""

from pathlib import Path
from random import Random

import pytest

from connectors.fixtures.files import open_fixture
from pipelines.catalogue import CATALOGUE
from stock_tracker.golden.brokerless import outputs_of
from tests.make_days import DAYS, LIBRARY, SHARDS
from tests.proof import usually
from tests.recut import recut, told

NAMES = usually(["hostile"], proving=[story.name for story in LIBRARY])


@pytest.mark.parametrize("name", NAMES)
def test_the_same_records_in_other_frames_come_to_the_same(name: str) -> None:
    file: Path = DAYS / f"{name}.jsonl.zst"
    with open_fixture(file) as (_, read):
        messages = list(read)
    wanted = told(outputs_of(messages, CATALOGUE, SHARDS))
    assert len(wanted) > 10
    for seed in range(usually(1, proving=10)):
        other = list(recut(messages, Random(seed)))
        assert len(other) != len(messages)
        found = told(outputs_of(other, CATALOGUE, SHARDS))
        assert {about: events for about, events in found.items() if events != wanted.get(about)} == {}
        assert wanted.keys() == found.keys()
