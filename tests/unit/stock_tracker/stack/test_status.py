"""What ``stock-tracker status`` makes of what the parts say."""

import io
import re
from pathlib import Path

from pydantic import BaseModel
from rich.console import Console

from stock_tracker.stack.core.condition import DayCondition, FeedCondition, PartCondition, StackCondition
from stock_tracker.stack.core.day_figures import day_of, rows_of
from stock_tracker.stack.overview_table import page

PAGE = (Path(__file__).parents[4] / "docs" / "status.md").read_text()


def a_price(day: int, **figures: int) -> dict[str, object]:
    return {"day": day, "prints": 0, "gaps": 0, "missed_volume": 0, "repeats": 0, **figures}


def test_the_day_is_the_newest_and_the_rows_of_others_count_nothing() -> None:
    prices = [a_price(20261126, gaps=9), a_price(20261127, gaps=1, missed_volume=300), a_price(20261127, gaps=2, prints=5)]
    foreign: list[dict[str, object]] = [
        {"day": 20261127, "suspects": 2, "unresolved": 1, "stale": 4},
        {"day": 20261127, "suspects": None, "unresolved": None, "stale": None},  # a sector
    ]
    day = day_of(prices, foreign)
    assert day == DayCondition(day=20261127, symbols=2, prints=5, gaps=3, missed_volume=300, suspects=2, unresolved=1, repeats=4)


def test_before_there_is_a_row_there_is_no_day() -> None:
    assert day_of([], []) is None


def test_a_snapshot_s_rows_have_the_names_of_its_columns() -> None:
    assert rows_of({"cols": ["symbol", "day"], "rows": [["VNM", 1]]}) == [{"symbol": "VNM", "day": 1}]


def test_the_page_names_every_figure_and_no_other() -> None:
    def names(model: type[BaseModel]) -> set[str]:
        return set(model.model_fields)

    table = PAGE.partition("| in JSON |")[2]
    told = set(re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))))
    told |= set(re.findall(r"`(?:parts\[\]|feeds\[\]|day)\.([a-z_]+)`", table))
    every = names(StackCondition) | names(PartCondition) | names(FeedCondition) | names(DayCondition)
    assert told == every - {"parts", "feeds", "day"} | {"day"}


def test_what_nobody_could_say_is_a_dash_and_what_is_wrong_is_said_in_full() -> None:
    part = PartCondition(
        name="prices", pid=None, ready=False, reason="no Kafka broker answers: start one", metrics=None, restarts=3,
        memory_bytes=None, lag_messages=None, lag_seconds=None, age_seconds=12.5,
    )  # fmt: skip
    stack = StackCondition(
        home="/h", simulated=True, pid=1, urls={}, ready=False, parts=[part], feeds=[], day=None, dead_letters=None
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(page(stack))
    text = console.export_text()
    assert "prices: no Kafka broker answers: start one" in text
    assert re.search(r"prices +│ +– │ not ready │ +– │ +– │ +12\.5 s │ +3 │ +– │", text)
