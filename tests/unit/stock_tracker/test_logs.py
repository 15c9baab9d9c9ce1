"""Logs as JSON lines, on request."""

import json
import logging
import subprocess
import sys

import pytest

from schemas.errors import WrongSetting
from stock_tracker.service import JsonLines, TextLines, log_to_stderr


def test_an_entry_says_which_message_it_is_about() -> None:
    entry = logging.makeLogRecord(
        {"name": "gateway", "levelname": "WARNING", "msg": "line one\nline %s", "args": ("two",), "topic": "ssi.ticks"}
        | {"partition": 1, "offset": 7, "trading_day": 20261127, "created": 0.25, "msecs": 250.0}
    )
    line = JsonLines().format(entry)
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "", "level": "WARNING", "logger": "gateway", "message": "line one\nline two", "trading_day": 20261127,
        "topic": "ssi.ticks", "partition": 1, "offset": 7,
    }  # fmt: skip


def test_a_traceback_stays_in_its_line() -> None:
    try:
        raise ValueError("no")
    except ValueError:
        entry = logging.makeLogRecord({"msg": "failed", "exc_info": sys.exc_info()})
    assert "ValueError: no" in json.loads(JsonLines().format(entry))["error"]


def test_a_process_logs_so_when_it_is_told_to() -> None:
    script = "from stock_tracker.service import log_to_stderr; import logging; log_to_stderr(); logging.info('up')"
    ended = subprocess.run(
        [sys.executable, "-c", script], env={"STOCK_TRACKER_LOG": "json"}, capture_output=True, text=True, check=True
    )
    said = json.loads(ended.stderr)
    assert (said["message"], said["time"][-1]) == ("up", "Z")


def test_another_form_is_refused() -> None:
    with pytest.raises(WrongSetting, match="text or json"):
        log_to_stderr({"STOCK_TRACKER_LOG": "xml"})


HOSTILE = "401 \x1b[2Jgone\n2026-11-27T02:15:00.000Z INFO gateway: all is well\u202e\x9b2J\U000e0041"
"""What a hub might call its error: it clears the screen, and says a line of its own."""


def entry_of(text: str) -> logging.LogRecord:
    try:
        raise ValueError(text)
    except ValueError:
        return logging.makeLogRecord({"name": "ssi", "msg": "the stream: %s", "args": (text,), "exc_info": sys.exc_info()})


def test_what_others_have_sent_begins_no_line_and_moves_no_cursor() -> None:
    first, *traceback = TextLines().format(entry_of(HOSTILE)).split("\n")
    assert r"the stream: 401 \x1b[2Jgone\n2026-11-27T02:15" in first
    assert traceback[0].startswith("Traceback")
    assert all(line.isprintable() for line in (first, *traceback))
    line = JsonLines().format(entry_of(HOSTILE))
    assert line.isprintable()
    assert json.loads(line)["message"] == f"the stream: {HOSTILE}"
