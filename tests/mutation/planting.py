"""Plants a fault in a function: one piece of its source is another, wherever the module or class has it."""

import inspect
import textwrap
from typing import Any

import pytest


def plant(monkeypatch: pytest.MonkeyPatch, owner: Any, function: str, right: str, wrong: str) -> Any:
    """Replace a function by one whose source differs in one place; the new one."""
    known = inspect.getattr_static(owner, function)
    found: Any = known.fget if isinstance(known, property) else known
    original: Any = inspect.unwrap(found)
    source = textwrap.dedent(inspect.getsource(original))
    assert source.count(right) == 1, "the source does not say so any more: plant the fault elsewhere"
    made: dict[str, Any] = {}
    exec(compile(source.replace(right, wrong), "mutant", "exec"), original.__globals__, made)
    monkeypatch.setattr(owner, function, made[function])
    return made[function]
