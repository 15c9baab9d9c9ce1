"""SSI's key as it is now: as the settings have it, or as the files say that an operator may replace at any time."""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from connectors.ssi.settings import SsiSettings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """A consumer id and its secret; neither shows in its ``repr``."""

    consumer_id: str = field(repr=False)
    secret: str = field(repr=False)


class KeyFiles:
    """Reads the key anew each time it is asked for. What does not come from a file is as it was set."""

    def __init__(self, settings: SsiSettings) -> None:
        self._files = settings.consumer_id_file, settings.consumer_secret_file
        self._key = Key(settings.consumer_id.get_secret_value(), settings.consumer_secret.get_secret_value())
        self._unreadable = ""

    def read(self) -> Key:
        """The key of now; the one before as long as a file is away, empty or no text, which is logged once."""
        try:
            self._key = Key(_read(self._files[0], self._key.consumer_id), _read(self._files[1], self._key.secret))
            self._unreadable = ""
        except (OSError, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
            if said != self._unreadable:
                log.warning("SSI's key is not read anew, the one before goes on to be used: %s", said)
            self._unreadable = said
        return self._key


def _read(file: Path | None, before: str) -> str:
    if file is None:
        return before
    text = file.read_text().strip()
    if not text:
        raise ValueError(f"{file} is empty")
    return text
