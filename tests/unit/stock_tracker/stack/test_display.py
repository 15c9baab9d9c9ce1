import subprocess
import sys

SPEAK = """
import sys
from stock_tracker.stack.display import Display

with Display() as display:
    display.tell("one")
    sys.stdin.read()
    display.tell("two")
    display.tell("three")
print("still here")
"""


def test_a_reader_that_goes_away_ends_nothing() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SPEAK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == b"one\n"
        process.stderr.close()
        process.stdin.close()
        assert process.stdout.read() == b"still here\n"
        assert process.wait() == 0
