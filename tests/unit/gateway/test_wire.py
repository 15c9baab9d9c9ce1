import json
from typing import Any, get_args

from hypothesis import given
from hypothesis import strategies as st

from gateway.core import wire
from gateway.core.channels import CHANNELS
from schemas.stock_v1 import ChannelName


def test_the_channels_are_those_of_the_protocol() -> None:
    assert tuple(CHANNELS) == get_args(ChannelName)


def test_a_delta_of_many_rows_is_cut_into_messages_of_at_most_64_kib() -> None:
    rows = [json.dumps([f"S{number}", "x" * 600]).encode() for number in range(300)]
    bodies = wire.Deltas("px", "c", 0, conflated=False).of(rows)
    assert all(len(wire.numbered(1_000_000, body)) <= 64 * 1024 for body in bodies)
    assert [b'"cursor"' in body for body in bodies] == [False] * (len(bodies) - 1) + [True]
    assert sum(len(json.loads(wire.numbered(1, body))["rows"]) for body in bodies) == 300


def test_no_rows_are_no_delta() -> None:
    assert wire.Deltas("px", "c", 0, conflated=True).of([]) == []


@given(st.lists(st.integers(0, 4_000)))
def test_pages_hold_every_row_once_and_in_order(sizes: list[int]) -> None:
    rows = [b"x" * size for size in sizes]
    left = iter(rows)
    pages: list[Any] = []
    while page := wire.take_page(left):
        assert sum(map(len, page)) + len(page) <= wire.PAGE_BYTES
        pages += page
    assert pages == rows
