"""Where files of this machine are kept: ``STOCK_TRACKER_HOME`` and what is in it, and the downloads that all clones share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
"""The clone of the repository that this code is in; of a wheel, the folder that it is installed in."""


@dataclass(frozen=True)
class Home:
    """The folder with everything that a local stack stores; whoever deletes it begins anew.

    The archive and the pipelines have folders of their own in it, which their settings name.
    """

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Home":
        """The folder that ``STOCK_TRACKER_HOME`` names, else ``.stock-tracker`` in the clone, wherever it is called from.

        Without a clone it is ``stock-tracker`` in the user's folder for data.
        """
        named = environ.get("STOCK_TRACKER_HOME")
        if named:
            return cls(Path(named).expanduser().absolute())
        if (REPOSITORY / "pyproject.toml").is_file():
            return cls(REPOSITORY / ".stock-tracker")
        data = environ.get("XDG_DATA_HOME")
        return cls((Path(data) if data else Path.home() / ".local" / "share") / "stock-tracker")

    @property
    def kafka(self) -> Path:
        """The broker: ``data/``, ``server.properties``, ``broker.pid``, ``broker.log``."""
        return self.root / "kafka"

    @property
    def runfile(self) -> Path:
        """The file in which a running stack describes itself; see :mod:`stock_tracker.stack.runfile`."""
        return self.root / "stack.json"

    @property
    def lock(self) -> Path:
        """The file whose lock a running ``up`` holds; see :mod:`stock_tracker.stack.lock`."""
        return self.root / "up.lock"

    @property
    def logs(self) -> Path:
        """The folder with a log of each process of the stack."""
        return self.root / "logs"


def cache(environ: Mapping[str, str]) -> Path:
    """The downloads that all clones share: in ``STOCK_TRACKER_CACHE``, else in ``stock-tracker`` in the user's cache folder."""
    named = environ.get("STOCK_TRACKER_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    user_cache = environ.get("XDG_CACHE_HOME")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "stock-tracker"
