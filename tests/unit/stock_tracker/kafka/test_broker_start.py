from stock_tracker.kafka.broker import LONGEST_START_S, START_S, StartLimit


def test_a_broker_that_still_writes_its_log_is_let_be_however_slow_it_is() -> None:
    limit = StartLimit(0.0)
    assert not limit.over(START_S - 1, 100)
    assert not limit.over(START_S + 10, 200)
    assert not limit.over(2 * START_S + 10, 200)
    assert limit.over(2 * START_S + 11, 200)


def test_a_broker_that_only_writes_is_given_up_in_the_end() -> None:
    limit = StartLimit(0.0)
    assert not any(limit.over(float(second), second) for second in range(int(LONGEST_START_S) + 1))
    assert limit.over(LONGEST_START_S + 1, 0)
