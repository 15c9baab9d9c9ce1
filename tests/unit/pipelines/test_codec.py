from collections import Counter
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.codec import Cells, Codec, DayState, Stored
from pipelines.core.errors import StateGarbled, StateNewer, StateOutdated, StateUnreadable
from schemas.errors import Halt

TODAY = 20261120
YESTERDAY = 20261119


class Purse(Stored):
    VERSION: ClassVar[int] = 3
    DAY_AT: ClassVar[int | None] = 1

    owner: str
    day: int = TODAY
    coins: int = 0


class Lid(Stored):
    """Belongs to a purse, and does not say itself of which day it is."""

    VERSION: ClassVar[int] = 2

    open: bool = False


def in_pairs(fields: list[Any]) -> list[Any]:
    """Version 1 counted pairs of coins."""
    return [*fields[:2], *(pairs * 2 for pairs in fields[2:])]


def with_a_title(fields: list[Any]) -> list[Any]:
    """Version 2 had the owner's name alone."""
    return [f"Mr {fields[0]}", *fields[1:]]


PURSES = Codec(Purse)
UPGRADING = Codec(Purse, upgrades={1: in_pairs, 2: with_a_title})
LIDS = Codec(Lid)


def stored(version: int, *fields: Any) -> bytes:
    """A value as a release with that version of its kind left it."""
    return bytes((version,)) + msgspec.msgpack.encode(fields)


def on(day: int, cells: dict[bytes, bytes], *, forced: bool = False) -> tuple[DayState, Counter[str]]:
    counts: Counter[str] = Counter()
    return DayState(cells, lambda: day, counts, forced=forced), counts


@given(owner=st.text(), coins=st.integers(min_value=-(2**63), max_value=2**64 - 1))
def test_a_value_survives_its_bytes(owner: str, coins: int) -> None:
    assert PURSES.decode(PURSES.encode(Purse(owner, TODAY, coins))) == Purse(owner, TODAY, coins)


def test_fields_that_were_added_at_the_end_read_as_their_defaults() -> None:
    assert PURSES.decode(stored(3, "an", TODAY)) == Purse("an", TODAY, 0)


def test_fields_that_a_newer_release_added_at_the_end_are_no_trouble() -> None:
    assert PURSES.decode(stored(3, "an", TODAY, 5, "of silk")) == Purse("an", TODAY, 5)


@given(coins=st.integers(min_value=0, max_value=2**62))
def test_a_value_of_an_earlier_version_goes_through_every_upgrade_since(coins: int) -> None:
    assert UPGRADING.decode(stored(1, "an", YESTERDAY, coins)) == Purse("Mr an", YESTERDAY, 2 * coins)
    assert UPGRADING.decode(stored(2, "an", YESTERDAY, coins)) == Purse("Mr an", YESTERDAY, coins)
    assert UPGRADING.decode(stored(3, "an", YESTERDAY, coins)) == Purse("an", YESTERDAY, coins)


def test_an_upgraded_value_is_stored_in_the_new_layout() -> None:
    cells = {b"c:an": stored(2, "an", TODAY, 1)}
    state, _ = on(TODAY, cells)
    purses = Cells(state, UPGRADING, prefix=b"c:")
    purse = purses.get("an")
    assert purse is not None
    purse.coins += 1
    purses.store()
    state.flush()
    assert cells == {b"c:an": UPGRADING.encode(Purse("Mr an", TODAY, 2))}


def test_upgrades_with_a_gap_are_refused() -> None:
    for upgrades in ({1: in_pairs}, {2: with_a_title, 3: with_a_title}):
        with pytest.raises(ValueError, match="do not lead to version 3 without a gap"):
            Codec(Purse, upgrades=upgrades)


def test_an_older_value_of_today_that_no_upgrade_reads_stops_with_a_remedy() -> None:
    state, _ = on(TODAY, {b"an": stored(2, "an", TODAY, 1)})
    with pytest.raises(
        StateOutdated, match=r"earlier release .* Purse has version 2, this release reads 3.*finish the trading day"
    ):
        state.load(PURSES, b"an")


def test_a_newer_value_of_today_stops_with_a_remedy() -> None:
    state, _ = on(TODAY, {b"an": stored(4, "an", TODAY, 1)})
    with pytest.raises(StateNewer, match=r"newer release .* Purse has version 4, this release reads 3.*Run the newer one"):
        state.load(PURSES, b"an")


@pytest.mark.parametrize("error", [StateOutdated, StateNewer])
def test_starting_again_does_not_help_against_either(error: type[Exception]) -> None:
    assert issubclass(error, StateUnreadable)
    assert issubclass(error, Halt)


@pytest.mark.parametrize("version", [1, 2, 4, 127])
@pytest.mark.parametrize("junk", [(), (1,), ("?", ["?"], None)])
def test_a_value_of_an_earlier_day_that_cannot_be_read_is_as_none_and_counted(version: int, junk: tuple[Any, ...]) -> None:
    state, counts = on(TODAY, {b"an": stored(version, "?", YESTERDAY, *junk)})
    assert state.load(PURSES, b"an") is None
    assert counts == {"unreadable_earlier": 1}


def test_a_day_that_the_shard_has_reached_is_today_whatever_a_late_message_says() -> None:
    state, _ = on(YESTERDAY, {b"an": stored(4, "an", YESTERDAY)})
    with pytest.raises(StateNewer):
        state.load(PURSES, b"an")
    state.reached = TODAY
    assert state.load(PURSES, b"an") is None


@pytest.mark.parametrize("fields", [(), ("an",), ("an", "yesterday"), ("an", None)])
def test_a_value_that_says_no_day_is_taken_for_todays(fields: tuple[Any, ...]) -> None:
    state, _ = on(TODAY, {b"an": stored(4, *fields)})
    with pytest.raises(StateNewer):
        state.load(PURSES, b"an")


def test_a_kind_without_a_day_is_of_the_day_of_what_it_belongs_to() -> None:
    state, counts = on(TODAY, {b"lid": stored(1, "ajar")})
    assert state.load(LIDS, b"lid", YESTERDAY) is None
    assert state.load(LIDS, b"lid") is None
    assert counts == {"unreadable_earlier": 2}
    with pytest.raises(StateOutdated):
        state.load(LIDS, b"lid", TODAY)


@pytest.mark.parametrize("version", [2, 4])
def test_a_forced_start_passes_over_todays_values_too_and_counts_them(version: int) -> None:
    state, counts = on(TODAY, {b"an": stored(version, "an", TODAY)}, forced=True)
    assert state.load(PURSES, b"an") is None
    assert counts == {"unreadable_today": 1}


def upset(fields: list[Any]) -> list[Any]:
    raise {"key": KeyError, "place": IndexError, "kind": TypeError, "sum": ZeroDivisionError, "name": AttributeError}[fields[0]]


MISFITS = [
    pytest.param(PURSES, stored(3, 7, YESTERDAY), id="another type"),
    pytest.param(UPGRADING, stored(1, "An", YESTERDAY, "many"), id="what no upgrade expects"),
    *(
        pytest.param(Codec(Purse, upgrades={2: upset}), stored(2, what, YESTERDAY), id=f"an upgrade that meets a wrong {what}")
        for what in ("key", "place", "kind", "sum", "name")
    ),
]
DAMAGED = [
    b"",
    b"\3",
    stored(3, "An", TODAY)[:-1],
    b"\3\xc1",
    b"\3\xc0",
    b"\3\x80",
    b"\0",
    b"\x7f\xc1",
    b"\xff",
    stored(2, "An")[:-1],
]


@pytest.mark.parametrize(("codec", "data"), MISFITS)
def test_a_value_of_an_earlier_day_that_is_not_what_its_version_says_is_as_none(codec: Codec[Purse], data: bytes) -> None:
    state, counts = on(TODAY, {b"purse": data})
    assert state.load(codec, b"purse") is None
    assert counts == {"unreadable_earlier": 1}


@pytest.mark.parametrize(("codec", "data"), MISFITS)
def test_a_value_of_today_that_is_not_what_its_version_says_stops_with_a_remedy(codec: Codec[Purse], data: bytes) -> None:
    state, _ = on(YESTERDAY, {b"purse": data})
    with pytest.raises(StateGarbled, match=r"Purse is not what version . says .*PIPELINE_FORCE_TERMS=1"):
        state.load(codec, b"purse")


@pytest.mark.parametrize("codec", [PURSES, UPGRADING], ids=["without upgrades", "with upgrades"])
@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_value_is_taken_for_todays_and_can_be_passed_over(codec: Codec[Purse], data: bytes) -> None:
    with pytest.raises(StateUnreadable):
        on(TODAY, {b"purse": data})[0].load(codec, b"purse")
    forced, counts = on(TODAY, {b"purse": data}, forced=True)
    assert forced.load(codec, b"purse") is None
    assert counts == {"unreadable_today": 1}


def test_what_can_be_read_is_read_on_any_day() -> None:
    state, counts = on(TODAY, {b"an": PURSES.encode(Purse("an", YESTERDAY, 1))}, forced=True)
    assert state.load(PURSES, b"an") == Purse("an", YESTERDAY, 1)
    assert state.load(PURSES, b"ba") is None
    assert not counts


def test_bytes_never_begin_like_a_time_stamp() -> None:
    # Quix reads eight bytes in front that are a plausible time in milliseconds as a time to live.
    in_the_year_3000_ms = 32_503_680_000_000
    assert int.from_bytes(PURSES.encode(Purse("an", 0, 2**60))[:8], "big") > in_the_year_3000_ms


def test_cells_load_once_and_store_what_was_used_in_the_order_of_use() -> None:
    state, _ = on(TODAY, {b"c:an": PURSES.encode(Purse("an", TODAY, 1)), b"c:ba": PURSES.encode(Purse("ba", TODAY, 1))})
    cells = Cells(state, PURSES, prefix=b"c:")

    first, second = cells.get("an"), cells.get("an")
    assert first is second
    assert first is not None
    first.coins += 1
    cells.put("chi", Purse("chi", TODAY, 5))
    assert cells.get("nobody") is None
    cells.store()
    state.flush()

    assert [name for name, _ in cells] == ["an", "chi"]
    assert state.load(PURSES, b"c:an") == Purse("an", TODAY, 2)
    assert state.load(PURSES, b"c:ba") == Purse("ba", TODAY, 1)
    assert state.load(PURSES, b"c:chi") == Purse("chi", TODAY, 5)
