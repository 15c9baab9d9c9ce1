"""What processes have used, by the kernel's account (Linux's ``/proc``)."""

import os
from pathlib import Path
from typing import Final, NamedTuple

PROC: Final = Path("/proc/self/stat")
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


class ProcessUsage(NamedTuple):
    """Of one process, since it began."""

    cpu_s: float
    """User and system, all threads."""
    resident_mb: float
    """Memory in use now."""
    peak_mb: float
    """The most that it had resident."""


def is_known() -> bool:
    """Whether this system says what processes use."""
    return PROC.exists()


def usage_of(pid: int) -> ProcessUsage | None:
    """What the process ``pid`` has used; None where there is none of that number."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    memory = {name: int(rest.split()[0]) / 1024 for name, _, rest in (line.partition(":") for line in status) if name[:2] == "Vm"}
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
    return ProcessUsage(cpu_s, memory.get("VmRSS", 0.0), memory.get("VmHWM", 0.0))
