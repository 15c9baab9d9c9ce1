"""The lock that makes an ``up`` the only one in its home: two that start at the same moment cannot both run.

It is on a file in the home, and the system releases it when the process is gone, whatever ended it. So the process id in the file
is valid exactly while the lock is held.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from typing import IO

from stock_tracker.errors import AlreadyRunning
from stock_tracker.home import Home

_WRITTEN_S = 10.0
"""How long the holder of the lock may take to write its process id, which it does right after it has taken the lock."""
_PAUSE_S = 0.01


@contextlib.contextmanager
def only_stack(home: Home) -> Iterator[None]:
    """Be the only ``up`` in ``home`` as long as the block runs.

    Raises:
        AlreadyRunning: Another one is; the error has its process id.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    with home.lock.open("a+") as file:
        deadline = time.monotonic() + _WRITTEN_S
        while not _take(file, fcntl.LOCK_EX):
            # Nobody holds it if it was only looked at in this moment: asking who holds it takes it too.
            if (pid := holder(home)) is not None or time.monotonic() > deadline:
                raise AlreadyRunning(home.root, pid)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def holder(home: Home) -> int | None:
    """The process id of the ``up`` that runs in ``home``; None when none does, or when it has not said its id yet."""
    deadline = time.monotonic() + _WRITTEN_S
    while time.monotonic() < deadline:
        try:
            file = home.lock.open()
        except FileNotFoundError:
            return None
        with file:
            if _take(file, fcntl.LOCK_SH):
                return None
            pid = file.read().strip()
        # The id of one that was killed stays in the file until the next holder has written its own.
        if pid and _lives(int(pid)):
            return int(pid)
        time.sleep(_PAUSE_S)
    return None


def _take(file: IO[str], kind: int) -> bool:
    """Take the lock; False when another process holds it. Closing the file releases it."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Another user's.
        return True
    return True
