"""Print the `local` extra of pyproject.toml, one requirement a line: what infra/kafka/requirements.lock is made from."""

import sys
import tomllib
from pathlib import Path

pyproject = tomllib.loads(Path("pyproject.toml").read_text())
sys.stdout.write("\n".join(pyproject["project"]["optional-dependencies"]["local"]) + "\n")
