"""Runs pipelines: one Quix application each, in a thread each, until a signal or a failure stops them all.

An application's consumer group, transactional id and state belong to its pipeline, not to the process, so pipelines may
move between processes, alone or together, without starting over.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType

from confluent_kafka import KafkaError, KafkaException
from quixstreams.checkpointing.exceptions import CheckpointProducerTimeout
from quixstreams.exceptions import PartitionAssignmentError
from quixstreams.internal_producer import KafkaProducerTransactionCommitFailed
from quixstreams.kafka.exceptions import KafkaBrokerUnavailableError
from quixstreams.state.exceptions import StateRecoveryOffsetOutOfRange

from pipelines.application import PipelineApplication, make_application
from pipelines.catalogue import named
from pipelines.core.readiness import Loop, LoopReadiness
from pipelines.errors import KafkaKeptLess, StopTimedOut
from pipelines.parameters import Parameters
from pipelines.retention import lost
from pipelines.settings import PipelineSettings
from schemas.errors import Halt, InstanceReplaced, KafkaUnavailable, TransactionLost
from schemas.kafka_errors import is_away, is_fenced, is_transaction_lost
from schemas.tracing import Tracer

log = logging.getLogger(__name__)

STOP_S = 9.0
"""How long a stop may take: less than the ten seconds after which most supervisors kill."""
_LOOK_S = 0.2


def run(
    names: Sequence[str],
    settings: PipelineSettings,
    health: Callable[[str], None],
    when_made: Callable[[], None] = lambda: None,
    tracer: Tracer | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Run pipelines until SIGTERM or SIGINT; call it in the main thread.

    Args:
        names: Of pipelines of the catalogue.
        settings: Of this process.
        health: Is told each change: "" when all are ready, else what is not, and what to do.
        when_made: Called once all of them are made, before they begin: what lives as long as the process is there.
        tracer: Takes the spans of messages that have a trace; None to look for none.
        clock: Seconds, as the applications' loops have them.

    Raises:
        UnknownPipeline: One of ``names`` is none of ours.
        UnusableRules: One needs alert rules, and they cannot be read.
        Halt: One met what starting again would meet too: a message of a newer release, too many dead letters, state that this
            release cannot read, messages that Kafka has deleted before they were read.
        PipelineError: One cannot start (see :func:`pipelines.application.make_application`), or did not stop in time.
        KafkaTrouble: One cannot start, lost Kafka or lost its place to another process (see :func:`in_our_words`).
        Exception: Whatever else stopped a pipeline; the others have been stopped properly.
    """
    if settings.force_terms:
        log.warning(
            "PIPELINE_FORCE_TERMS is set: other thresholds, sectors and rules hold at once, and what of today's state cannot be "
            "read is passed over. Unset it for the next start"
        )
    pipelines = [named(name) for name in names]
    parameters = Parameters(settings)
    # Before Kafka is asked for anything: rules that cannot be used are told at once.
    folds = [pipeline.make_folds(parameters) for pipeline in pipelines]
    # A first start makes changelogs: side by side it takes as long as the slowest.
    with ThreadPoolExecutor() as pool:
        applications = list(pool.map(lambda pipeline, made: make_application(pipeline, made, settings, tracer), pipelines, folds))
    hosts = [_Host(name, application) for name, application in zip(names, applications, strict=True)]
    when_made()
    with _stop_signals() as stop:
        for host in hosts:
            host.start()
        told: str | None = None
        readiness = LoopReadiness(settings.instance)
        while not stop.wait(_LOOK_S) and all(host.is_alive() for host in hosts):
            state = readiness.look([host.loop() for host in hosts], clock())
            if state != told:
                health(state)
                told = state
        health("stopping")
        late = _stop(hosts)
    failures = [in_our_words(host.failure, host.name, settings) for host in hosts if host.failure is not None]
    # One that a person has to see to comes first: it decides whether the process is to be started again.
    for failure in sorted(failures, key=lambda failure: not isinstance(failure, Halt)):
        raise failure
    if late:
        raise StopTimedOut(late, STOP_S)


def in_our_words(failure: BaseException, name: str, settings: PipelineSettings) -> BaseException:
    """What stopped pipeline ``name``, as an error that says what to do next; as it is, where it says so or that is not known."""
    told: BaseException = failure
    # Quix wraps whatever happened while partitions were given out.
    cause = failure.__cause__ if isinstance(failure, PartitionAssignmentError) else failure
    found = cause.args[0] if isinstance(cause, KafkaException) else getattr(cause, "error", None)
    error = found if isinstance(found, KafkaError) else None
    if error is not None and is_fenced(error.code(), error.str()):
        told = InstanceReplaced(name, settings.instance, "PIPELINE_INSTANCE")
    elif error is not None and is_away(error.code()):
        told = KafkaUnavailable(settings.bootstrap, error.str())
    elif error is not None and is_transaction_lost(error.code()):
        told = TransactionLost(f"pipeline {name}", error.str())
    elif isinstance(cause, KafkaBrokerUnavailableError | CheckpointProducerTimeout | KafkaProducerTransactionCommitFailed):
        told = KafkaUnavailable(settings.bootstrap, str(cause))
    elif isinstance(failure, StateRecoveryOffsetOutOfRange):
        try:
            told = KafkaKeptLess(name, lost(named(name), settings))
        except KafkaUnavailable as away:
            # Started again, it meets the same and finds out what was lost.
            told = away
    if told is not failure:
        told.__cause__ = failure
    return told


class _Host(threading.Thread):
    """The thread of an application."""

    def __init__(self, name: str, application: PipelineApplication) -> None:
        # A daemon: a process whose pipelines hang must still be able to end.
        super().__init__(name=name, daemon=True)
        self.application = application
        self.failure: BaseException | None = None

    def loop(self) -> Loop:
        """What is seen of its loop."""
        return Loop(self.name, self.application.ready, self.application.came_round_s)

    def run(self) -> None:
        log.info("%s starts", self.name)
        try:
            self.application.run()
        except BaseException as error:  # whatever it was, the main thread raises it again
            log.error("%s failed: %s", self.name, error)
            self.failure = error
        else:
            log.info("%s stopped", self.name)


def _stop(hosts: Sequence[_Host]) -> list[str]:
    """Stop all: each folds its message to the end and commits. The names of those that did not in time."""
    for _ in range(int(STOP_S / _LOOK_S)):
        running = [host for host in hosts if host.is_alive()]
        if not running:
            return []
        for host in running:
            # Again each time: an application forgets a stop that came before its loop began.
            host.application.stop()
        running[0].join(_LOOK_S)
    return [host.name for host in hosts if host.is_alive()]


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
