from pathlib import Path

import pytest

from connectors.ssi.settings import SsiSettings
from schemas.errors import WrongSetting
from stock_tracker.errors import CredentialsMissing
from stock_tracker.health import HealthServer
from stock_tracker.ports import free_port
from stock_tracker.service import serving_health
from stock_tracker.stack.plan import Options, plan
from stock_tracker.stack.runfile import RunningStack, is_ours, read, write
from stock_tracker.verify.stack import archive_of

SECRET = {"SSI_CONSUMER_ID": "id-1234", "SSI_CONSUMER_SECRET": "very-secret"}


def environ(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"STOCK_TRACKER_HOME": str(tmp_path), "PATH": "/usr/bin", **more}


def test_the_secret_reaches_the_connector_s_process_only_and_no_command_line(tmp_path: Path) -> None:
    stack = plan(Options(live=True, free_ports=True), environ(tmp_path, **SECRET), "1")
    having = [part.name for part in stack.parts if "very-secret" in part.env.values()]
    assert having == ["connector"]
    assert "very-secret" not in str(stack)
    assert not any("very-secret" in word for part in stack.parts for word in part.argv)


def test_a_simulated_stack_never_takes_the_real_credentials(tmp_path: Path) -> None:
    stack = plan(Options(free_ports=True), environ(tmp_path, **SECRET), "1")
    assert stack.connector.env["SSI_CONSUMER_SECRET"] == "demo"
    assert stack.connector.env["SSI_API_URL"].startswith("http://127.0.0.1:")
    assert not any("very-secret" in part.env.values() for part in stack.parts)


def test_the_connector_of_a_stack_gets_the_profiles_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = plan(Options(free_ports=True), environ(tmp_path, SSI_PROFILES="profiles.json"), "1")
    for name, value in stack.connector.env.items():
        monkeypatch.setenv(name, value)
    assert SsiSettings(kafka={}).profiles == Path("profiles.json")


def test_a_live_stack_without_credentials_says_which_variables_to_set(tmp_path: Path) -> None:
    with pytest.raises(CredentialsMissing) as raised:
        plan(Options(live=True, free_ports=True), environ(tmp_path), "1")
    assert "SSI_CONSUMER_SECRET_FILE" in raised.value.remedy


def test_simulated_and_live_data_are_kept_apart(tmp_path: Path) -> None:
    simulated = plan(Options(free_ports=True), environ(tmp_path), "1")
    live = plan(Options(live=True, free_ports=True), environ(tmp_path, **SECRET), "1")
    assert simulated.home.root == tmp_path / "simulated"
    assert live.home.root == tmp_path


def test_engines_that_the_environment_names_are_used_and_kept_clean(tmp_path: Path) -> None:
    named = environ(tmp_path, KAFKA_BOOTSTRAP="kafka:9092", CLICKHOUSE_URL="http://clickhouse:8123")
    stack = plan(Options(free_ports=True), named, "42")
    assert stack.archive is None
    assert stack.local_kafka_port is None
    assert stack.kafka["bootstrap.servers"] == "kafka:9092"
    assert stack.prefix == "sim.42."
    assert stack.sink.env["ARCHIVE_DATABASE"] == "market_sim_42"


def test_verification_opens_the_database_that_the_sink_writes(tmp_path: Path) -> None:
    stack = plan(Options(free_ports=True), environ(tmp_path, CLICKHOUSE_URL="http://ch.example:8123"), "42")
    archive = archive_of(stack.environment)
    assert (archive.clickhouse_url, archive.database) == ("http://ch.example:8123", stack.sink.env["ARCHIVE_DATABASE"])
    assert archive.database == "market_sim_42"


def test_the_embedded_servers_password_goes_to_this_machine_only(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "sink.password").write_text("generated\n")
    passwords = {
        host: archive_of({"CLICKHOUSE_URL": f"http://{host}:8123", "STOCK_TRACKER_HOME": str(tmp_path)}).read_password()
        for host in ("127.0.0.1", "localhost", "[::1]", "ch.example")
    }
    assert passwords == {"127.0.0.1": "generated", "localhost": "generated", "[::1]": "generated", "ch.example": ""}


def test_the_environment_chooses_the_ports(tmp_path: Path) -> None:
    named = {name: str(free_port()) for name in ("STOCK_TRACKER_KAFKA_PORT", "ARCHIVE_PORT", "SIM_PORT", "GATEWAY_PORT")}
    stack = plan(Options(), environ(tmp_path, **named), "1")
    assert stack.archive is not None
    assert stack.simulator is not None
    ports = (stack.local_kafka_port, stack.archive.port, stack.simulator.port, stack.gateway.port)
    assert ports == tuple(map(int, named.values()))


@pytest.mark.parametrize("said", ["abc", "-1", "0", "70000", "80.5"])
def test_what_is_no_port_is_said_by_its_name(tmp_path: Path, said: str) -> None:
    with pytest.raises(WrongSetting) as refusal:
        plan(Options(), environ(tmp_path, STOCK_TRACKER_KAFKA_PORT=str(free_port()), ARCHIVE_PORT=said), "1")
    assert str(refusal.value) == f"ARCHIVE_PORT={said!r} cannot be used: set it to a port from 1 to 65535, or unset it"


def test_an_engine_that_is_named_by_nothing_is_a_local_one(tmp_path: Path) -> None:
    stack = plan(Options(free_ports=True), environ(tmp_path, KAFKA_BOOTSTRAP="", CLICKHOUSE_URL=""), "1")
    assert stack.archive is not None
    assert stack.kafka["bootstrap.servers"] == f"127.0.0.1:{stack.local_kafka_port}"
    assert stack.clickhouse_url == stack.archive.ready_url.removesuffix("/ping")
    assert stack.prefix == ""


def test_a_time_limit_ends_the_simulated_day_at_that_market_time(tmp_path: Path) -> None:
    stack = plan(Options(speed=60, seconds=60, free_ports=True), environ(tmp_path), "1")
    assert stack.simulator is not None
    assert stack.simulator.argv[-2:] == ("--end", "09:55:00")


def test_a_run_file_reads_back_and_tells_a_dead_supervisor(tmp_path: Path) -> None:
    running = RunningStack(pid=2**22 + 1, home=str(tmp_path), simulated=True, parts={"prices": {"pid": 1, "port": 2}})
    write(tmp_path / "stack.json", running)
    assert read(tmp_path / "stack.json") == running
    assert not running.alive
    assert not is_ours(1)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_run_file_that_is_none_is_no_stack(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    assert read(tmp_path / "stack.json") is None
    assert read(tmp_path / "absent.json") is None


async def test_health_says_why_a_service_is_not_ready_and_when_it_is() -> None:
    import aiohttp

    server = HealthServer(0)
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:

            async def ask(path: str) -> tuple[int, str]:
                async with session.get(path) as answer:
                    return answer.status, await answer.text()

            assert await ask("/readyz") == (503, "still starting\n")
            server.report("Kafka is away; start it")
            assert await ask("/readyz") == (503, "Kafka is away; start it\n")
            server.report("")
            assert await ask("/readyz") == (200, "ok\n")
            assert (await ask("/healthz"))[0] == 200
            assert "python_info" in (await ask("/metrics"))[1]
            assert (await ask("/"))[0] == 404
    finally:
        server.close()


def test_health_is_served_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of this machine stands in for a container's: whatever begins with 127 is one."""
    import socket

    for named, host in (("127.0.0.9", "127.0.0.9"), ("", "127.0.0.1")):
        monkeypatch.setenv("STOCK_TRACKER_HEALTH_HOST", named)
        port = free_port()
        with serving_health(port):
            socket.create_connection((host, port)).close()
            if named:
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port))


def test_a_time_limit_beyond_the_day_plays_it_to_its_end(tmp_path: Path) -> None:
    asked = Options(speed=60, seconds=1000, free_ports=True)
    stack = plan(asked, environ(tmp_path), "1")
    assert stack.simulator is not None
    assert stack.simulator.argv[-2:] == ("--end", "15:15:00")
    assert stack.options.seconds == 380
    assert asked.longer_than_the_day
    assert not stack.options.longer_than_the_day
