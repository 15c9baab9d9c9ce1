"""Kafka with TLS, accounts and access rules: each service does its work, and may do nothing else.

CI looks at one broker with accounts. ``make prove-access`` plays a market through a whole stack in which every process has an
account of its own, and the rights that `stock-tracker topics acls` gives it.
"""

import dataclasses
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from schemas import topics as t
from schemas.deployment import kafka_config
from stock_tracker.forward import GROUPS
from stock_tracker.kafka import acls
from stock_tracker.stack import drain, readiness
from stock_tracker.stack.plan import Options, Stack, plan
from stock_tracker.stack.play import verified
from stock_tracker.stack.supervisor import Part
from stock_tracker.stack.up import played_and_drained, running
from tests.kafka_cluster import ADMIN, Cluster, cluster
from tests.patience import PATIENCE_S
from tests.proof import PROVING

pytestmark = pytest.mark.kafka

PREFIX = "mine."
PLAYED = "played."
"""Before the topics of the whole stack, on which there is nothing but what its parts have written."""
OPERATOR = "operator"
"""Runs `up`: makes the topics and verifies."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker on which each service has an account, and the rights that the command gives it."""
    users = (ADMIN, OPERATOR, "stranger", *acls.SERVICES)
    with cluster(tmp_path_factory.mktemp("guarded"), 1, {user: secrets.token_hex(8) for user in users}) as made:
        give_rights(made, PREFIX)
        # Over TLS, by the one who may.
        assert f"{len(t.TOPICS)} topics made" in command(made, acls.ADMIN, "topics", "apply")
        yield made


def give_rights(made: Cluster, prefix: str) -> None:
    """Let each service do what the command says; the operator may do what makers of topics and readers may."""
    command(made, ADMIN, "topics", "acls", "--apply", TOPIC_PREFIX=prefix)
    for service in (acls.ADMIN, acls.READER):
        words = ("topics", "acls", "--apply", "--service", service, "--principal", f"User:{OPERATOR}")
        command(made, ADMIN, *words, TOPIC_PREFIX=prefix)


def command(guarded: Cluster, user: str, *words: str, **environ: str) -> str:
    """Run a command as ``user``; what it printed. It must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "stock_tracker", *words],
        env={**os.environ, "TOPIC_PREFIX": PREFIX, **guarded.environ(user), **environ},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refusal(guarded: Cluster, user: str, topic: t.Topic[Any]) -> int | None:
    """What Kafka says when ``user`` writes to ``topic``: a code; None if it may."""
    told: list[int | None] = []

    def delivered(error: KafkaError | None, message: Message) -> None:
        told.append(error and error.code())

    producer = Producer({**guarded.kafka(user), "message.timeout.ms": str(int(PATIENCE_S * 1000))})
    producer.produce(topic.named(PREFIX), b"{}", on_delivery=delivered)
    assert producer.flush(PATIENCE_S) == 0
    return told[0]


def test_each_does_what_is_its_own_over_tls(guarded: Cluster) -> None:
    listed = command(guarded, acls.READER, "topics", "list")
    assert f"{PREFIX}market.trades" in listed
    assert refusal(guarded, "connector", t.SSI_TICKS) is None
    assert refusal(guarded, "prices", t.MARKET_TRADES) is None
    desk = Consumer({**guarded.kafka("forwarder"), "group.id": f"{PREFIX}{GROUPS}desk"})
    desk.commit(offsets=[TopicPartition(t.MARKET_ALERTS.named(PREFIX), 0, 0)], asynchronous=False)
    desk.close()


@pytest.mark.parametrize(
    ("user", "topic"),
    [("gateway", t.STATE_PRICES), ("sink", t.MARKET_TRADES), ("connector", t.MARKET_TRADES), ("prices", t.SSI_TICKS),
     ("alerts", t.MARKET_TRADES), ("forwarder", t.MARKET_ALERTS), ("tools", t.MARKET_TRADES), ("topics", t.MARKET_TRADES),
     ("stranger", t.SSI_DLQ)],
)  # fmt: skip
def test_nobody_writes_what_is_not_theirs(guarded: Cluster, user: str, topic: t.Topic[Any]) -> None:
    assert refusal(guarded, user, topic) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_who_is_not_known_is_told_so(guarded: Cluster, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    for wrong, reason in (
        ({"KAFKA_SASL_PASSWORD": "guessed"}, "uthentication"),
        ({"KAFKA_SSL_CA_LOCATION": str(tmp_path / "other.pem")}, "certificate"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "stock_tracker", "topics", "list"],
            env={**os.environ, **guarded.environ("tools"), **wrong},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert reason in done.stderr
        assert "guessed" not in done.stderr


@pytest.mark.skipif(not PROVING, reason="a whole stack: make prove-access")
async def test_a_stack_in_which_each_has_no_more_than_its_own(
    guarded: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_rights(guarded, PLAYED)
    # A slow machine needs longer than a user would wait.
    monkeypatch.setattr(readiness, "READY_S", PATIENCE_S)
    monkeypatch.setattr(drain, "DRAIN_S", PATIENCE_S)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SSI_", "KAFKA_", "CLICKHOUSE_"))}
    environ |= {"STOCK_TRACKER_HOME": str(tmp_path), "TOPIC_PREFIX": PLAYED, **guarded.environ(OPERATOR)}
    stack = plan(Options(seconds=60, speed=60, free_ports=True), environ, "1")

    def with_own_account(part: Part) -> Part:
        return dataclasses.replace(part, env={**part.env, **guarded.environ(part.name)})

    own: Stack = dataclasses.replace(
        stack,
        pipelines=tuple(with_own_account(part) for part in stack.pipelines),
        sink=with_own_account(stack.sink),
        gateway=with_own_account(stack.gateway),
        connector=with_own_account(stack.connector),
    )
    assert {kafka_config(part.env).get("sasl.username") for part in (*own.pipelines, own.sink, own.gateway, own.connector)} == {
        "prices", "foreign", "indices", "alerts", "sink", "gateway", "connector",
    }  # fmt: skip
    said: list[str] = []
    async with running(own, said.append) as up:
        assert up.simulator is not None
        await played_and_drained(up, up.simulator, 60)
        verification = await verified(up, up.simulator)
    assert verification.reconciled, [*said, *verification.sentences()]
