"""The catalogue of pipelines, and whoever repeats in words or processes what stands in it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.catalogue import CATALOGUE, NAMES, Pipeline, named
from pipelines.errors import UnknownPipeline
from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.topics import SSI_DLQ, TOPICS
from stock_tracker.commands import run
from stock_tracker.stack.drain import consumer_groups
from stock_tracker.stack.plan import Options, plan

ROOT = Path(__file__).parents[2]
EACH = pytest.mark.parametrize("pipeline", CATALOGUE, ids=NAMES)
TOPIC = r"\b(?:ssi|market|partial|state)\.\w+"


def test_a_pipeline_is_found_by_its_name_and_nothing_else_is() -> None:
    assert [named(name) for name in NAMES] == list(CATALOGUE)
    assert len(set(NAMES)) == len(NAMES)
    with pytest.raises(UnknownPipeline, match="no pipeline 'trades': choose from prices, "):
        named("trades")


@EACH
def test_a_pipeline_reads_a_topic_once_and_writes_topics_that_exist(pipeline: Pipeline) -> None:
    assert len(set(pipeline.sources)) == len(pipeline.sources)
    assert {*pipeline.sources, *pipeline.sinks} <= set(TOPICS)
    assert SSI_DLQ not in pipeline.sinks


def test_a_pipeline_comes_after_those_whose_topics_it_reads() -> None:
    for number, pipeline in enumerate(CATALOGUE):
        later = {sink for downstream in CATALOGUE[number + 1 :] for sink in downstream.sinks}
        assert not later & set(pipeline.sources)


@EACH
def test_the_folds_of_a_pipeline_can_be_made(pipeline: Pipeline, tmp_path: Path) -> None:
    folds = pipeline.make_folds(Parameters(PipelineSettings(kafka={}, home=tmp_path)))
    assert len(folds) == len(pipeline.topologies)


def test_a_local_stack_starts_all_of_them(tmp_path: Path) -> None:
    stack = plan(Options(free_ports=True), {"STOCK_TRACKER_HOME": str(tmp_path)}, "1")
    assert [(part.name, part.argv[3:5]) for part in stack.pipelines] == [(name, ("run", name)) for name in NAMES]


def test_draining_waits_for_all_of_them() -> None:
    *ours, archive = consumer_groups("x.")
    assert [(group.name, group.topics) for group in ours] == [
        (f"x.pipelines.{pipeline.name}", tuple(f"x.{source.name}" for source in pipeline.sources)) for pipeline in CATALOGUE
    ]
    assert archive.name == "x.archive"


def test_the_command_line_offers_all_of_them_without_what_runs_them() -> None:
    assert run.EPILOG.endswith(" ".join(NAMES))
    heavy = ("quixstreams", "confluent_kafka", "pipelines.core.price_shard", "pipelines.core.rules")
    code = f"import sys; from stock_tracker import cli; cli.build(); print([name for name in {heavy} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=100)
    assert said.stdout.strip() == "[]"


def test_the_picture_of_the_architecture_has_their_topics() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text().split("```")[1]
    drawn: dict[str, str] = {}
    name = ""
    for line in text.split(" pipelines ")[1].split(" gateway ")[0].splitlines():
        begins = re.match(r"   (\w+) +\S", line)
        name = begins[1] if begins else name
        drawn[name] = drawn.get(name, "") + line
    del drawn[""]
    assert {name: set(re.findall(TOPIC, lines)) for name, lines in drawn.items()} == {
        pipeline.name: {topic.name for topic in (*pipeline.sources, *pipeline.sinks)} for pipeline in CATALOGUE
    }
