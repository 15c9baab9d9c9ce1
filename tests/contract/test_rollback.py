"""The release before this one, taken out of git, on what this one has written: what it says, and when it goes on."""

import base64
import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.shards import shard_of
from schemas.topics import RECORD_TOPICS, TOPICS
from tests.last_release import Folds, Said
from tests.older_release import ROOT, OlderRelease
from tests.proof import PROVING

pytestmark = pytest.mark.skipif(not PROVING, reason="it wants all of git's history: make prove-upgrade")

RECORDS = {topic.name for topic in RECORD_TOPICS}
BY_NAME = {topic.name: topic for topic in TOPICS}
_FOLD: Final = """
import base64, json, sys
from tests.last_release import Folds, Said
from schemas.topics import TOPICS
told = json.load(sys.stdin)
topics = {topic.name: topic for topic in TOPICS}
state = {shard: {bytes.fromhex(k): bytes.fromhex(v) for k, v in cells.items()} for shard, cells in told["state"].items()}
folds = Folds(state, force_terms=told["forced"])
said, booked, counts = set(), [], {}
for topic, partition, offset, key, value in told["messages"]:
    try:
        folded = folds.fold(Said(topics[topic], partition, offset, key, base64.b64decode(value)))
    except Exception as error:
        said.add(f"{type(error).__name__}: {error}")
        continue
    for name, number in folded.counts.items():
        counts[name] = counts.get(name, 0) + number
    for output in folded.outputs:
        if output.topic.name in ("market.trades", "market.foreign"):
            for event in output.topic.decode(output.value).events:
                total = getattr(event, "total_volume", 0)
                booked.append([output.topic.name, event.kind, str(getattr(event, "cause", None)), event.symbol, total])
print(json.dumps({"said": sorted(said), "booked": booked, "counts": counts}))
"""


class Morning:
    """Half an hour that the older release's connector wrote, and what this release made of all but its last minute."""

    def __init__(self, older: OlderRelease) -> None:
        self._older = older
        messages = [message for message in older.half_hour() if message.topic in RECORDS]
        cut_ms = messages[-1].ts_ms - 60_000
        self.folds = Folds({})
        self.booked: set[tuple[str, int]] = set()
        """Symbol and total of each print."""
        self._ends: Counter[tuple[str, int]] = Counter()
        self._last = [message for message in messages if message.ts_ms > cut_ms]
        for message in messages:
            if message.ts_ms <= cut_ms:
                key = (message.key or b"").decode()
                self._fold(Said(BY_NAME[message.topic], message.partition, message.offset, key, message.value or b""))

    def _fold(self, said: Said) -> None:
        folded = self.folds.fold(said)
        for output in (*folded.outputs, *filter(None, [folded.adopted])):
            topic, partition = output.topic, shard_of(output.key, output.topic.partitions(3))
            offset = self._ends[topic.name, partition]
            self._ends[topic.name, partition] += 1
            if topic.name == "market.trades":
                events = topic.decode(output.value).events
                self.booked |= {(event.symbol, event.total_volume) for event in events if event.kind == "print"}
            self._fold(Said(topic, partition, offset, output.key, output.value))

    def told_to_the_older(self, *, forced: bool = False, days_later: int = 0) -> dict[str, Any]:
        """What the older release makes of the last minute, on the state of this one."""
        told = {
            "state": {shard: {k.hex(): v.hex() for k, v in cells.items()} for shard, cells in self.folds.state.items()},
            "forced": forced,
            "messages": [
                (m.topic, m.partition, m.offset, (m.key or b"").decode(), base64.b64encode(later(m.value, days_later)).decode())
                for m in self._last
            ],
        }
        return dict(json.loads(self._older.says(_FOLD, json.dumps(told))))


def later(value: bytes | None, days: int) -> bytes:
    """A frame as one of a connection so many days later; Friday's become Monday's with 3."""

    def moved(part: Any) -> Any:
        if isinstance(part, dict):
            dated, timed = {"day", "trading_day"} & part.keys(), {"ts_ms", "since_ms", "minute_ms", "epoch"} & part.keys()
            return (
                {name: moved(field) for name, field in part.items()}
                | {name: part[name] + days for name in dated}
                | {name: part[name] + days * 86_400_000 for name in timed if part[name]}
            )
        return [moved(each) for each in part] if isinstance(part, list) else part

    assert value is not None
    return json.dumps(moved(json.loads(value))).encode()


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Morning:
    if subprocess.run(["git", "rev-parse", "HEAD~200"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("a shallow clone")
    return Morning(OlderRelease.unpacked_in(tmp_path_factory.mktemp("older") / "release"))


def test_this_release_folds_a_morning_that_the_older_one_has_written(morning: Morning) -> None:
    assert len(morning.booked) > 300


def test_within_the_day_the_older_one_refuses_the_state_and_books_nothing(morning: Morning) -> None:
    told = morning.told_to_the_older()
    assert told["booked"] == []
    assert told["said"]
    assert all(said.startswith("StateNewer: a newer release wrote this state") for said in told["said"])
    assert all("after 16:00" in said and "PIPELINE_FORCE_TERMS=1" in said for said in told["said"])


def test_forced_it_goes_on_and_what_was_before_is_a_gap_and_no_print_is_booked_twice(morning: Morning) -> None:
    told = morning.told_to_the_older(forced=True)
    assert told["said"] == []
    assert told["counts"]["unreadable_today"] > 0
    kinds = Counter(tuple(event[:3]) for event in told["booked"])
    assert kinds["market.trades", "gap", "before_start"] > 0
    prints = [(symbol, total) for topic, kind, _, symbol, total in told["booked"] if (topic, kind) == ("market.trades", "print")]
    assert len(prints) > 30
    assert not set(prints) & morning.booked


def test_on_the_next_day_it_goes_on_without_a_word(morning: Morning) -> None:
    told = morning.told_to_the_older(days_later=3)
    assert told["said"] == []
    assert told["counts"]["unreadable_earlier"] > 0
    assert "unreadable_today" not in told["counts"]
    assert sum(event[:2] == ["market.trades", "print"] for event in told["booked"]) > 30


def test_the_drill_has_a_page() -> None:
    assert "make prove-upgrade" in (Path(ROOT) / "docs" / "operations.md").read_text(encoding="utf-8")
