"""Compares what the pipelines make of a fixture with its golden, for tests."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest

from stock_tracker.errors import NoGolden
from stock_tracker.golden import run


class Goldens:
    """Call it with a fixture."""

    def __init__(self, folder: Path, kafka: Callable[[], Mapping[str, str]], update: bool) -> None:
        """Prepare.

        Args:
            folder: What relative names are relative to.
            kafka: Gives librdkafka's connection settings when a test wants a real Kafka.
            update: Whether goldens are written anew instead of compared.
        """
        self._folder = folder
        self._kafka = kafka
        self._update = update

    def __call__(self, file: Path | str, app: str = "all", *, golden: Path | str | None = None, broker: bool = False) -> None:
        """Fail, with the first difference, unless what the pipelines publish is what the golden has.

        Args:
            file: The fixture; a relative name is looked for beside the test.
            app: Which pipeline: prices, foreign, indices, alerts, or all of them.
            golden: The file with what they publish; DAY.golden.jsonl.zst beside DAY.jsonl.zst if not given.
            broker: Whether the real apps do it on a real Kafka, exactly once, instead of the topologies alone.

        Raises:
            FixtureError: A file cannot be read to its end.
            UnusableFixture: Nothing in the fixture is read by ``app``.
            UntriedQuix: Without a broker: another release of Quix Streams is installed than this was written for.
        """
        path = self._folder / file
        place = run.golden_of(path, app) if golden is None else self._folder / golden
        runner = self._runner(broker)
        if self._update:
            run.update(path, app, place, runner)
            return
        try:
            report = run.check(path, app, place, runner)
        except NoGolden as error:
            pytest.fail(f"{error}\nTo make it, and whenever what comes out is right: pytest --update-golden", pytrace=False)
        if report.first is not None:
            pytest.fail("\n".join(report.sentences()), pytrace=False)

    def _runner(self, broker: bool) -> run.Runner:
        if broker:
            from stock_tracker.golden.broker import outputs_on

            return partial(outputs_on, self._kafka(), lambda line: None)
        # Quix imports a library that warns of what it imports itself, whatever the filters say: nothing that a test could mend.
        with warnings.catch_warnings(record=True):
            from stock_tracker.golden.brokerless import outputs_of
        return outputs_of
