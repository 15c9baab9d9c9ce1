"""Where the broker's Java classes are kept as Java has them in memory: with that file a broker starts with half of the work.

Java calls it a class-data sharing archive. It fits one Java and one set of jars; Java checks that itself, and starts without a
file that does not fit.
"""

import hashlib
from pathlib import Path

from stock_tracker.kafka.java import Java

_QUIET = "-Xlog:cds*=off"
"""Java otherwise warns of each class that it leaves out of the file, and of a file that does not fit."""


def archive_of(classes: Path, java: Java) -> Path:
    """The file for the jars in ``classes`` and this Java, whether it is there or not.

    Another Java of the same version, such as one that an update brought, has another file.
    """
    program = java.path.resolve()
    changed_ns = program.stat().st_mtime_ns
    digest = hashlib.sha256(f"{program} {changed_ns}".encode()).hexdigest()[:16]
    return classes.parent / f"classes-{digest}.jsa"


def options(archive: Path) -> list[str]:
    """Java's options to start with the classes in ``archive``; none when it is not there."""
    return [f"-XX:SharedArchiveFile={archive}", _QUIET] if archive.exists() else []


def writing_options(archive: Path) -> list[str]:
    """Java's options to write ``archive`` when it ends, with all classes that it has loaded by then."""
    return [f"-XX:ArchiveClassesAtExit={archive}", _QUIET]
