"""The header that ties the spans of a trace together, as clients of Kafka hand it out."""

import pytest

from schemas.tracing import parent_in

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", PARENT)],
        [("traceparent", PARENT.encode())],
        (("feed", b"a"), ("traceparent", PARENT.encode())),
    ],
)
def test_a_message_with_the_header_has_a_trace(headers: object) -> None:
    assert parent_in(headers) == PARENT


@pytest.mark.parametrize(
    "headers",
    [None, [], [("feed", b"a")], [("traceparent", None)], [("traceparent", b"\xff")], [("traceparent", "junk")], 7, [7]],
)
def test_anything_else_has_none(headers: object) -> None:
    assert parent_in(headers) is None
