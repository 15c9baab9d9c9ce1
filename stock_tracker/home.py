"""Where local state lives: ``STOCK_TRACKER_HOME`` and its layout, and the cache that several clones share."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
"""The clone that this runs from."""


@dataclass(frozen=True)
class Home:
    """The folder of everything that a local stack keeps; delete it to begin anew.

    The archive and the pipelines have folders of their own in it, which their settings name.
    """

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Home":
        """Take ``STOCK_TRACKER_HOME``, or ``.stock-tracker`` in the clone whatever the current folder is."""
        named = environ.get("STOCK_TRACKER_HOME")
        return cls(Path(named).expanduser().absolute() if named else REPOSITORY / ".stock-tracker")

    @property
    def kafka(self) -> Path:
        """The broker: ``data/``, ``server.properties``, ``broker.pid``, ``broker.log``."""
        return self.root / "kafka"

    @property
    def runfile(self) -> Path:
        """What a running stack says about itself."""
        return self.root / "stack.json"

    @property
    def logs(self) -> Path:
        """One log a process of the stack."""
        return self.root / "logs"


def cache(environ: Mapping[str, str]) -> Path:
    """Downloads that every clone can use: ``STOCK_TRACKER_CACHE``, or ``stock-tracker`` in the user's cache folder."""
    named = environ.get("STOCK_TRACKER_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    user_cache = environ.get("XDG_CACHE_HOME")
    return (Path(user_cache) if user_cache else Path.home() / ".cache") / "stock-tracker"
