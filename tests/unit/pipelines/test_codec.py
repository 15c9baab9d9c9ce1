from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.codec import Cells, Codec, Stored
from pipelines.core.errors import StateOutdated


class Purse(Stored):
    VERSION: ClassVar[int] = 3

    owner: str
    coins: int = 0


class LaterPurse(Stored):
    VERSION: ClassVar[int] = 4

    owner: str


PURSES = Codec(Purse)


@given(owner=st.text(), coins=st.integers(min_value=-(2**63), max_value=2**64 - 1))
def test_a_value_survives_its_bytes(owner: str, coins: int) -> None:
    assert PURSES.decode(PURSES.encode(Purse(owner, coins))) == Purse(owner, coins)


def test_a_value_of_another_version_is_refused_with_the_remedy() -> None:
    with pytest.raises(StateOutdated, match=r"Purse has version 4, this code reads 3: .*replay the record topics"):
        PURSES.decode(Codec(LaterPurse).encode(LaterPurse("an")))


def test_fields_that_were_added_at_the_end_read_as_their_defaults() -> None:
    assert PURSES.decode(b"\x03\x91\xa2an") == Purse("an", 0)


def test_bytes_never_begin_like_a_time_stamp() -> None:
    # Quix reads eight bytes in front that are a plausible time in milliseconds as a time to live.
    in_the_year_3000_ms = 32_503_680_000_000
    assert int.from_bytes(PURSES.encode(Purse("an", 2**60))[:8], "big") > in_the_year_3000_ms


def test_cells_load_once_and_store_what_was_used_in_the_order_of_use() -> None:
    state: dict[bytes, bytes] = {}
    PURSES.store(state, b"c:an", Purse("an", 1))
    PURSES.store(state, b"c:ba", Purse("ba", 1))
    cells = Cells(state, PURSES, prefix=b"c:")

    first, second = cells.get("an"), cells.get("an")
    assert first is second
    assert first is not None
    first.coins += 1
    cells.put("chi", Purse("chi", 5))
    assert cells.get("nobody") is None
    cells.store()

    assert [name for name, _ in cells] == ["an", "chi"]
    assert PURSES.load(state, b"c:an") == Purse("an", 2)
    assert PURSES.load(state, b"c:ba") == Purse("ba", 1)
    assert PURSES.load(state, b"c:chi") == Purse("chi", 5)
