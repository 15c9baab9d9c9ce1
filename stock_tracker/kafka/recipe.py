"""What the local broker is made from: the files of ``infra/kafka``, which a wheel has beside this module."""

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from stock_tracker.errors import NoRecipe
from stock_tracker.home import REPOSITORY

_POM = "{http://maven.apache.org/POM/4.0.0}"


@dataclass(frozen=True)
class Recipe:
    """The folder with Maven's pom, the list of jars, the locked Python tools and the broker's settings."""

    folder: Path

    @classmethod
    def of_repository(cls) -> "Recipe":
        """The folder in this clone, else the one that came with the wheel.

        Raises:
            NoRecipe: There is neither.
        """
        folder = REPOSITORY / "infra" / "kafka"
        for found in (folder, Path(__file__).with_name("infra")):
            if found.is_dir():
                return cls(found)
        raise NoRecipe(folder)

    @property
    def pom(self) -> Path:
        """Maven's description of the broker."""
        return self.folder / "pom.xml"

    @property
    def requirements(self) -> Path:
        """The locked Python packages that are used where there is no Maven and no Java."""
        return self.folder / "requirements.lock"

    @property
    def settings(self) -> str:
        """The broker's settings, without ports: those are chosen at each start."""
        return (self.folder / "server.properties").read_text()

    @property
    def logging(self) -> Path:
        """The file that says what the broker logs, and where to."""
        return self.folder / "log4j2.properties"

    def sums(self) -> dict[str, str]:
        """The sha256 of each jar, by file name."""
        rows = (line.split() for line in (self.folder / "jars.sha256").read_text().splitlines())
        return {name: digest for digest, name in rows}

    def coordinates(self) -> list[str]:
        """The pom's own dependencies, as ``group:artifact:version``."""
        project = ElementTree.parse(self.pom).getroot()  # noqa: S314 - our own file
        parts = ("groupId", "artifactId", "version")
        return [
            ":".join(dependency.findtext(f"{_POM}{part}", "") for part in parts)
            for dependency in project.iter(f"{_POM}dependency")
        ]

    @property
    def version(self) -> str:
        """Kafka's version."""
        return self.coordinates()[0].rpartition(":")[2]
