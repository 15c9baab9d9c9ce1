"""The Dockerfile, compose.yaml and the manifests say nothing that the code does not know.

Whether they are right in their own languages, `make validate` asks their own tools.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from confluent_kafka import Consumer, KafkaException

from pipelines.catalogue import NAMES
from schemas.deployment import kafka_config
from stock_tracker import cli, secret_files
from tests.contract.test_settings_page import DEAD_LETTERS, EVERY, names

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
DOCKERFILE = INFRA / "docker" / "Dockerfile"
COMPOSE: dict[str, Any] = yaml.safe_load((INFRA / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("stock-tracker/")}
READ = {
    "KAFKA_BOOTSTRAP", "TOPIC_PREFIX", "STOCK_TRACKER_HOME", "STOCK_TRACKER_HEALTH_HOST",
    *DEAD_LETTERS, *(name for settings in EVERY for name in names(settings)),
    *(f"{name}_FILE" for name in secret_files.NAMES),
}  # fmt: skip
"""The variables that a service may be given; Kafka's security settings are for librdkafka to know."""


def parse(words: list[str]) -> None:
    """Read a command line as the command does, and do nothing.

    Raises:
        click.ClickException: It is wrong.
    """
    command: Any = typer.main.get_command(cli.build())
    context = command.make_context("stock-tracker", list(words))
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)


def filled(text: str) -> str:
    """``text`` with the defaults of its variables."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def targets() -> dict[str, dict[str, Any]]:
    """What the Dockerfile says of each image: its entry, its command, its user."""
    stages = re.split(r"^FROM .* AS (.+)$", DOCKERFILE.read_text(), flags=re.MULTILINE)
    found = {}
    for name, text in zip(stages[1::2], stages[2::2], strict=True):
        if entry := re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE):
            command, user = (re.search(rf"^{word} (.*)$", text, re.MULTILINE) for word in ("CMD", "USER"))
            assert command is not None
            found[name] = {"entry": json.loads(entry[1]), "command": json.loads(command[1]), "user": user and user[1]}
    return found


TARGETS = targets()


@pytest.mark.parametrize("name", TARGETS)
def test_an_image_runs_a_command_that_exists_as_a_user_of_its_own(name: str) -> None:
    assert TARGETS[name]["entry"] == ["stock-tracker"]
    assert TARGETS[name]["user"] == "10001:10001"
    if TARGETS[name]["command"] != ["--help"]:
        parse(TARGETS[name]["command"])


def test_every_image_of_compose_is_a_target_of_the_dockerfile() -> None:
    for service in OURS.values():
        target = service["image"].removeprefix("stock-tracker/")
        assert target in TARGETS
        assert service["build"] == {"context": "..", "dockerfile": "infra/docker/Dockerfile", "target": target}


@pytest.mark.parametrize("name", OURS)
def test_the_command_line_of_a_service_is_one(name: str) -> None:
    parse([filled(word) for word in OURS[name]["command"]])


def test_a_wrong_command_line_would_be_found() -> None:
    for wrong in (["run", "prizes"], ["topics", "aply"], ["gateway", "--port", "1"], ["ssi", "run", "--prot", "1"]):
        with pytest.raises(Exception, match=r"No such|no pipeline|prizes"):
            parse(wrong)


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_told_nothing_that_nobody_reads(name: str) -> None:
    environment: dict[str, str] = OURS[name].get("environment", {})
    security = kafka_config(environment).keys() - {"bootstrap.servers"}
    assert {word for word in environment if word not in READ and not word.startswith(("KAFKA_SASL_", "KAFKA_SSL_"))} == set()
    assert {word for word in security if not known_to_librdkafka(word)} == set()


@pytest.mark.parametrize("name", OURS)
def test_a_service_may_write_nothing_but_its_home(name: str) -> None:
    service = OURS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert [volume.partition(":")[2] for volume in service.get("volumes", [])] in ([], ["/var/lib/stock-tracker"])


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_secret_comes_from_a_file_that_is_mounted(name: str) -> None:
    service = COMPOSE["services"][name]
    told = {value for word, value in service.get("environment", {}).items() if word.endswith("_FILE")}
    mounted = {f"/run/secrets/{secret}" for secret in service.get("secrets", [])}
    assert told <= mounted
    assert set(service.get("secrets", [])) <= COMPOSE["secrets"].keys()


def test_the_secrets_are_made_by_one_command(tmp_path: Path) -> None:
    maker = tmp_path / "make"
    maker.write_bytes((INFRA / "secrets" / "make").read_bytes())
    subprocess.run(["sh", str(maker)], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in tmp_path.iterdir() if path != maker}
    assert made.keys() == {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert len({*made.values()} - {"demo"}) == len(made) - 2
    subprocess.run(["sh", str(maker)], check=True, capture_output=True)
    assert {name: (tmp_path / name).read_text() for name in made} == made
    assert tmp_path.stat().st_mode & 0o077 == 0


def test_every_pipeline_has_a_service_and_prometheus_asks_them_all() -> None:
    assert {service["command"][1] for service in OURS.values() if service["command"][0] == "run"} == set(NAMES)
    config = yaml.safe_load((INFRA / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"] for job in config["scrape_configs"]}
    assert {name for name in jobs if not name.startswith("stock-tracker-")} == {"prometheus"}
    asked = {target for job in config["scrape_configs"] for group in job["static_configs"] for target in group["targets"]}
    serving = {
        f"{name}:{service['command'][service['command'].index('--port') + 1]}"
        for name, service in OURS.items()
        if "--port" in service["command"]
    }
    assert asked - {"127.0.0.1:9090"} == {*serving, "gateway:8080"}


def test_variables_of_compose_have_a_default_and_a_line_beside_it() -> None:
    said = {line.partition("=")[0] for line in (INFRA / ".env").read_text().splitlines() if re.match(r"\w+=", line)}
    used = set(re.findall(r"\$\{(\w+):-", (INFRA / "compose.yaml").read_text()))
    assert said == used | {"COMPOSE_PROFILES"}
    assert re.findall(r"\$\{\w+\}", (INFRA / "compose.yaml").read_text()) == []


@pytest.mark.parametrize("service", ["connector", "pipelines", "sink", "gateway"])
def test_an_image_has_what_its_service_imports(service: str) -> None:
    """Each is imported by a Python that refuses whatever is in no requirement of that image."""
    subprocess.run([sys.executable, "-c", _IMPORTS, service], cwd=ROOT, check=True)


def test_the_gateway_s_image_is_small() -> None:
    listed = subprocess.run(
        [sys.executable, "infra/docker/requirements.py", "gateway"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    found = set(re.findall(r"^([\w.-]+)==", listed, re.MULTILINE))
    assert "aiohttp" in found
    assert not found & {"quixstreams", "rocksdict", "chdb", "chdb-core", "clickhouse-connect", "pandas", "pyarrow", "pytest"}
    assert "--hash=sha256:" in listed


@pytest.mark.clickhouse
def test_the_users_of_clickhouse_are_made_in_its_own_words_and_alike_on_kubernetes() -> None:
    """Its parser reads each statement; whether a server's users then may do what they need, only a server can tell."""
    import chdb

    script = (INFRA / "clickhouse" / "make-users").read_text()
    statements = re.search(r"<<SQL\n(.*?)^SQL$", script, re.DOTALL | re.MULTILINE)
    assert statements is not None
    made = [one.strip() for one in re.sub(r"\$\(secret \w+\)", "secret", statements[1]).split(";") if one.strip()]
    for statement in made:
        assert chdb.query("SELECT formatQuery('{}')".format(statement.replace("'", "\\'"))).bytes()
    users = yaml.safe_load((INFRA / "kubernetes" / "clickhouse" / "clickhouse.yaml").read_text())["spec"]["configuration"][
        "users"
    ]
    for user in ("sink", "reader"):
        granted = [one.removeprefix("GRANT ").removesuffix(f" TO {user}") for one in made if one.endswith(f" TO {user}")]
        alike = ", ".join(grant.removeprefix("GRANT ") for grant in users[f"{user}/grants/query"])
        assert ", ".join(granted) == alike


def known_to_librdkafka(setting: str) -> bool:
    """Whether librdkafka has a setting of that name."""
    try:
        Consumer({"group.id": "none", setting: "?"}).close()
    except KafkaException as error:
        return "No such configuration property" not in str(error)
    return True


def test_librdkafka_is_asked_what_it_knows() -> None:
    assert known_to_librdkafka("sasl.mechanism")
    assert not known_to_librdkafka("sasl.mechanics")


_IMPORTS = """
import sys
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

sys.path.insert(0, "infra/docker")
from requirements import names

service = sys.argv[1]
wanted = names(service, Path("requirements.lock").read_text(), Path("pyproject.toml").read_text())
ours = {"connectors", "gateway", "pipelines", "schemas", "stock_tracker"}
has = {
    module for module, of in packages_distributions().items()
    if {name.lower().replace("_", "-").replace(".", "-") for name in of} & wanted
}


class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in ours or top in has or top.startswith("_"):
            return None
        if any(type(finder).__name__ != "Refuse" and finder.find_spec(name, path) for finder in sys.meta_path):
            raise ModuleNotFoundError(f"{name} is in no requirement of the image of {service}", name=name)


sys.meta_path.insert(0, Refuse())
from stock_tracker import cli
cli.build()
for module in {
    "connector": ["connectors.ssi.service", "connectors.ssi.simulator.server", "stock_tracker.kafka.topics"],
    "pipelines": ["stock_tracker.lean_quix"],
    "sink": ["connectors.clickhouse.sink", "connectors.clickhouse.migrations", "stock_tracker.kafka.topics"],
    "gateway": ["gateway.service"],
}[service]:
    import_module(module)
if service == "pipelines":
    with sys.modules["stock_tracker.lean_quix"].without_unused_clients():
        import_module("pipelines.service")
    import_module("pipelines.settings")
import_module("stock_tracker.kafka.connection")
import_module("stock_tracker.service")
"""
