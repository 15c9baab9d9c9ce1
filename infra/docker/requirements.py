"""Print the part of requirements.lock that one service needs, with its hashes: what goes into that service's image.

Run as ``python infra/docker/requirements.py gateway``, from the root of the repository. A service needs what is named for it
here, and what that needs in turn, which the lock file says behind ``# via``.
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

COMMON = ("confluent-kafka", "msgspec", "prometheus-client", "pydantic", "pydantic-settings", "typer", "tzdata")
"""What the command line needs, and whoever talks to Kafka. A slim image has no time zones of its own."""
SERVICES: Mapping[str, tuple[str, ...]] = {
    "connector": (*COMMON, "aiohttp", "backports-zstd", "lz4", "orjson"),
    "pipelines": (*COMMON, "orjson", "quixstreams"),
    "sink": (*COMMON, "backports-zstd", "clickhouse-connect", "lz4", "orjson"),
    "gateway": (*COMMON, "aiohttp", "joserfc"),
}
"""By target of the Dockerfile; the simulator is in the connector's. A test imports each service with nothing but this."""
EXTRAS = {"confluent-kafka": "quixstreams"}
"""What a distribution needs only with extras, which nobody but the other one asks for: Avro, Protobuf and a schema registry."""
TOOLS = "tools"
"""The target with every command, and with all that the project needs."""


def names(service: str, lock: str, pyproject: str) -> set[str]:
    """The distributions that ``service`` needs, of those in the text of the lock file."""
    if service == TOOLS:
        wanted = {_name(line) for line in tomllib.loads(pyproject)["project"]["dependencies"]}
    else:
        wanted = set(SERVICES[service])
    users = {_name(block): set(re.findall(r"^    #(?: via)? +([\w.-]+)$", block, re.MULTILINE)) for block in _blocks(lock)}
    for name, asking in EXTRAS.items():
        if asking not in wanted:
            users = {other: by - {name} for other, by in users.items()}
    while more := {name for name, by in users.items() if name not in wanted and by & wanted}:
        wanted |= more
    return wanted


def of(service: str, lock: str, pyproject: str) -> str:
    """The part of the lock file for ``service``."""
    wanted = names(service, lock, pyproject)
    return "".join(block for block in _blocks(lock) if _name(block) in wanted)


def _blocks(lock: str) -> Iterable[str]:
    return re.findall(r"^[a-z0-9].*\n(?: .*\n)*", lock, re.MULTILINE)


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


if __name__ == "__main__":
    sys.stdout.write(of(sys.argv[1], Path("requirements.lock").read_text(), Path("pyproject.toml").read_text()))
