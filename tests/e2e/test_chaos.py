"""A stack whose processes are killed, stopped and cut off while it plays a simulated morning, on a Kafka that others use too."""

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from stock_tracker.home import cache
from tests.e2e.running_up import COMMAND

pytestmark = [pytest.mark.kafka, pytest.mark.clickhouse]

PARTS = ("connector", "prices", "simulator")
"""One that cannot ask for what it missed, one with state, and one whose day must go on. Tests of their own kill the others."""
KILLS = len(PARTS)
SEED = 265
"""By its schedule a pipeline is killed while it stands still, and the connector, after a cut, when much is traded."""
SECONDS, SPEED = 14, 130
"""From 08:55 to 09:25: the opening auction and the first stories are in it."""


@pytest.fixture
def chaos(tmp_path: Path, kafka: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command on a quiet market: each process costs more by its start than by what it works through."""
    arguments = ("--seed", f"{SEED}", "--kills", f"{KILLS}", "--for", f"{SECONDS}", "--speed", f"{SPEED}")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SSI_")}
    environ |= {"STOCK_TRACKER_HOME": str(tmp_path), "STOCK_TRACKER_CACHE": str(cache(os.environ))}
    environ |= {"KAFKA_BOOTSTRAP": kafka, "SIM_SCALE": "0.02"}
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(
            [*COMMAND, "chaos", *arguments, "--parts", ",".join(PARTS), "--json"],
            env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
        )  # fmt: skip
        yield process
        # It stops what it has started before it ends.
        process.terminate()
        process.wait()


def test_whatever_is_struck_comes_back_and_what_was_missed_is_a_gap(chaos: subprocess.Popen[bytes], tmp_path: Path) -> None:
    out, _ = chaos.communicate()
    said = (tmp_path / "said").read_text()
    assert out, said
    told = json.loads(out)
    assert chaos.returncode == 0, (told["differences"], told["chaos"], said)
    assert told["reconciled"] is True
    struck = told["chaos"]["struck"]
    assert Counter((one["part"], one["how"]) for one in struck if one["how"] == "kill") == {(part, "kill"): 1 for part in PARTS}
    assert (told["chaos"]["strikes"], told["chaos"]["not_struck"]) == ({"kill": KILLS, "stop": 1, "cut": 1}, 0)
    assert said.count("was killed by SIGKILL") == KILLS
    assert all(0 < one["restarted_s"] <= one["ready_s"] <= one["caught_up_s"] for one in struck if one["how"] == "kill")
    assert told["tape"]["withheld"] > 0
    assert told["missed_volume"] > 0
    assert 0 < told["tape"]["booked"] <= told["archive_rows"]["trades"] - told["tape"]["gaps"]
    assert told["gateway_messages"] > 0
