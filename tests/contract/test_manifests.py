"""The manifests for Kubernetes: built, held against the operators' schemas, and telling the services what these know."""

import copy
import json
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from infra.validate.manifests import complaints, read
from pipelines.catalogue import CATALOGUE, NAMES
from schemas.topics import TOPICS
from stock_tracker.kafka import acls
from tests.contract.test_containers import READ, ROOT, known_to_librdkafka, parse

OVERLAYS = ("production", "your-engines")
KUBERNETES = ROOT / "infra" / "kubernetes"


@pytest.fixture(scope="module", params=OVERLAYS)
def resources(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """What an overlay comes to."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl builds the overlays: install it")
    build = ["kubectl", "kustomize", str(KUBERNETES / "overlays" / request.param)]
    return read(subprocess.run(build, check=True, capture_output=True, text=True).stdout)


def pods(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {r["metadata"]["name"]: r["spec"]["template"] for r in resources if r["kind"] in ("StatefulSet", "Deployment", "Job")}


def test_an_overlay_has_nothing_that_is_wrong(resources: list[dict[str, Any]]) -> None:
    assert list(complaints(resources)) == []
    assert set(NAMES) | {"connector", "sink", "gateway", "topics", "migrations"} == pods(resources).keys()


def test_what_is_wrong_would_be_found(resources: list[dict[str, Any]]) -> None:
    def changed(kind: str, *path: str | int, to: Any) -> list[dict[str, Any]]:
        others = copy.deepcopy(resources)
        place: Any = next(resource for resource in others if resource["kind"] == kind)
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to
        return others

    pod = ("spec", "template", "spec")
    assert list(complaints(changed("StatefulSet", *pod, "containers", 0, "image", to="stock-tracker/sink")))
    assert list(complaints(changed("StatefulSet", *pod, "volumes", 1, to={"name": "x", "secret": {"secretName": "forgotten"}})))
    assert list(complaints(changed("StatefulSet", "spec", "serviceName", to="forgotten")))
    if any(resource["kind"] == "Kafka" for resource in resources):
        assert list(complaints(changed("Kafka", "spec", "kafka", "lisseners", to=[])))
        assert list(complaints(changed("KafkaNodePool", "spec", "replicas", to="three")))
        assert list(complaints(changed("ScaledObject", "spec", "scaleTargetRef", "name", to="forgotten")))


def test_command_lines_and_variables_are_known(resources: list[dict[str, Any]]) -> None:
    settings = next(r["data"] for r in resources if r["kind"] == "ConfigMap" and r["metadata"]["name"] == "settings")
    for pod in pods(resources).values():
        (container,) = pod["spec"]["containers"]
        parse(container["args"])
        told = {variable["name"] for variable in container.get("env", [])} | settings.keys()
        security = {name for name in told if name.startswith(("KAFKA_SASL_", "KAFKA_SSL_", "KAFKA_SECURITY_"))} - READ
        assert told - READ - security == set()
        assert all(known_to_librdkafka(name.removeprefix("KAFKA_").lower().replace("_", ".")) for name in security)


def test_each_service_has_an_account_of_its_own_and_instances_have_stable_names(resources: list[dict[str, Any]]) -> None:
    for name, pod in pods(resources).items():
        variables = {variable["name"]: variable for variable in pod["spec"]["containers"][0].get("env", [])}
        accounts = {v["secret"]["secretName"] for v in pod["spec"].get("volumes", []) if v["name"] == "kafka-account"}
        if name == "migrations":
            assert accounts == set()
            continue
        assert accounts == {name} <= set(acls.SERVICES)
        assert variables["KAFKA_SASL_USERNAME"]["value"] == name
        instance = variables.get("PIPELINE_INSTANCE") or variables.get("ARCHIVE_INSTANCE")
        assert (instance is not None) == (name in (*NAMES, "sink"))
        assert instance is None or instance["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_no_secret_is_in_a_variable_or_in_a_manifest(resources: list[dict[str, Any]]) -> None:
    for pod in pods(resources).values():
        for variable in pod["spec"]["containers"][0].get("env", []):
            assert "secretKeyRef" not in variable.get("valueFrom", {})
            if "PASSWORD" in variable["name"] or "SECRET" in variable["name"]:
                assert variable["name"].endswith("_FILE")
                assert variable["value"].startswith("/run/secrets/")
    given = {key for r in resources if r["kind"] == "Secret" for key in r.get("stringData", r.get("data", {}))}
    assert given <= {"sasl", "tls", "username"}


def test_scaling_looks_at_the_group_and_the_topic_of_its_pipeline(resources: list[dict[str, Any]]) -> None:
    scalers = {r["metadata"]["name"]: r["spec"] for r in resources if r["kind"] == "ScaledObject"}
    for pipeline in CATALOGUE:
        if pipeline.name in scalers:
            trigger = scalers[pipeline.name]["triggers"][0]["metadata"]
            assert trigger["consumerGroup"] == pipeline.group
            assert trigger["topic"] in {topic.name for topic in pipeline.sources}


def test_the_users_of_kafka_are_what_the_command_prints() -> None:
    """`stock-tracker topics acls --strimzi > infra/kubernetes/kafka/users.yaml` makes them anew."""
    users = list(yaml.safe_load_all((KUBERNETES / "kafka" / "users.yaml").read_text()))
    assert users == json.loads(json.dumps(acls.strimzi_users(acls.acls(""))))


def test_nobody_may_write_a_topic_that_is_not_theirs() -> None:
    writers: dict[str, set[str]] = {}
    for acl in acls.acls(""):
        if (acl.resource, acl.operation) == ("topic", "WRITE") and not acl.is_prefix:
            writers.setdefault(acl.name, set()).add(acl.service)
    assert writers.keys() == {topic.name for topic in TOPICS}
    assert writers["ssi.ticks"] == {"connector"}
    assert writers["market.alerts"] == {"alerts"}
    assert writers["ssi.dlq"] == {"connector", *NAMES}
    assert not {"gateway", "sink", "topics", "tools"} & set().union(*writers.values())
