"""Whether the packages that Python imports under our names are ours.

``schemas``, ``connectors``, ``pipelines`` and ``gateway`` are plain words, and PyPI has projects that ship packages under these
names. If one is installed, Python imports it instead of ours (an editable install comes later on the path) and says nothing. So
the command looks before it does anything else.
"""

from importlib.util import find_spec
from pathlib import Path

from stock_tracker.errors import ForeignPackage
from stock_tracker.home import REPOSITORY

PACKAGES = ("schemas", "connectors", "pipelines", "gateway")


def check(root: Path = REPOSITORY) -> None:
    """Check that all our packages are imported from ``root``, where ``stock_tracker`` is.

    Raises:
        ForeignPackage: One of them is missing, or comes from another distribution.
    """
    for name in PACKAGES:
        spec = find_spec(name)
        found = spec.origin if spec and spec.origin else None
        if found is None or Path(found).resolve().parents[1] != root:
            raise ForeignPackage(name, found or "nowhere", root / name)
