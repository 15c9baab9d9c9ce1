from connectors.ssi.core.errors import ClockUnavailable
from connectors.ssi.core.health import MAX_REJECTED_IN_A_ROW, FeedState, what_is_wrong
from schemas.errors import KafkaUnavailable

CLOCK = ClockUnavailable("http://127.0.0.1:8181/sim/clock", "HTTP 404")
KAFKA = KafkaUnavailable("127.0.0.1:9092", "Connection refused")


def wrong(
    state: FeedState = "up",
    reason: str = "",
    clock: ClockUnavailable | None = None,
    rejected: int = 0,
    kafka: KafkaUnavailable | None = None,
) -> str:
    return what_is_wrong(state, reason, clock=clock, rejected_in_a_row=rejected, kafka=kafka, waiting=12)


def test_nothing_is_wrong_with_a_feed_that_is_up() -> None:
    assert wrong() == ""
    assert wrong(rejected=MAX_REJECTED_IN_A_ROW - 1) == ""


def test_a_feed_that_is_not_up_says_why() -> None:
    assert wrong("down", "the connection broke") == "the connection broke"


def test_a_clock_that_does_not_answer_is_told_with_its_remedy() -> None:
    assert "SSI_CLOCK" in wrong(clock=CLOCK)


def test_a_feed_of_which_nothing_can_be_used_is_told_although_it_is_up() -> None:
    assert wrong(rejected=MAX_REJECTED_IN_A_ROW).startswith("the last 1000 records could not be decoded")


def test_of_several_troubles_the_one_nearest_to_kafka_is_told() -> None:
    assert wrong("down", "the connection broke", clock=CLOCK) == str(CLOCK)
    assert "ssi.dlq" in wrong("down", "the connection broke", clock=CLOCK, rejected=5_000)
    assert wrong("down", "the connection broke", clock=CLOCK, rejected=5_000, kafka=KAFKA) == f"{KAFKA}; 12 records wait"
