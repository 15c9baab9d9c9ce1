"""The wheel in empty environments: a market day from it, and each service from no more than its image has. `make prove-wheel`."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from stock_tracker.home import cache
from tests.proof import PROVING

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "infra" / "docker"
pytestmark = [pytest.mark.kafka, pytest.mark.skipif(not PROVING, reason="builds environments: make prove-wheel")]

WITHOUT_KAFKA = {
    "connector": ["topics", "list"],
    "pipelines": ["run", "prices"],
    "sink": ["archive", "migrate"],
    "gateway": ["gateway"],
}
"""By image, a command that gets as far as a Kafka or a ClickHouse that is not there."""
NOBODY = "127.0.0.1:1"


def run(
    *command: str | Path, cwd: Path = ROOT, code: int = 0, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("VIRTUAL_ENV", "PYTHON", "PROVE", "KAFKA_"))
    }
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env={**kept, **(environ or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment that has pip and uv, and with the wheel, made as the Dockerfile makes them."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "venv", folder / "build")
    run(DOCKER / "build-wheel", folder / "build", folder / "wheels")
    return folder


@pytest.mark.parametrize("image", WITHOUT_KAFKA)
def test_a_service_runs_from_what_its_image_has(built: Path, tmp_path: Path, image: str) -> None:
    run(DOCKER / "install", image, built / "build", built / "wheels", tmp_path / "app")
    command = tmp_path / "app" / "bin" / "stock-tracker"
    run(command, "--help", cwd=tmp_path)
    home = str(tmp_path / "home")
    away = {"KAFKA_BOOTSTRAP": NOBODY, "CLICKHOUSE_URL": f"http://{NOBODY}", "STOCK_TRACKER_HOME": home, "GATEWAY_PORT": "0"}
    if image == "gateway":
        # It waits for Kafka, and says so to whoever asks: it is enough that it listens.
        with subprocess.Popen(
            [command, "gateway"], cwd=tmp_path, env={**os.environ, **away}, stderr=subprocess.PIPE, text=True
        ) as it:
            assert it.stderr is not None
            said = next(line for line in it.stderr if "http://" in line or "Error" in line)
            it.terminate()
            rest = it.stderr.read()
        assert "ModuleNotFoundError" not in said + rest
        assert "Error" not in said or NOBODY in said
        return
    said = run(command, *WITHOUT_KAFKA[image], cwd=tmp_path, code=1, environ=away).stderr
    assert NOBODY in said, said


def test_a_market_day_from_the_wheel_and_nothing_else(built: Path, tmp_path: Path) -> None:
    run(DOCKER / "install", "tools", built / "build", built / "wheels", tmp_path / "app")
    home = {"STOCK_TRACKER_HOME": str(tmp_path / "home"), "STOCK_TRACKER_CACHE": str(cache(os.environ))}
    command = tmp_path / "app" / "bin" / "stock-tracker"
    done = run(command, "up", "--for", "20", "--free-ports", "--json", cwd=tmp_path, environ=home)
    assert json.loads(done.stdout)["reconciled"] is True
