from connectors.ssi.core.errors import ClockSetBack, ClockUnavailable
from connectors.ssi.core.health import FeedState, what_is_wrong
from schemas.errors import KafkaUnavailable

CLOCK = ClockUnavailable("http://127.0.0.1:8181/sim/clock", "HTTP 404")
KAFKA = KafkaUnavailable("127.0.0.1:9092", "Connection refused")


def wrong(
    state: FeedState = "up",
    reason: str = "",
    clock: ClockUnavailable | ClockSetBack | None = None,
    undecodable: str = "",
    kafka: KafkaUnavailable | None = None,
    key: str = "",
    reference: str = "",
) -> str:
    return what_is_wrong(
        state, reason, clock=clock, undecodable=undecodable, kafka=kafka, waiting=12, key=key, reference=reference
    )


def test_nothing_is_wrong_with_a_feed_that_is_up() -> None:
    assert wrong() == ""


def test_a_feed_that_is_not_up_says_why() -> None:
    assert wrong("down", "the connection broke") == "the connection broke"


def test_a_clock_that_does_not_answer_is_told_with_its_remedy() -> None:
    assert "SSI_CLOCK" in wrong(clock=CLOCK)
    assert "NTP" in wrong(clock=ClockSetBack(3600.0))


def test_a_feed_that_cannot_be_used_is_told_although_it_is_up() -> None:
    assert wrong(undecodable="half of it is nonsense") == "half of it is nonsense"


def test_a_new_key_that_is_refused_is_told_although_the_feed_is_up() -> None:
    assert wrong(key="SSI refuses the new key") == "SSI refuses the new key"
    assert wrong("down", "the connection broke", key="SSI refuses the new key") == "the connection broke"


def test_incomplete_reference_data_is_told_although_the_feed_is_up() -> None:
    assert wrong(reference="no members of VN30") == "no members of VN30"
    assert wrong("down", "the connection broke", reference="no members of VN30") == "the connection broke"


def test_of_several_troubles_the_one_nearest_to_kafka_is_told() -> None:
    assert wrong("down", "the connection broke", clock=CLOCK) == str(CLOCK)
    assert wrong("down", "the connection broke", clock=CLOCK, undecodable="nonsense") == "nonsense"
    assert wrong("down", "the connection broke", clock=CLOCK, undecodable="nonsense", kafka=KAFKA) == f"{KAFKA}; 12 records wait"
