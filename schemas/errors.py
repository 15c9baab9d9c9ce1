"""Errors that every service can meet: of messages, of Kafka, of its own port. Each says what to do next.

SchemaError
├── InvalidMessage: bytes on a topic that are not what the topic holds
├── WrongSetting: a setting in the environment that cannot be used
├── PortTaken: the address that a service should serve on cannot be listened on
├── Halt: whoever starts again meets the same, so a person has to act; supervisors do not restart
│   ├── NewerMessage: a newer release writes the topic
│   └── TooManyDeadLetters: most of what was read last could not be used
└── KafkaTrouble
    ├── KafkaUnavailable: no broker answers
    ├── TopicsMissing: topics have not been made
    ├── TransactionLost: Kafka gave up what a process had under way
    └── InstanceReplaced: another process took this one's place in its consumer group
"""

import errno
from collections.abc import Iterable
from typing import Final, Literal

HALTED: Final = 3
"""Exit code of a process that ends with :class:`Halt`. ``stock-tracker up`` leaves such a process down."""


class SchemaError(Exception):
    """Base of the errors of this package."""


class InvalidMessage(SchemaError):
    """Bytes on ``topic`` that its decoder refuses.

    Whoever finds one counts it and, where it came from outside, puts it on the dead-letter topic; the rest goes on.
    """

    def __init__(self, topic: str, reason: str) -> None:
        super().__init__(topic, reason)
        self.topic = topic
        self.reason = reason

    def __str__(self) -> str:
        return f"a message on {self.topic} is not readable: {self.reason}"


class WrongSetting(SchemaError):
    """The environment says something that cannot be used."""

    def __init__(self, name: str, said: str, wanted: str) -> None:
        super().__init__(name, said, wanted)
        self.name = name
        self.said = said
        self.wanted = wanted

    def __str__(self) -> str:
        return f"{self.name}={self.said!r} cannot be used: set it to {self.wanted}, or unset it"


class PortTaken(SchemaError):
    """``host``:``port`` cannot be listened on, nearly always because another process does so."""

    def __init__(self, host: str, port: int, reason: str, remedy: str) -> None:
        """Say why.

        Args:
            host: The address of this machine that was asked for.
            port: The port that was asked for.
            reason: Who listens there, or what else is in the way; no full stop.
            remedy: What to do next, as a sentence without a full stop: which setting names another port.
        """
        super().__init__(host, port, reason, remedy)
        self.host = host
        self.port = port
        self.reason = reason
        self.remedy = remedy

    @classmethod
    def of(cls, error: OSError, host: str, port: int, remedy: str) -> "PortTaken":
        """The same from what the system said when a service tried to listen there."""
        taken = error.errno == errno.EADDRINUSE
        return cls(host, port, "another process listens there" if taken else error.strerror or str(error), remedy)

    def __str__(self) -> str:
        return f"cannot listen on {self.host}:{self.port}: {self.reason}. {self.remedy}"


class Halt(SchemaError):
    """Starting again would meet the same: a person has to act first. A process that ends with it exits with :data:`HALTED`."""


class NewerMessage(Halt):
    """A message of a version that this release does not know: it cannot be skipped, and guessing at it would be worse."""

    def __init__(self, topic: str, found: int, known: int) -> None:
        super().__init__(topic, found, known)
        self.topic = topic
        self.found = found
        self.known = known

    def __str__(self) -> str:
        return (
            f"a newer release writes {self.topic} (version {self.found}, this one reads up to {self.known}): "
            "upgrade this process first, then start it again; it goes on at this message"
        )


class TooManyDeadLetters(Halt):
    """Most of what ``consumer`` read last could not be used, so it stopped before it put a whole day aside."""

    def __init__(
        self, consumer: str, bad: int, read: int, unit: Literal["messages", "records"], reason: str, *, commits: bool
    ) -> None:
        """Say how much.

        Args:
            consumer: Who stopped: a pipeline, the archive, the gateway.
            bad: How many of ``read`` could not be used.
            read: How many were looked at.
            unit: Of what.
            reason: Why the last one could not be used, and where it is.
            commits: Whether it commits what it reads, and so begins there when it is started again.
        """
        super().__init__(consumer, bad, read, unit, reason, commits)
        self.consumer = consumer
        self.bad = bad
        self.read = read
        self.unit = unit
        self.reason = reason
        self.commits = commits

    def __str__(self) -> str:
        stopped, left_out, again = (
            (
                " before committing what it read last",
                "put aside as dead letters",
                ". Started again, it goes on at what it has not committed",
            )
            if self.commits
            else ("", "left out", "")
        )
        return (
            f"{self.consumer} could not use {self.bad} of the last {self.read} {self.unit} and has stopped{stopped}; the last "
            f"one: {self.reason}. If this release is at fault, run the one before it; if the messages are, and may be "
            f"{left_out}, raise DEAD_LETTER_LIMIT_PERCENT{again}"
        )


class KafkaTrouble(SchemaError):
    """Base of what goes wrong with Kafka itself."""


class KafkaUnavailable(KafkaTrouble):
    """No broker of ``bootstrap`` answers; it may come back."""

    def __init__(self, bootstrap: str, reason: str) -> None:
        super().__init__(bootstrap, reason)
        self.bootstrap = bootstrap
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"no Kafka broker answers at {self.bootstrap} ({self.reason}): "
            "start one with `stock-tracker kafka start`, or name one that runs with KAFKA_BOOTSTRAP"
        )


class TopicsMissing(KafkaTrouble):
    """``names`` are not on the broker. No service makes them: their settings decide what is kept, and how it is split."""

    def __init__(self, bootstrap: str, names: Iterable[str]) -> None:
        super().__init__(bootstrap, names)
        self.bootstrap = bootstrap
        self.names = tuple(names)

    def __str__(self) -> str:
        return f"Kafka at {self.bootstrap} has no topic {', '.join(self.names)}: make them with `stock-tracker topics apply`"


class TransactionLost(KafkaTrouble):
    """Kafka no longer knows the transaction of ``consumer``, for the ``reason`` that it gave; after a start there is another."""

    def __init__(self, consumer: str, reason: str) -> None:
        super().__init__(consumer, reason)
        self.consumer = consumer
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"Kafka no longer knows the transaction of {self.consumer} ({self.reason}): Kafka was away, or {self.consumer} stood "
            "still, for seconds. Nothing is lost or doubled by that: start it again, it goes on from its last commit"
        )


class InstanceReplaced(KafkaTrouble):
    """Kafka fenced ``consumer`` off: a newer process runs as the same ``instance``, and has its partitions."""

    def __init__(self, consumer: str, instance: str, setting: str) -> None:
        super().__init__(consumer, instance, setting)
        self.consumer = consumer
        self.instance = instance
        self.setting = setting
        """The environment variable that tells instances apart."""

    def __str__(self) -> str:
        return (
            f"another process runs {self.consumer} as instance {self.instance!r} and has taken its partitions over: "
            f"stop one of the two, or give each its own {self.setting}. If there is no other, Kafka was away so long that the "
            "group gave this one up: started again, it goes on from its last commit"
        )
