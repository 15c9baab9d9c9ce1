"""``stock-tracker`` within the test's own process, where it costs a twentieth of starting one."""

import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from stock_tracker import cli

OURS = ("ARCHIVE_", "CLICKHOUSE_", "GATEWAY_", "KAFKA_", "PIPELINE_", "SIM_", "SSI_")
"""How the names of our settings begin."""


class Command(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    said: str


StockTracker = Callable[..., Command]
"""Runs a command with these words, and with these settings in the environment: no others of ours are in it."""


def within_this_process(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: tuple[str, ...], environ: dict[str, str]
) -> Command:
    """Run a command as its process would; what such a process changes for itself is as before afterwards."""
    collector, thresholds = gc.isenabled(), gc.get_threshold()
    with monkeypatch.context() as meanwhile:
        for name in os.environ:
            if name.startswith(OURS):
                meanwhile.delenv(name)
        for name, value in environ.items():
            meanwhile.setenv(name, value)
        meanwhile.setattr(sys, "argv", ["stock-tracker", *words])
        meanwhile.setattr(logging.Formatter, "converter", logging.Formatter.converter)
        code: Any = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        finally:
            gc.unfreeze()
            gc.set_threshold(*thresholds)
            assert gc.isenabled() is collector
    return Command(code, *capfd.readouterr())
