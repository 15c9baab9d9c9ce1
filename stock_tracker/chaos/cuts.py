"""Cuts the TCP connections of another process, as a network does that drops them: neither side asked for it.

A parent may take a copy of its child's open socket (pidfd_getfd, Linux 5.6) and shut that down: the connection is the same one,
so both ends find it broken, and the process goes on.
"""

import contextlib
import ctypes
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PIDFD_GETFD: Final = 438
"""The number of the system call, the same on all of Linux's architectures."""


def cut_connections(pid: int) -> int:
    """Shut down every TCP connection of process ``pid``; return how many there were. What listens goes on listening.

    Raises:
        OSError: The system does not let us look into that process, or has no such call.
    """
    process = os.pidfd_open(pid)
    try:
        cut = 0
        for number in _sockets(pid):
            copy = _copy(process, number)
            if copy is None:
                continue
            with copy:
                if copy.type is socket.SOCK_STREAM and copy.family in (socket.AF_INET, socket.AF_INET6):
                    # One that listens, or that is just being closed, has no other side.
                    with contextlib.suppress(OSError):
                        copy.getpeername()
                        copy.shutdown(socket.SHUT_RDWR)
                        cut += 1
        return cut
    finally:
        os.close(process)


def _sockets(pid: int) -> Iterator[int]:
    """The numbers of the open sockets of a process."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(entry).startswith("socket:"):
                yield int(entry.name)


def _copy(process: int, number: int) -> socket.socket | None:
    """A copy of a socket of another process; None when it has been closed meanwhile."""
    copied = ctypes.CDLL(None, use_errno=True).syscall(_PIDFD_GETFD, process, number, 0)
    if copied < 0:
        error = ctypes.get_errno()
        if error in (errno.EBADF, errno.ESRCH):
            return None
        raise OSError(error, os.strerror(error))
    return socket.socket(fileno=copied)
