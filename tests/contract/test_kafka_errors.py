"""The error codes in `schemas` are those of the Kafka client that the services use, and each service hears the same in them."""

import pytest
from confluent_kafka import KafkaError

from schemas.kafka_errors import KafkaCode, is_away, is_cluster_down, is_fenced, is_rebalancing, is_transaction_lost


@pytest.mark.parametrize("code", KafkaCode, ids=lambda code: code.name)
def test_a_code_has_the_number_that_the_client_gives_it(code: KafkaCode) -> None:
    assert getattr(KafkaError, code.name) == code


def test_a_code_means_one_thing() -> None:
    for code in set(KafkaCode) - {KafkaCode._FATAL}:
        meanings = [is_away(code), is_rebalancing(code), is_fenced(code, ""), is_transaction_lost(code)]
        assert meanings.count(True) == 1, code.name


def test_only_all_brokers_at_once_are_a_cluster_that_is_down() -> None:
    assert [code for code in KafkaCode if is_cluster_down(code)] == [KafkaError._ALL_BROKERS_DOWN]


def test_a_fatal_error_is_a_fenced_instance_only_if_its_text_says_so() -> None:
    fenced = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
    assert is_fenced(KafkaError._FATAL, f"Fatal error: {fenced}")
    assert not is_fenced(KafkaError._FATAL, "Fatal error: Local: Inconsistent state")


def test_what_the_client_says_of_other_things_is_none_of_these() -> None:
    for code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._PARTITION_EOF, KafkaError.TOPIC_AUTHORIZATION_FAILED):
        assert not any([is_away(code), is_cluster_down(code), is_rebalancing(code), is_fenced(code, KafkaError(code).str())])
