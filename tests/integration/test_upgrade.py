"""The drill of an upgrade in the middle of a day, and of the way back: the last release and this one on one Kafka."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, Self

import msgspec
import pytest

from connectors.fixtures.core.layout import FixtureMessage
from pipelines.catalogue import CATALOGUE, NAMES
from schemas.errors import HALTED
from schemas.topics import MARKET_FOREIGN, MARKET_TRADES, RECORD_TOPICS
from stock_tracker.golden.broker import published, write
from stock_tracker.kafka.own_topics import delete, new_prefix
from stock_tracker.stack.drain import Backlog, ConsumerGroup
from tests.older_release import ROOT, OlderRelease
from tests.patience import until
from tests.proof import PROVING

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.skipif(not PROVING, reason="it installs another release: make prove-upgrade"),
]
SHARDS = 3
RECORDS = {topic.name for topic in RECORD_TOPICS}


_SOURCES: Final = """
import json
from pipelines.catalogue import CATALOGUE
print(json.dumps({pipeline.name: [source.name for source in pipeline.sources] for pipeline in CATALOGUE}))
"""


_STOP_S: Final = 30.0


class InstalledRelease(OlderRelease):
    """The older release in an environment of its own."""

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        """Take it out of git and install what it locks. It takes a minute, and the network."""
        release = cls.unpacked_in(folder)
        uv, own = ROOT / ".bootstrap" / "bin" / "uv", {**os.environ, "VIRTUAL_ENV": str(folder / ".venv")}
        subprocess.run([uv, "venv", "--quiet", "--python", ROOT / ".bootstrap/bin/python", ".venv"], cwd=folder, check=True)
        for words in (("sync", "--require-hashes", "requirements.lock"), ("install", "--no-deps", "--editable", ".")):
            subprocess.run([uv, "pip", *words[:1], "--quiet", *words[1:]], cwd=folder, env=own, check=True)
        release.python = folder / ".venv" / "bin" / "python"
        return release

    def sources(self) -> dict[str, list[str]]:
        """The topics that each of its pipelines reads."""
        return dict(json.loads(self.says(_SOURCES)))


class Process:
    """A ``stock-tracker`` command of some release, with what it said; stopped at the end of its block."""

    def __init__(self, python: Path | str, folder: Path, words: Sequence[str], environ: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self._running = subprocess.Popen(
                [python, "-m", "stock_tracker", *words],
                cwd=folder,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._running.poll() is None:
            self._running.send_signal(signal.SIGTERM)
            try:
                self._running.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self._running.kill()
                self._running.wait()
                raise

    @property
    def said(self) -> str:
        """Its log so far."""
        return self._log.read_text(errors="replace")

    @property
    def code(self) -> int | None:
        """How it ended; None as long as it runs."""
        return self._running.poll()

    def ended(self) -> int:
        """Wait for its end; how it ended."""
        return self._running.wait()

    def check(self) -> None:
        """Fail if it has ended."""
        assert self.code is None, self.said[-3000:]


class Drill:
    """One deployment, on which either release runs."""

    def __init__(self, kafka: str, folder: Path, older: InstalledRelease) -> None:
        self.prefix, self.folder, self.older = new_prefix(), folder, older
        self.settings = {"bootstrap.servers": kafka}
        self.home = folder / "home"
        self._runs = 0

    def command(self, release: str, *words: str, **environ: str) -> Process:
        """A command of the ``older`` release or of ``this`` one."""
        self._runs += 1
        python, where = (self.older.python, self.older.folder) if release == "older" else (sys.executable, ROOT)
        own = {
            "KAFKA_BOOTSTRAP": self.settings["bootstrap.servers"],
            "TOPIC_PREFIX": self.prefix,
            "STOCK_TRACKER_HOME": str(self.home),
            # Both are found beside their sources only.
            "PYTHONPATH": str(where),
        }
        return Process(python, where, words, own | environ, self.folder / f"{self._runs}-{release}.log")

    def write(self, messages: Sequence[FixtureMessage]) -> None:
        write(self.settings, self.prefix, messages, lambda line: None)

    def fold(self, release: str, **environ: str) -> str:
        """Let the pipelines of a release fold all that is there, and stop them in good order; what they said."""
        sources = (
            self.older.sources()
            if release == "older"
            else {pipeline.name: [source.name for source in pipeline.sources] for pipeline in CATALOGUE}
        )
        with self.command(release, "run", *NAMES, **environ) as running, closing(Backlog(self.settings)) as backlog:
            for name, topics in sources.items():
                group = ConsumerGroup(f"{self.prefix}pipelines.{name}", tuple(f"{self.prefix}{topic}" for topic in topics))

                def is_folded(group: ConsumerGroup = group) -> bool:
                    running.check()
                    return not backlog.has_unread(group)

                until(is_folded, f"{name} of {release} to fold all")
        return running.said

    def tape(self) -> dict[tuple[str, int], list[Any]]:
        """What is committed on tape and ledger."""
        return essence(published(self.settings, self.prefix, lambda line: None))


def essence(messages: Iterator[FixtureMessage] | list[FixtureMessage]) -> dict[tuple[str, int], list[Any]]:
    """What was booked, by topic and partition, in its order and in what both releases say of it."""
    booked: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for message in messages:
        if message.topic not in (MARKET_TRADES.name, MARKET_FOREIGN.name) or message.value is None:
            continue
        for event in msgspec.json.decode(message.value)["events"]:
            names = ("kind", "symbol", "ts_ms", "since_ms", "start", "volume", "total_volume", "side", "price", "value", "cause")
            # Stocks and futures are written by two pipelines, and chance interleaves them.
            booked[message.topic, event["symbol"]].append([event.get(name) for name in names])
    return dict(booked)


def differing(one: dict[tuple[str, int], list[Any]], other: dict[tuple[str, int], list[Any]]) -> list[Any]:
    """The first line of each symbol that the two do not share, with both: pytest takes minutes over whole tapes."""
    return [
        (place, *next(pair for pair in zip_longest(one.get(place, []), other.get(place, [])) if pair[0] != pair[1]))
        for place in sorted(one.keys() | other.keys())
        if one.get(place, []) != other.get(place, [])
    ]


Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Tells whoever runs the drill what was seen."""

    def tell(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{text}\n")

    return tell


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> InstalledRelease:
    return InstalledRelease.made_in(tmp_path_factory.mktemp("drill") / "older")


@pytest.fixture
def drill(kafka: str, tmp_path: Path, older: InstalledRelease) -> Iterator[Drill]:
    made = Drill(kafka, tmp_path, older)
    with made.command("older", "topics", "apply", "--shards", str(SHARDS)) as applying:
        assert applying.ended() == 0, applying.said
    yield made
    delete(made.settings, made.prefix)


def test_a_day_that_the_older_release_began_goes_on_with_this_one_and_not_back(drill: Drill, say: Say) -> None:
    messages = [message for message in drill.older.half_hour() if message.topic in RECORDS]
    third = -(-len(messages) // 3)
    first, second, last = (messages[at : at + third] for at in (0, third, 2 * third))
    drill.write(first)
    drill.fold("older")

    # The upgrade: the new topics, then the pipelines, on the state that is there.
    with drill.command("this", "topics", "apply", "--shards", str(SHARDS)) as applying:
        assert applying.ended() in (0, 1), applying.said
    drill.write(second)
    drill.fold("this")
    before = drill.tape()

    # The way back within the day: the older release refuses the state at the next record, and does nothing.
    drill.write(last)
    with drill.command("older", "run", *NAMES) as back:
        assert back.ended() == HALTED, back.said
    said = next(line for line in back.said.splitlines() if line.startswith("Error: "))
    say(f"{drill.older.version} on state of this release: exit code {HALTED}\n  {said}")
    assert "a newer release" in said
    assert differing(drill.tape(), before) == []

    # On another disk: all state comes from the changelogs, which both have written.
    shutil.rmtree(drill.home / "state")
    drill.fold("this")
    say(f"begun by {drill.older.version}, folded to its end by this release, also from the changelogs of both")


def test_forced_within_the_day_the_older_release_goes_on_without_what_it_cannot_read(drill: Drill, say: Say) -> None:
    messages = [message for message in drill.older.half_hour() if message.topic in RECORDS]
    half = len(messages) // 2
    with drill.command("this", "topics", "apply", "--shards", str(SHARDS)) as applying:
        assert applying.ended() in (0, 1), applying.said
    drill.write(messages[:half])
    drill.fold("this")
    before = drill.tape()
    drill.write(messages[half:])
    drill.fold("older", PIPELINE_FORCE_TERMS="1")
    after = drill.tape()
    gaps = sum(line[0] == "gap" for place, lines in after.items() for line in lines[len(before.get(place, [])) :])
    doubled = [
        (place, line)
        for place, lines in after.items()
        if place[0] == MARKET_TRADES.name
        for line in lines[len(before.get(place, [])) :]
        if line[0] == "print" and line in before.get(place, [])
    ]
    say(f"forced onto {drill.older.version}: {gaps} gaps opened, {len(doubled)} prints booked twice")
    assert doubled == []
