"""Errors of the shared language.

SchemaError
└── InvalidMessage: bytes on a topic that are not what the topic holds
"""


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
