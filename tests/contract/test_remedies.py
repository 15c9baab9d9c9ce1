"""Every error of ours says what to do next."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from stock_tracker.errors import StockTrackerError

ROOT = Path(__file__).parents[2]


def kinds_below(kind: type[StockTrackerError]) -> Iterator[type[StockTrackerError]]:
    for below in kind.__subclasses__():
        yield below
        yield from kinds_below(below)


def kinds() -> list[type[StockTrackerError]]:
    for package in ("schemas", "pipelines", "connectors", "gateway", "stock_tracker"):
        for file in (ROOT / package).rglob("errors.py"):
            import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    return sorted(set(kinds_below(StockTrackerError)), key=lambda kind: kind.__qualname__)


@pytest.mark.parametrize("kind", [kind for kind in kinds() if not kind.__subclasses__()], ids=lambda kind: kind.__name__)
def test_an_error_says_what_to_do_next(kind: type[StockTrackerError]) -> None:
    assert kind.remedy is not StockTrackerError.remedy
