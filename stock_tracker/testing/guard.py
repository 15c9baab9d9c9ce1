"""Stops the broker of a test run when nobody uses it any more: ``python -m stock_tracker.testing.guard FOLDER``.

Each process that uses the broker in a folder has a guard, which holds a lock on the folder together with the others. When its
process closes the guard's input, or ends in whatever way, the guard lets the lock go. The last one stops the broker and removes
the folder. A broker lives in a session of its own, so a killed test run would leave it behind for good.
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path
from typing import IO, Final

HELD: Final = b"held\n"
"""What a guard prints when the broker stays as long as the guard lives."""


def hold(folder: Path) -> IO[bytes]:
    """Take part in the lock on ``folder``, which is made if need be; closing the file lets it go."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            lock = (folder / "guards").open("ab")
        except FileNotFoundError:
            # A last guard has just removed the folder.
            continue
        fcntl.flock(lock, fcntl.LOCK_SH)
        # While we waited for the lock its holder may have removed the file: then we hold nothing that others would meet.
        if os.fstat(lock.fileno()).st_nlink:
            return lock
        lock.close()


def is_last(lock: IO[bytes]) -> bool:
    """Whether nobody else takes part; then nobody can until the file is closed. The lock is let go if somebody does."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main(folder: Path) -> None:
    """Hold the lock until standard input is closed."""
    with hold(folder) as lock:
        os.write(sys.stdout.fileno(), HELD)
        sys.stdin.buffer.read()
        if is_last(lock):
            from stock_tracker.home import Home
            from stock_tracker.kafka.broker import Broker

            home = Home(folder)
            if home.kafka.is_dir():
                Broker(home.kafka, os.environ).stop(lambda line: None)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
