"""The epoch of a feed's last connection, kept on the disk for the next start.

An epoch is the time at which a connection began, and the pipelines take a connection with a lower epoch than the last for one
that is over. A connector that is started after its clock was set back must therefore go on from its last epoch.
"""

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)


class LastEpoch:
    """The file of one feed."""

    def __init__(self, folder: Path, feed: str) -> None:
        self.path = folder / f"epoch-{feed}"
        """The file: the epoch in Unix milliseconds, as text."""
        self._kept = 0

    def load(self) -> int:
        """The last epoch of an earlier run; 0 if there was none, or it cannot be read."""
        try:
            self._kept = int(self.path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            log.warning("the last epoch cannot be read (%s: %s); this machine's clock must not be behind it", self.path, error)
            return 0
        return self._kept

    def keep(self, epoch: int) -> None:
        """Keep ``epoch`` if it is a new one; it is 0 before the first connection. The file is replaced as a whole."""
        if epoch <= self._kept:
            return
        self._kept = epoch
        draft = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(str(epoch), encoding="ascii")
            draft.replace(self.path)
        except OSError as error:
            log.warning("the epoch cannot be kept (%s: %s); do not set this machine's clock back", self.path, error)
