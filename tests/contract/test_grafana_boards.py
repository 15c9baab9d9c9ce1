"""The boards of infra/grafana ask only for what the code exports, and leave nothing out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.make_metrics import PARTS, exported, metrics_of

FOLDER = Path(__file__).parents[2] / "infra" / "grafana" / "dashboards"
BOARDS = sorted(FOLDER.glob("*.json"))
PYTHON_S_OWN = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def targets(board: Path) -> list[dict[str, Any]]:
    return [target for panel in json.loads(board.read_text())["panels"] for target in panel["targets"]]


def test_there_is_a_board_for_each_part_and_one_for_all() -> None:
    assert [board.stem for board in BOARDS] == ["archive", "feed", "gateway", "overview", "pipelines"]
    assert len({json.loads(board.read_text())["uid"] for board in BOARDS}) == len(BOARDS)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_every_name_is_exported(board: Path) -> None:
    asked = {name for target in targets(board) for name in re.findall(r"(?:stock_tracker|process)_\w+", target["expr"])}
    assert asked
    assert asked - exported() - PYTHON_S_OWN == set()


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_panels_do_not_overlap_and_take_the_data_source_of_the_board(board: Path) -> None:
    made = json.loads(board.read_text())
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in made["panels"]]
    assert len(set(places)) == len(places)
    assert {target["datasource"]["uid"] for target in targets(board)} == {"${datasource}"}
    assert [variable["name"] for variable in made["templating"]["list"]] == ["datasource"]


def test_every_metric_is_on_a_board() -> None:
    text = "".join(board.read_text() for board in BOARDS)
    assert [metric.name for part in PARTS for metric in metrics_of(part) if metric.name not in text] == []
