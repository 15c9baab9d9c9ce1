"""The long versions of tests: more kills, longer plays, more examples. ``make prove`` runs them, CI the short ones."""

import os
from typing import TypeVar

T = TypeVar("T")

PROVING = bool(os.environ.get("PROVE"))
"""Whether this is ``make prove``."""


def usually(short: T, *, proving: T) -> T:
    """``short`` in CI and on a laptop, ``proving`` in ``make prove``."""
    return proving if PROVING else short
