"""``stock-tracker ssi run`` with the shortest pause after a failure: ``python -m tests.integration.ssi.impatient_connector``."""

import sys
from unittest.mock import patch

from connectors.ssi.core import backoff
from connectors.ssi.core.backoff import SsiBackoff
from stock_tracker.cli import main

if __name__ == "__main__":
    sys.argv[1:] = ["ssi", "run"]
    with (
        patch.object(backoff, "LONGEST_S", backoff.FIRST_S),
        patch("connectors.ssi.service.SsiBackoff", lambda *_: SsiBackoff(lambda: 0.0)),
    ):
        main()
