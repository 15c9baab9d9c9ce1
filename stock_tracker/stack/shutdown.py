"""Stops a stack from another process: its supervisor is told to end; if that was killed, what it left behind is stopped."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping

from stock_tracker.errors import NotInTime
from stock_tracker.home import Home
from stock_tracker.kafka.broker import Broker
from stock_tracker.stack import lock, runfile

STOP_S = 60.0
_PAUSE_S = 0.1


def homes(environ: Mapping[str, str]) -> tuple[Home, Home]:
    """The two homes in which a stack may run: that of the live one, and that of the simulated one."""
    root = Home.of(environ).root
    return Home(root), Home(root / "simulated")


def shut_down(environ: Mapping[str, str]) -> Iterator[str]:
    """Stop every stack in the home that ``environ`` names, and its broker; yield a line about each thing that is done.

    Raises:
        NotInTime: A process did not stop.
    """
    nothing = True
    for home in homes(environ):
        running = runfile.read(home.runfile)
        supervisor = lock.holder(home)
        if supervisor is not None and supervisor != os.getpid():
            # It may have begun just now, and written no run file yet.
            pids = [supervisor]
        else:
            pids = [pid for part in running.parts.values() if (pid := part["pid"])] if running is not None else []
        for pid in filter(runfile.is_ours, pids):
            nothing = False
            yield f"stopping pid {pid}"
            _end(pid)
        home.runfile.unlink(missing_ok=True)
        broker = Broker(home.kafka, environ)
        if broker.running() is not None:
            nothing = False
            yield f"stopping Kafka in {home.kafka}"
            broker.stop(lambda _: None)
    if nothing:
        yield "nothing was running"


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while runfile.is_ours(pid):
        if time.monotonic() > deadline:
            raise NotInTime(f"process {pid} still runs", STOP_S)
        time.sleep(_PAUSE_S)
