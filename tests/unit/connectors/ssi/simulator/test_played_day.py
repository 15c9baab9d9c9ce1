"""A day on disk is the day that was made; it is kept only when it is whole, and found again only for what it is."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from connectors.ssi.simulator import played_day
from connectors.ssi.simulator.core.blocks import DayBlock
from connectors.ssi.simulator.core.market import MarketDay, MarketSize
from connectors.ssi.simulator.core.universe import FEWEST_SYMBOLS
from connectors.ssi.simulator.played_day import KEPT_DAYS, PlayedDay
from schemas.units import TradingDay
from tests.patience import PATIENCE_S


@pytest.fixture(autouse=True)
def _made(blocks: list[DayBlock], monkeypatch: pytest.MonkeyPatch) -> None:
    """The day was made before these tests."""

    def made_before(_: MarketDay) -> Iterator[DayBlock]:
        return iter(blocks)

    monkeypatch.setattr(played_day, "blocks_of", made_before)


def all_of(day: PlayedDay) -> list[DayBlock]:
    found: list[DayBlock] = []
    while (block := day.block(len(found))) is not None:
        found.append(block)
    return found


def refuse_to_make(market: MarketDay) -> None:
    raise AssertionError("this day was kept and need not be made")


def test_a_day_that_is_made_while_it_is_played_is_the_same_at_every_reading(small: MarketDay, blocks: list[DayBlock]) -> None:
    day = PlayedDay(small)
    assert [day.block(0), day.block(2), day.block(1)] == [blocks[0], blocks[2], blocks[1]]
    assert all_of(day) == blocks
    assert day.is_whole
    assert day.block(len(blocks)) is None
    day.close()


def test_the_facts_of_a_day_can_be_read_as_far_as_it_was_made(small: MarketDay, blocks: list[DayBlock]) -> None:
    day = PlayedDay(small)
    assert list(day.facts()) == []
    day.block(3)
    facts = list(day.facts())
    assert [places for places, _ in facts] == [block.fact_places for block in blocks[:4]]
    assert all(len(places) == len(lines) for places, lines in facts)
    assert b"\n".join(line for _, lines in facts for line in lines) == b"\n".join(b.facts for b in blocks[:4] if b.facts)
    day.close()


def test_a_whole_day_is_kept_and_not_made_again(
    small: MarketDay, blocks: list[DayBlock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = PlayedDay(small, tmp_path, keep=True)
    made.make_whole()
    made.close()
    monkeypatch.setattr(played_day, "blocks_of", refuse_to_make)
    for keep in (True, False):
        kept = PlayedDay(small, tmp_path, keep=keep)
        assert kept.is_whole
        assert all_of(kept) == blocks
        kept.close()


def test_a_day_that_is_not_whole_is_not_kept(small: MarketDay, tmp_path: Path) -> None:
    day = PlayedDay(small, tmp_path, keep=True)
    day.block(1)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    day.close()
    assert list(tmp_path.iterdir()) == []


def test_a_day_that_is_let_go_while_it_is_made_writes_no_more(
    small: MarketDay, blocks: list[DayBlock], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file descriptor may be another file's by then."""
    is_making, go_on = Event(), Event()

    def slowly(_: MarketDay) -> Iterator[DayBlock]:
        yield blocks[0]
        is_making.set()
        assert go_on.wait(PATIENCE_S)
        yield from blocks[1:]

    monkeypatch.setattr(played_day, "blocks_of", slowly)
    day = PlayedDay(small, tmp_path, keep=True)
    with ThreadPoolExecutor() as pool:
        making = pool.submit(day.make_whole)
        assert is_making.wait(PATIENCE_S)
        closing = pool.submit(day.close)
        go_on.set()
        making.result()
        closing.result()
    assert day.blocks < len(blocks)
    assert day.block(0) is None
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_kept_unless_somebody_asks(small: MarketDay, tmp_path: Path) -> None:
    day = PlayedDay(small, tmp_path)
    day.make_whole()
    day.close()
    assert list(tmp_path.iterdir()) == []


def test_another_seed_size_or_generator_is_another_day(small: MarketDay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    day = PlayedDay(small, tmp_path, keep=True)
    day.make_whole()
    day.close()
    others = [
        replace(small, seed=8),
        replace(small, day=TradingDay(20261120)),
        replace(small, size=MarketSize.of(0.02, FEWEST_SYMBOLS, "own")),
        replace(small, size=MarketSize.of(0.01, FEWEST_SYMBOLS + 1, "own")),
        replace(small, size=MarketSize.of(0.01, FEWEST_SYMBOLS, "shared")),
    ]
    for other in others:
        found = PlayedDay(other, tmp_path)
        assert not found.is_whole
        found.close()
    monkeypatch.setattr(played_day, "_code", lambda: "changed")
    changed = PlayedDay(small, tmp_path)
    assert not changed.is_whole
    changed.close()


@pytest.mark.parametrize("left", [0, 1, 10, 1_000, -1])
def test_a_file_that_was_cut_short_is_made_anew(small: MarketDay, blocks: list[DayBlock], tmp_path: Path, left: int) -> None:
    day = PlayedDay(small, tmp_path, keep=True)
    day.make_whole()
    day.close()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:left])
    again = PlayedDay(small, tmp_path, keep=True)
    assert not again.is_whole
    again.make_whole()
    again.close()
    assert path.read_bytes() == whole


def test_few_days_are_kept_those_that_were_played_last(small: MarketDay, tmp_path: Path) -> None:
    for number in range(KEPT_DAYS + 2):
        other = tmp_path / f"other{number}.day"
        other.write_bytes(b"")
        os.utime(other, (number, number))
    (tmp_path / "left.999999999.part").write_bytes(b"of a process that has ended")
    (tmp_path / f"mine.{os.getpid()}.part").write_bytes(b"of one that runs")
    day = PlayedDay(small, tmp_path, keep=True)
    day.make_whole()
    day.close()
    kept = {path.name for path in tmp_path.iterdir()}
    assert {f"other{number}.day" for number in range(3, KEPT_DAYS + 2)} | {f"mine.{os.getpid()}.part"} < kept
    assert len(kept) == KEPT_DAYS + 1
