"""``stock-tracker alerts`` as a user runs it, and how a report reads."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.core.rules import load_rules
from schemas.position import Position
from schemas.structs import TradesFrame
from schemas.units import TradingDay
from stock_tracker import backtests, cli
from stock_tracker.errors import NothingOfTheDay, RulesRefused
from tests.builders import DAY, a_trade_event

OURS = Path(__file__).parents[3] / "pipelines" / "alerts.toml"
LARGE = """
[[rule]]
name = "large"
kind = "large_print"
severity = "info"
exchanges = ["HOSE"]
min_value_vnd = 1_000_000_000
cooldown_s = 60
"""


def test_a_file_that_can_be_used_is_listed_with_what_each_rule_reads_and_watches() -> None:
    shown = CliRunner().invoke(cli.build(), ["alerts", "check", str(OURS)])
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == f"{OURS} has {len(lines) - 1} rules, and all of them can be used"
    assert [line.split() for line in lines if "price-limit" in line] == [
        ["price-limit", "price_limit", "critical", "market.trades", "everything"]
    ]


def test_all_that_is_wrong_is_told_with_the_file_the_rule_the_key_and_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(LARGE.replace("cooldown_s = 60", "cooldown_m = 1"))
    shown = CliRunner().invoke(cli.build(), ["alerts", "check", str(file)])
    assert isinstance(shown.exception, RulesRefused)
    said = cli.report(shown.exception)
    assert f"the alert rules in {file} cannot be used:" in said
    assert 'rule "large": key cooldown_s is missing; write cooldown_s = …' in said
    assert 'rule "large": key cooldown_m is unknown; a rule of this kind has ' in said
    assert f"What to do: Mend them, then: stock-tracker alerts check {file}" in said


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    shown = CliRunner().invoke(cli.build(), ["alerts", "check", str(tmp_path / "none.toml")])
    assert isinstance(shown.exception, RulesRefused)
    assert "No such file" in str(shown.exception)


def test_a_day_that_is_no_date_is_a_wrong_command_line() -> None:
    shown = CliRunner().invoke(cli.build(), ["alerts", "backtest", str(OURS), "--day", "20261399"])
    assert shown.exit_code == 2


def test_a_report_is_a_table() -> None:
    frames = [
        (
            Position("market.trades", 0, offset),
            TradesFrame(events=[a_trade_event("VNM", ts, volume=20_000, total=total, price=price)]),
        )
        for offset, (ts, total, price) in enumerate([("10:00:00", 20_000, 60_000), ("10:01:00", 40_000, 60_600)])
    ]
    report = backtests.run(load_rules(LARGE), DAY, frames)
    assert list(backtests.table(report)) == [
        "20261120: 2 events, 2 alerts",
        "rule                     direction   fired  symbols           after 1 min           after 5 min          after 15 min",
        "large                    buy             2        1         +1.00%  1 / 0                     -                     -",
        "After an alert: mean change of the price, and at how many of them it rose / fell.",
    ]


def test_a_day_without_events_is_told_with_the_remedy() -> None:
    with pytest.raises(NothingOfTheDay, match="there is no event of 20261119"):
        backtests.run(load_rules(LARGE), TradingDay(20261119), [])
