"""A class name means one thing: whoever reads it, or searches for it, finds one class."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "connectors", "pipelines", "gateway", "stock_tracker")
CLASS = re.compile(r"^class (?!_)(\w+)[(:\[]", re.MULTILINE)


def test_a_public_class_name_occurs_once() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for name in CLASS.findall(path.read_text(encoding="utf-8")):
            found[name].append(str(path.relative_to(ROOT)))
    assert found
    assert {name: places for name, places in found.items() if len(places) > 1} == {}
