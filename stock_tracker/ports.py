"""Ports of this machine: finding a free one, and saying which process listens on one that is taken."""

import contextlib
import errno
import os
import random
import shutil
import socket
import subprocess
from pathlib import Path

from schemas.errors import PortTaken

_LISTEN = "0A"


CHOSEN_FROM = range(10_240, 32_768)
"""Where free ports are chosen from. Systems give higher ones to outgoing connections (Linux from 32768 on, others from 49152):
such a connection may take a port that was free when it was chosen, and is listened on only seconds later."""
_TRIES = 1_000


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens at this moment, chosen by chance: two processes that choose hardly ever meet.

    Raises:
        PortTaken: Of a thousand, none was free.
    """
    chance = random.SystemRandom()
    for _ in range(_TRIES):
        port = chance.choice(CHOSEN_FROM)
        if is_free(port):
            return port
    raise PortTaken("127.0.0.1", port, f"neither that nor {_TRIES - 1} others are free", "Stop what listens on them")


def is_free(port: int) -> bool:
    """Tell whether 127.0.0.1:``port`` can be listened on."""
    with socket.socket() as probe:
        # Servers set this too. Without it, connections that were closed a moment ago would still hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
        return True


def require_free(port: int, remedy: str) -> None:
    """Make sure that ``port`` can be listened on.

    Raises:
        PortTaken: It cannot. The error has ``remedy``, and names the process that listens there if the system tells.
    """
    if not is_free(port):
        raise PortTaken("127.0.0.1", port, f"{holder(port) or 'another process'} listens there", remedy)


def holder(port: int) -> str | None:
    """The process that listens on ``port``, as ``java (pid 4711)``; None if there is none, or the system does not tell."""
    pid = _pid_by_proc(port) if Path("/proc/net/tcp").exists() else _pid_by_lsof(port)
    if pid is None:
        return None
    return f"{_command(pid)} (pid {pid})"


def _pid_by_proc(port: int) -> int | None:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").iterdir():
        # Processes of other users, and processes that end at this moment, cannot be looked into.
        with contextlib.suppress(OSError):
            if process.name.isdigit() and any(os.readlink(fd) in sockets for fd in (process / "fd").iterdir()):
                return int(process.name)
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for row in Path(table).read_text().splitlines()[1:]:
                fields = row.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _pid_by_lsof(port: int) -> int | None:
    lsof = shutil.which("lsof")
    if lsof is None:
        return None
    found = subprocess.run([lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-t"], capture_output=True, text=True, check=False)
    return int(found.stdout.split()[0]) if found.stdout.split() else None


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return "a process"
