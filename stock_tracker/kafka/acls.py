"""What each service may do in Kafka, and no more: made of the same lists that the services themselves go by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import KafkaException
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from connectors.clickhouse.core.tables import GROUP, SOURCES
from connectors.ssi.publisher import TOPICS as SSI_TOPICS
from gateway.core.channels import CHANNELS
from pipelines.catalogue import BESIDE, CATALOGUE
from schemas.topics import MARKET_ALERTS, SSI_STATUS, STATE_PROGRESS, TOPICS, Topic
from stock_tracker.errors import AclsRefused
from stock_tracker.forward import GROUPS
from stock_tracker.kafka import metadata

ADMIN: Final = "topics"
"""Who makes the topics: whoever runs ``stock-tracker topics apply``."""
READER: Final = "tools"
"""Who looks: ``status``, ``verify``, ``explain``, ``record``."""
FORWARDER: Final = "forwarder"
"""Who posts alerts to others: ``alerts forward``, whatever its positions are called."""
SERVICES: Final = ("connector", *(pipeline.name for pipeline in CATALOGUE), "sink", "gateway", FORWARDER, ADMIN, READER)
"""All that have a principal of their own."""
ANSWER_S: Final = 30.0

Resource = Literal["topic", "group", "transactional_id"]
Operation = Literal["READ", "WRITE", "CREATE", "ALTER", "ALTER_CONFIGS", "DESCRIBE", "DESCRIBE_CONFIGS"]
_READING: Final = "stock-tracker-"
"""What begins the names of groups that nobody is a member of: librdkafka asks for one of whoever reads."""
_OF_TOPICS: Final[tuple[Operation, ...]] = ("CREATE", "ALTER", "ALTER_CONFIGS", "DESCRIBE_CONFIGS")
_OF_TRANSACTIONS: Final[tuple[Operation, ...]] = ("WRITE", "DESCRIBE")
_OF_CHANGELOGS: Final[tuple[Operation, ...]] = ("CREATE", "READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS")
_TYPES: Final[Mapping[str, Any]] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional_id": ResourceType.TRANSACTIONAL_ID,
}


@dataclass(frozen=True)
class Acl:
    """Something that a service may do."""

    service: str
    resource: Resource
    name: str
    """Of the topic, the group or the transactional id."""
    operation: Operation
    is_prefix: bool = False
    """Whether it holds for every name that begins so."""

    def __str__(self) -> str:
        return f"{self.service}: {self.operation} {self.resource} {self.name}{'*' if self.is_prefix else ''}"


def acls(prefix: str) -> tuple[Acl, ...]:
    """All that the services need, by service.

    Args:
        prefix: What stands before the names of topics, groups and transactional ids.
    """
    return tuple(dict.fromkeys(acl for service in SERVICES for acl in _of(service, prefix)))


def _of(service: str, prefix: str) -> Iterator[Acl]:
    # Whoever starts sees to it that all topics have been made; what they are called is no secret.
    yield from _topics(service, TOPICS, "DESCRIBE", prefix)
    if service == "connector":
        yield from _topics(service, SSI_TOPICS, "WRITE", prefix)
        # Two connectors agree there on who of them connects.
        yield from _topics(service, (SSI_STATUS,), "READ", prefix)
        yield Acl(service, "group", f"{_READING}ssi-standby", "READ")
    elif service == "sink":
        yield from _topics(service, SOURCES, "READ", prefix)
        yield Acl(service, "group", f"{prefix}{GROUP}", "READ")
    elif service == "gateway":
        yield from _topics(
            service, (*(t for channel in CHANNELS.values() for t in channel.topics), STATE_PROGRESS), "READ", prefix
        )
        yield Acl(service, "group", f"{_READING}gateway", "READ")
    elif service == FORWARDER:
        yield from _topics(service, (MARKET_ALERTS,), "READ", prefix)
        yield Acl(service, "group", f"{prefix}{GROUPS}", "READ", is_prefix=True)
    elif service == ADMIN:
        for operation in _OF_TOPICS:
            yield from _topics(service, TOPICS, operation, prefix)
    elif service == READER:
        yield from _topics(service, TOPICS, "READ", prefix)
        yield from _topics(service, TOPICS, "DESCRIBE_CONFIGS", prefix)
        for group in (GROUP, *(pipeline.group for pipeline in CATALOGUE)):
            yield Acl(service, "group", f"{prefix}{group}", "DESCRIBE")
        yield Acl(service, "group", _READING, "READ", is_prefix=True)
    else:
        yield from _of_pipeline(service, prefix)


def _of_pipeline(name: str, prefix: str) -> Iterator[Acl]:
    (pipeline,) = (pipeline for pipeline in CATALOGUE if pipeline.name == name)
    group = f"{prefix}{pipeline.group}"
    yield from _topics(name, pipeline.sources, "READ", prefix)
    yield from _topics(name, (*pipeline.sinks, *BESIDE), "WRITE", prefix)
    # Quix looks at how topics are kept before it uses them.
    yield from _topics(name, (*pipeline.sources, *pipeline.sinks, *BESIDE), "DESCRIBE_CONFIGS", prefix)
    yield Acl(name, "group", group, "READ")
    for operation in _OF_TRANSACTIONS:
        # An instance has a transactional id of its own, which begins with the group.
        yield Acl(name, "transactional_id", f"{group}-", operation, is_prefix=True)
    for operation in _OF_CHANGELOGS:
        yield Acl(name, "topic", f"changelog__{group}--", operation, is_prefix=True)


def _topics(service: str, topics: Sequence[Topic[Any]], operation: Operation, prefix: str) -> Iterator[Acl]:
    for topic in topics:
        yield Acl(service, "topic", topic.named(prefix), operation)


def apply(kafka: Mapping[str, str], wanted: Sequence[Acl], principal: str) -> int:
    """Make ACLs; those that are there already stay. None is ever taken away.

    Args:
        kafka: librdkafka's connection settings, of one who may alter the cluster.
        wanted: Which.
        principal: Kafka's name of a service, with ``{service}`` in the place of ours: ``User:{service}``.

    Returns:
        How many the cluster has now of those that are wanted: all.

    Raises:
        AclsRefused: The cluster has no authorizer, or does not let us.
    """
    admin = metadata.admin(kafka)
    for binding, answer in admin.create_acls([binding_of(acl, principal) for acl in wanted], request_timeout=ANSWER_S).items():
        try:
            answer.result()
        except KafkaException as error:
            raise AclsRefused(kafka["bootstrap.servers"], binding.principal, error.args[0].str()) from error
    return len(wanted)


def binding_of(acl: Acl, principal: str) -> AclBinding:
    """An ACL as Kafka's clients have it: from any host."""
    pattern = ResourcePatternType.PREFIXED if acl.is_prefix else ResourcePatternType.LITERAL
    who = principal.replace("{service}", acl.service)
    return AclBinding(_TYPES[acl.resource], acl.name, pattern, who, "*", AclOperation[acl.operation], AclPermissionType.ALLOW)


def strimzi_users(wanted: Sequence[Acl]) -> list[dict[str, Any]]:
    """A ``KafkaUser`` of Strimzi for each service, with a password that its operator makes and these rules."""
    rules: dict[str, dict[tuple[str, str, bool], list[str]]] = {}
    for acl in wanted:
        of_resource = rules.setdefault(acl.service, {})
        of_resource.setdefault((acl.resource, acl.name, acl.is_prefix), []).append(acl.operation.title().replace("_", ""))
    return [_strimzi_user(service, of_resource) for service, of_resource in rules.items()]


def _strimzi_user(service: str, rules: Mapping[tuple[str, str, bool], list[str]]) -> dict[str, Any]:
    types = {"topic": "topic", "group": "group", "transactional_id": "transactionalId"}
    acls = [
        {
            "resource": {"type": types[resource], "name": name, "patternType": "prefix" if is_prefix else "literal"},
            "operations": operations,
        }
        for (resource, name, is_prefix), operations in rules.items()
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": service, "labels": {"strimzi.io/cluster": "kafka"}},
        "spec": {
            "authentication": {"type": "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        },
    }
