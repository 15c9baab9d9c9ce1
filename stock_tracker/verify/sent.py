"""What the simulator put on a connection, record by record, as it tells it on ``/sim/sent``."""

import http.client
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import msgspec

from connectors.ssi.simulator.core.journal import SentLine
from stock_tracker.errors import NoTruth
from stock_tracker.verify.core.connections import SentOn

_TIMEOUT_S: Final = 60.0
_line = msgspec.json.Decoder(SentLine).decode


def sent_by(url: str) -> SentOn:
    """Asks the simulator at ``url``; it reads as it goes, because a day is too much to hold at once.

    What it gives raises NoTruth while it is read, if no simulator answers there.
    """

    def sent(connection: int) -> Iterator[SentLine]:
        path = f"/sim/sent?connection={connection}"
        # Not through a proxy, whatever the environment says: the simulator is on this machine.
        asked = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_TIMEOUT_S)
        try:
            asked.request("GET", path)
            answer = asked.getresponse()
            if answer.status != 200:
                raise NoTruth(url, f"{path} answered {answer.status}")
            for line in answer:
                yield _line(line)
        except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
            raise NoTruth(url, str(error) or type(error).__name__) from error
        finally:
            asked.close()

    return sent
