"""``stock-tracker topics``: the topics that all services meet on."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.deployment import LOCAL_SHARDS, topic_prefix

if TYPE_CHECKING:
    from stock_tracker.kafka.topics import TopicsPlan

app = typer.Typer(
    help="The topics that all services meet on. TOPIC_PREFIX is put before their names.",
    no_args_is_help=True,
    epilog="Example: stock-tracker topics apply",
)


File = Annotated[
    Path | None,
    typer.Option("--file", help="topics.toml: partitions, copies and settings of this deployment.", show_default=False),
]


@app.command(epilog="Example: stock-tracker topics plan --file topics.toml")
def plan(file: File = None) -> None:
    """Say what apply would do for the cluster to have the topics that the file asks for; exit code 1 if that is anything."""
    from stock_tracker.kafka import deployment_file, topics
    from stock_tracker.kafka.connection import kafka_config

    wanted = deployment_file.read(file)
    made = topics.plan(kafka_config(os.environ), topic_prefix(os.environ), wanted)
    _show(made)
    if made.make or made.alter or made.stuck:
        raise typer.Exit(1)


@app.command(
    epilog="Example: stock-tracker topics apply --shards 6 --replication 3    or: stock-tracker topics apply --file topics.toml"
)
def apply(
    shards: Annotated[int, typer.Option(help="Partitions of the sharded topics.", min=1)] = LOCAL_SHARDS,
    replication: Annotated[int, typer.Option(help="Copies of each topic.", min=1)] = 1,
    file: File = None,
    delete: Annotated[bool, typer.Option("--delete", help="Also delete topics of ours that this release does not know.")] = False,
) -> None:
    """Make the topics that are missing. With a file alter settings too; without one report what differs (exit code 1)."""
    from stock_tracker.errors import TopicsDiffer
    from stock_tracker.kafka import deployment_file, topics
    from stock_tracker.kafka.connection import kafka_config

    kafka, prefix = kafka_config(os.environ), topic_prefix(os.environ)
    if file is not None:
        wanted = deployment_file.read(file)
        made = topics.plan(kafka, prefix, wanted)
        topics.carry_out(kafka, prefix, wanted, made, deletes=delete)
        _show(made)
        if made.stuck:
            raise TopicsDiffer([str(difference) for difference in made.stuck])
        return
    if delete:
        raise typer.BadParameter("only with --file", param_hint="--delete")
    applied = topics.apply(kafka, prefix, shards, replication)
    for name in applied.created:
        print(f"made {name}")
    print(f"{len(applied.created)} topics made, {len(applied.present)} were there")
    if applied.differences:
        raise TopicsDiffer([str(difference) for difference in applied.differences])


def _show(plan: "TopicsPlan") -> None:
    for name in plan.make:
        print(f"+ {name}")
    for one in plan.alter:
        print(f"~ {one.topic}: {one.setting} {one.found} → {one.wanted}")
    for one in plan.stuck:
        print(f"! {one.topic}: {one.found} partitions, {one.wanted} wanted: that changes between two days, by topics repartition")
    for name in plan.strange:
        print(f"- {name}: this release does not know it; --delete deletes it")
    print(f"{len(plan.make)} to make, {len(plan.alter)} to alter, {len(plan.stuck)} that cannot be, {len(plan.strange)} strange")


@app.command(epilog="Example: stock-tracker topics repartition --shards 6 --into v2.    then, if it may be: … --apply")
def repartition(
    shards: Annotated[int, typer.Option(help="Partitions that the sharded topics are to have.", min=1, show_default=False)],
    into: Annotated[str, typer.Option(help="What the names of the new topics begin with, such as v2.", show_default=False)],
    file: File = None,
    carry_out: Annotated[bool, typer.Option("--apply", help="Do it.")] = False,
    day_is_over: Annotated[
        bool, typer.Option("--day-is-over", help="The trading day on the topics will not go on, whatever its clock says.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Move to another number of partitions between two days, on new topics; without --apply say what is in the way."""
    import dataclasses

    from stock_tracker.errors import RepartitionRefused
    from stock_tracker.kafka import deployment_file
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress
    from stock_tracker.repartition import run

    kafka, prefix = kafka_config(os.environ), topic_prefix(os.environ)
    into = topic_prefix({"TOPIC_PREFIX": into})
    wanted = deployment_file.read(file)
    with progress() as tell:
        made = run.plan(kafka, prefix, into, shards, day_is_over=day_is_over, tell=tell)
        carried = run.carry_out(kafka, prefix, made, wanted, tell) if carry_out else None
    if as_json:
        print(json.dumps({**dataclasses.asdict(made), "carried": carried}))
    else:
        reached = "no clock tick" if made.now.market_ms is None else f"{made.now.day}, {_clock(made.now.market_ms)}"
        print(f"from   {made.now.shards} partitions, TOPIC_PREFIX={prefix}   the newest market time on them: {reached}")
        print(f"to     {shards} partitions, TOPIC_PREFIX={into}")
        for name, keys in (carried or {}).items():
            print(f"+ {name}: begins with {keys} keys")
        if carried is not None:
            print(f"Done. Start every service with TOPIC_PREFIX={into}; the way back, until then, is TOPIC_PREFIX={prefix}")
        elif not made.obstacles:
            print("Nothing is in the way, and nothing was changed: --apply does it")
    if made.obstacles and not as_json:
        raise RepartitionRefused(made.obstacles)
    if made.obstacles:
        raise typer.Exit(1)


@app.command("list", epilog="Example: stock-tracker topics list --json")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """List the topics and what they hold. Exit code 1 when some have not been made."""
    from schemas.errors import TopicsMissing
    from schemas.topics import TOPICS
    from stock_tracker.kafka import topics
    from stock_tracker.kafka.connection import kafka_config

    kafka, prefix = kafka_config(os.environ), topic_prefix(os.environ)
    found = topics.describe(kafka, prefix)
    absent = [topic.named(prefix) for topic in TOPICS if topic.named(prefix) not in found]
    if as_json:
        rows = {
            name: {"partitions": found[name].partitions, "config": {key: found[name].config.get(key) for key in topic.config()}}
            for topic in TOPICS
            if (name := topic.named(prefix)) in found
        }
        print(json.dumps({"topics": rows, "missing": absent}))
    else:
        for name, topic in found.items():
            kept = "last of each key" if topic.config["cleanup.policy"] == "compact" else _days(topic.config["retention.ms"])
            print(f"{name:<24} partitions: {topic.partitions}  kept: {kept}")
    if absent:
        raise TopicsMissing(kafka["bootstrap.servers"], absent)


@app.command(epilog="Example: stock-tracker topics lag    or: stock-tracker topics lag --group pipelines.prices --json")
def lag(
    group: Annotated[
        str | None, typer.Option(help="Of this consumer group only, as it is called without the prefix.", metavar="NAME")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with all partitions.")] = False,
) -> None:
    """Say which partitions are behind, by consumer group: the one whose oldest message has waited longest comes first."""
    import time
    from contextlib import closing
    from dataclasses import asdict

    from schemas.errors import TopicsMissing
    from stock_tracker.kafka import topics
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.stack.drain import Backlog, consumer_groups

    kafka, prefix = kafka_config(os.environ), topic_prefix(os.environ)
    groups = {one.name.removeprefix(prefix): one for one in consumer_groups(prefix)}
    if group is not None and group not in groups:
        raise typer.BadParameter(f"there is no group {group!r}: {', '.join(groups)}", param_hint="--group")
    if absent := topics.missing(kafka, prefix):
        raise TopicsMissing(kafka["bootstrap.servers"], absent)
    with closing(Backlog(kafka)) as backlog:
        found = [
            {"group": name, "topic": topic, "partition": partition, **asdict(unread)}
            for name, one in groups.items()
            if group in (None, name)
            for (topic, partition), unread in backlog.unread_by_partition(one).items()
        ]
    if as_json:
        print(json.dumps({"partitions": found}))
        return
    now_ms = time.time() * 1_000
    behind = sorted((one for one in found if one["oldest_ms"] is not None), key=lambda one: one["oldest_ms"])
    print(f"{'group':<20} {'topic':<24} {'partition':>9} {'lag':>9} {'waiting':>10}")
    for one in behind:
        waiting_s = max(0.0, (now_ms - one["oldest_ms"]) / 1_000)
        print(f"{one['group']:<20} {one['topic']:<24} {one['partition']:>9} {one['messages']:>9,} {waiting_s:>8,.1f} s")
    print(f"{len(behind)} of {len(found)} partitions are behind")


@app.command("acls", epilog="Example: stock-tracker topics acls --service gateway")
def access(
    service: Annotated[str | None, typer.Option(help="Of this service only; of all if not given.", metavar="NAME")] = None,
    make: Annotated[bool, typer.Option("--apply", help="Make them in the cluster; those that are there stay.")] = False,
    principal: Annotated[
        str, typer.Option(help="What Kafka calls a service; {service} stands for our name of it.", metavar="TEXT")
    ] = "User:{service}",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    strimzi: Annotated[bool, typer.Option("--strimzi", help="Print them as KafkaUsers for Kubernetes.")] = False,
) -> None:
    """List what each service may do in Kafka, and no more; with --apply, let it. Nothing is ever taken away."""
    from dataclasses import asdict

    from stock_tracker.kafka import acls
    from stock_tracker.kafka.connection import kafka_config

    if service is not None and service not in acls.SERVICES:
        raise typer.BadParameter(f"there is no service {service!r}: {', '.join(acls.SERVICES)}", param_hint="--service")
    if "{service}" not in principal and service is None:
        raise typer.BadParameter("without {service} in it all services would be one", param_hint="--principal")
    wanted = [acl for acl in acls.acls(topic_prefix(os.environ)) if service in (None, acl.service)]
    if make:
        print(f"{acls.apply(kafka_config(os.environ), wanted, principal)} access rules are in force")
    elif strimzi:
        for user in acls.strimzi_users(wanted):
            print(f"---\n{json.dumps(user)}")
    elif as_json:
        print(json.dumps({"acls": [asdict(acl) for acl in wanted]}))
    else:
        for acl in wanted:
            print(acl)


def _clock(ms: int) -> str:
    from datetime import datetime

    from schemas.calendar import ICT

    return f"{datetime.fromtimestamp(ms / 1000, ICT):%H:%M:%S}"


def _days(milliseconds: str) -> str:
    return f"{int(milliseconds) / 86_400_000:g} d"
