"""What a load consists of, and when it was borne."""

import pytest
from typer.testing import CliRunner

from stock_tracker import cli
from stock_tracker.bench.clients import ClientsReport
from stock_tracker.bench.core.verdict import Promise, sentences
from stock_tracker.bench.load import AFTER_S, BEFORE_S, BURST, QUIET, LoadReport, play_of


def test_a_burst_comes_twice_and_the_market_is_quiet_around_it() -> None:
    play = play_of("burst", 60)
    assert [stretch.rate for stretch in play.paced] == [QUIET, BURST, QUIET, QUIET, BURST, QUIET]
    one = BEFORE_S + 60 + AFTER_S
    assert play.bursts == ((BEFORE_S, BEFORE_S + 60), (one + BEFORE_S, one + BEFORE_S + 60))
    assert play.seconds == 2 * one


@pytest.mark.parametrize(
    ("scenario", "doing", "channel"),
    [("market-stream", "stream", "px"), ("foreign-flow", "rest", "flow"), ("reconnect-storm", "storm", "px")],
)
def test_other_loads_are_steady(scenario: str, doing: str, channel: str) -> None:
    play = play_of(scenario, 30)  # type: ignore[arg-type] # the names are those of the type
    assert (play.doing, play.channel, play.seconds) == (doing, channel, BEFORE_S + 30)


def test_one_broken_promise_is_enough() -> None:
    kept, broken = Promise("errors", 0, 0.1, "%"), Promise("holes", 1, 0, "messages")
    assert LoadReport("burst", ClientsReport(), [kept]).is_borne
    assert not LoadReport("burst", ClientsReport(), [kept, broken]).is_borne
    assert [line.split()[0] for line in sentences([kept, broken])] == ["ok", "BROKEN"]


def test_a_scenario_that_is_none_is_a_wrong_command_line() -> None:
    assert CliRunner().invoke(cli.build(), ["bench", "load", "earthquake"]).exit_code == 2
