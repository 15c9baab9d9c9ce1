from typing import Any

from gateway.core import cursor
from gateway.core.channels import CHANNELS
from gateway.core.events import Recent

KEPT = CHANNELS["alert"].kept or 0


def offsets(recent: Recent) -> Any:
    return cursor.read(recent.cursor(), recent.stream)


def test_what_is_older_than_the_kept_ones_is_said_to_be_missing(recent: Recent, alerts: Any) -> None:
    start = offsets(recent)
    for number in range(KEPT):
        recent.add(alerts(number, offset=number)[0])
    assert recent.since(start)[1] is True
    recent.add(alerts(KEPT, offset=KEPT)[0])
    missed, whole = recent.since(start)
    assert (len(missed), whole) == (KEPT, False)
    assert recent.since(offsets(recent)) == ([], True)


def test_alerts_before_the_first_offset_read_are_missing_too(alerts: Any) -> None:
    recent = Recent("alert")
    recent.begin("0123abcd", {0: 50})
    recent.settle()
    assert recent.since({0: (49 << 16) - 1})[1] is False
    assert recent.since({0: (50 << 16) - 1})[1] is True


def test_what_was_read_partition_by_partition_is_put_into_the_order_of_time(alerts: Any) -> None:
    recent = Recent("alert")
    recent.begin("0123abcd", {0: 0, 1: 0})
    for alert in (*alerts(1, 4, offset=0), *alerts(2, 3, offset=0, partition=1)):
        recent.add(alert)
    recent.settle()
    assert [alert.ts_ms for alert in recent.since(None)[0]] == [1, 2, 3, 4]
