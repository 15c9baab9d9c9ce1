import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from quixstreams import Application
from quixstreams.checkpointing import Checkpoint
from quixstreams.checkpointing.exceptions import CheckpointProducerTimeout
from quixstreams.exceptions import PartitionAssignmentError
from quixstreams.internal_producer import InternalProducer, KafkaProducerTransactionCommitFailed
from quixstreams.kafka.exceptions import KafkaConsumerException, KafkaProducerDeliveryError

from pipelines import application
from pipelines.application import PipelineApplication, make_application
from pipelines.catalogue import named
from pipelines.core.frames import Shard
from pipelines.errors import StopTimedOut, UnevenTopics, UnknownPipeline, UnusableRules
from pipelines.parameters import Parameters
from pipelines.service import in_our_words, run
from pipelines.settings import PipelineSettings
from schemas.errors import Halt, InstanceReplaced, KafkaUnavailable, NewerMessage, TooManyDeadLetters, TransactionLost
from schemas.position import Position
from schemas.topics import PIPELINES_TERMS
from tests.builders import a_frame, a_tick

NOBODY = {"bootstrap.servers": "127.0.0.1:1"}


@pytest.fixture
def settings(tmp_path: Path) -> PipelineSettings:
    return PipelineSettings(kafka=NOBODY, home=tmp_path)


@pytest.mark.parametrize("name", ["_setup_signal_handlers", "_process_message", "_on_assign", "_on_revoke", "_on_lost"])
def test_what_we_override_of_quix_is_still_there(name: str) -> None:
    ours, theirs = getattr(PipelineApplication, name), getattr(Application, name)
    assert len(inspect.signature(ours).parameters) == len(inspect.signature(theirs).parameters)


def test_each_round_of_the_loop_is_noted_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    made = PipelineApplication.__new__(PipelineApplication)
    made._idle_config = made._busy_config = None  # type: ignore[assignment] # it is handed on only
    times = iter([7.0, 8.5])
    made._watched = SimpleNamespace(clock=lambda: next(times), is_idle=True)  # type: ignore[assignment]
    seen = []
    monkeypatch.setattr(Application, "_process_message", lambda self, _: seen.append(self.came_round_s))
    made._process_message(None)
    made._process_message(None)
    assert seen == [7.0, 8.5]


def test_quix_asks_its_configuration_before_each_poll_how_long_to_wait() -> None:
    source = inspect.getsource(Application._process_message)
    assert "timeout=self._config.consumer_poll_timeout" in source
    assert "consumer_poll_timeout" in inspect.signature(Application).parameters


def test_a_broker_that_is_down_is_named_with_the_remedy(settings: PipelineSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "METADATA_TIMEOUT_S", 0.5)
    prices = named("prices")
    with pytest.raises(KafkaUnavailable, match=r"no Kafka broker answers at 127\.0\.0\.1:1 .*`stock-tracker kafka start`"):
        make_application(prices, prices.make_folds(Parameters(settings)), settings)


def test_a_session_outlasts_a_transaction() -> None:
    assert application.SESSION_TIMEOUT_MS >= application.TRANSACTION_TIMEOUT_MS


class Unreachable:
    """A producer whose group's coordinator is gone: librdkafka waits for it as long as it may."""

    def __init__(self) -> None:
        self.waited_s: list[float] = []

    def send_offsets_to_transaction(self, _positions: Any, _metadata: Any, timeout: float | None) -> None:
        assert timeout is not None, "it would wait for ever"
        self.waited_s.append(timeout)
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "Timed out waiting for operation to finish", retriable=True))


def test_a_commit_ends_where_the_coordinator_of_the_group_does_not_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Unreachable()
    producer = InternalProducer("127.0.0.1:1", transactional=True)
    monkeypatch.setattr(producer, "_producer", inner)
    application.commit_in_time(producer, 0.01)
    with pytest.raises(KafkaProducerTransactionCommitFailed, match="send_offsets"):
        producer.commit_transaction([TopicPartition("ssi.ticks", 0, 1)], None)
    assert max(inner.waited_s) <= 0.01
    # Quix's checkpoint says no time, but where partitions are taken away.
    assert "if deadline is not None else None" in inspect.getsource(Checkpoint.commit)


def test_an_unknown_pipeline_is_refused_with_the_known_ones(settings: PipelineSettings) -> None:
    with pytest.raises(UnknownPipeline, match="no pipeline 'trades': choose from prices, foreign, indices, alerts"):
        run(["trades"], settings, lambda reason: None)


def test_rules_that_cannot_be_used_are_told_before_kafka_is_asked(tmp_path: Path) -> None:
    settings = PipelineSettings(kafka=NOBODY, home=tmp_path, alert_rules=tmp_path / "not there.toml")
    with pytest.raises(UnusableRules):
        run(["prices", "alerts"], settings, lambda reason: None)


def test_settings_come_from_the_environment_under_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOPIC_PREFIX", "replay.")
    monkeypatch.setenv("STOCK_TRACKER_HOME", "/var/lib/market")
    monkeypatch.setenv("PIPELINE_INSTANCE", "2")
    monkeypatch.setenv("PIPELINE_CORRECTION_PERCENT", "5")
    settings = PipelineSettings(kafka=NOBODY)
    assert (settings.topic_prefix, settings.home, settings.instance) == ("replay.", Path("/var/lib/market"), "2")
    assert settings.thresholds.correction_percent == 5


@pytest.mark.parametrize("name", ["prices", "indices"])
def test_how_deals_are_counted_reaches_the_folds_of_prices(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_PUT_THROUGH_COUNTER", "shared")
    pipeline = named(name)
    fold, *_ = pipeline.make_folds(Parameters(PipelineSettings(kafka=NOBODY, home=tmp_path)))
    folded = fold(a_frame(a_tick()), Position(pipeline.sources[0].name, 0, 0), Shard.of(name, 0, 1), {})
    assert folded.adopted is not None
    assert PIPELINES_TERMS.decode(folded.adopted.value).terms.put_through_counter == "shared"


def test_errors_say_what_to_do_next() -> None:
    replaced = str(InstanceReplaced("pipeline prices", "0", "PIPELINE_INSTANCE"))
    assert "give each its own PIPELINE_INSTANCE. If there is no other, Kafka was away" in replaced
    assert "make them anew with one count" in str(UnevenTopics({"ssi.ticks": 6, "market.trades": 3}))
    assert str(StopTimedOut(["prices"], 9)).endswith("start again, it goes on from its last commit")


@pytest.mark.parametrize(
    ("failure", "ours"),
    [
        (KafkaException(KafkaError(KafkaError._TIMED_OUT)), KafkaUnavailable),
        (KafkaConsumerException(KafkaError(KafkaError._ALL_BROKERS_DOWN)), KafkaUnavailable),
        (CheckpointProducerTimeout("'1' messages failed to be produced before the producer flush timeout"), KafkaUnavailable),
        (KafkaProducerDeliveryError(KafkaError(KafkaError._MSG_TIMED_OUT)), KafkaUnavailable),
        (KafkaProducerTransactionCommitFailed("All Kafka send_offsets_to_transaction attempts failed"), KafkaUnavailable),
        (KafkaException(KafkaError(KafkaError._FENCED)), InstanceReplaced),
        (KafkaConsumerException(KafkaError(KafkaError._FATAL, "Static consumer fenced: group.instance.id")), InstanceReplaced),
        (KafkaException(KafkaError(KafkaError.INVALID_TXN_STATE, "Failed to end transaction", fatal=True)), TransactionLost),
        (KafkaException(KafkaError(KafkaError.INVALID_PRODUCER_ID_MAPPING)), TransactionLost),
    ],
)
def test_what_kafka_did_to_a_pipeline_is_said_with_the_remedy(
    settings: PipelineSettings, failure: Exception, ours: type[Exception]
) -> None:
    told = in_our_words(failure, "prices", settings)
    assert type(told) is ours
    assert told.__cause__ is failure


def test_what_happened_while_partitions_were_given_out_is_said_as_if_it_had_happened_at_any_other_time(
    settings: PipelineSettings,
) -> None:
    failure = PartitionAssignmentError("Error during partition assignment")
    assert in_our_words(failure, "prices", settings) is failure
    failure.__cause__ = KafkaException(KafkaError(KafkaError._TRANSPORT))
    assert isinstance(in_our_words(failure, "prices", settings), KafkaUnavailable)


@pytest.mark.parametrize(
    "failure",
    [NewerMessage("ssi.ticks", 2, 1), TooManyDeadLetters("pipeline prices", 200, 200, "messages", "junk", commits=True)],
)
def test_what_a_person_has_to_see_to_is_passed_on(settings: PipelineSettings, failure: Halt) -> None:
    assert in_our_words(failure, "prices", settings) is failure


def test_what_nobody_foresaw_stays_as_it_is(settings: PipelineSettings) -> None:
    for failure in (ZeroDivisionError("x"), KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))):
        assert in_our_words(failure, "prices", settings) is failure
