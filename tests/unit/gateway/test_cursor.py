import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import cursor
from gateway.core.errors import BadCursor

STREAM = "0123abcd"


@given(st.dictionaries(st.integers(0, 999_999), st.integers(0, 2**60)))
def test_a_cursor_says_what_was_written(offsets: dict[int, int]) -> None:
    assert cursor.read(cursor.write(STREAM, offsets), STREAM) == offsets


def test_a_cursor_of_another_stream_says_nothing() -> None:
    assert cursor.read("ffffffff.0:1", STREAM) is None


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    try:
        offsets = cursor.read(text, STREAM)
    except BadCursor:
        return
    assert offsets is None or cursor.read(cursor.write(STREAM, offsets), STREAM) == offsets


@pytest.mark.parametrize(
    "text", ["", "0123abcd", "0123abcd.0", "0123abcd.0:1,", "0123abcd.0:-1", "0123ABCD.0:1", "0123abcd.0:1\n"]
)
def test_a_near_miss_is_refused(text: str) -> None:
    with pytest.raises(BadCursor, match="subscribe without it"):
        cursor.read(text, STREAM)
