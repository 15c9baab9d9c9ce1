"""Errors of the simulator.

SimulatorError
├── UnreadableTruth: a text that should be an answer of /sim/truth is none
├── UnknownFault: a fault that the simulator does not know
├── UnreadableSchedule: a schedule of faults that cannot be read
├── UnreadableQuota: a limit to REST calls that cannot be read
├── UnreadableLogbook: what an earlier run has left of its day cannot be gone on with
├── UnreadableDay: a captured or recorded day that cannot be played
└── ProtocolError: a client broke the protocol: answer it with the error's text, and go on
    ├── UnknownTransport
    ├── MissingConnectionToken
    ├── InvalidConnectionToken
    ├── InvalidInvocation
    ├── UnknownMethod
    └── UnknownChannel
"""


class SimulatorError(Exception):
    """Base of the errors of this package."""


class UnreadableTruth(SimulatorError):
    """Text that is not an answer of ``/sim/truth``, or only the beginning of one: fetch it again."""


class UnknownFault(SimulatorError):
    """A request to ``/sim/faults`` that names no known fault."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f'{self.reason}; send one as {{"fault":"drop"}} or {{"fault":"silence","seconds":3}}: docs/simulator.md lists them'


class UnreadableSchedule(SimulatorError):
    """A schedule of faults that cannot be read; the text names the entry."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}. docs/simulator.md shows how a schedule is written"


class UnreadableLogbook(SimulatorError):
    """A logbook with which a simulator cannot go on: it is damaged, or of another day."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}. To begin a day anew delete it, or choose another folder with --state"


class UnreadableQuota(SimulatorError):
    """A limit to REST calls that cannot be read."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"{self.text!r} is no quota; write it as CALLS/SECONDS, such as 60/60"


class UnreadableDay(SimulatorError):
    """A file that holds no day which could be played."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return (
            f"{self.source}: {self.reason}; a day is one Broadcast argument a line, bare or under broadcast_arg, or a fixture "
            "with ssi.wire in it"
        )


class ProtocolError(SimulatorError):
    """A client said something that SSI's hub refuses. The text is what the hub answers (ASP.NET SignalR's own words)."""


class UnknownTransport(ProtocolError):
    """A transport other than webSockets."""

    def __str__(self) -> str:
        return "Protocol error: Unknown transport."


class MissingConnectionToken(ProtocolError):
    """A connect, start, reconnect or abort without the token that negotiate gave."""

    def __str__(self) -> str:
        return "Protocol error: Missing connection token."


class InvalidConnectionToken(ProtocolError):
    """A connection token that this server did not issue."""

    def __str__(self) -> str:
        return "The ConnectionId is in the incorrect format."


class InvalidInvocation(ProtocolError):
    """A client's message from which no hub invocation can be read. SignalR drops it without an answer."""


class UnknownMethod(ProtocolError):
    """A hub method other than SwitchChannels."""

    def __init__(self, method: str) -> None:
        super().__init__(method)
        self.method = method

    def __str__(self) -> str:
        return f"'{self.method}' method could not be resolved."


class UnknownChannel(ProtocolError):
    """A subscription to a channel that SSI does not have, or one that cannot be read."""

    def __str__(self) -> str:
        return "There was an error invoking Hub method 'FcMarketDataV2Hub.SwitchChannels'."
