"""Every alert rule fires on the situation it is for; it is silent when all is well, at lunch, after the close and on holidays.

promtool plays each situation through the rules, which takes no time: minutes there are numbers.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.make_metrics import exported
from tests.make_session_rules import RULES as SESSION
from tests.make_session_rules import rules as session_rules

ROOT = Path(__file__).parents[2]
RULES = SESSION.with_name("stock-tracker.yml")
RUNBOOK = ROOT / "docs" / "runbook.md"
FIRST_DAY = 1970_01_01
"""promtool begins here, on a Thursday, at seven o'clock in Vietnam."""
ANOTHER_DAY = 1969_12_31
MORNING, LUNCH, CLOSED = "2h30m", "5h", "8h30m"
"""09:30, 12:00 and 15:30 in Vietnam, as time since then."""
ALWAYS = "x600"
"""Steps of a minute: all of the day, and more."""


class Situation(NamedTuple):
    """Series that should make an alert fire."""

    series: dict[str, str]
    in_session: bool = False
    """Whether it is only wrong while the market trades."""


def _suddenly(name: str) -> dict[str, str]:
    """A counter that comes into being in the middle of the morning, lunch and evening, all the same."""
    return {name: "_x147 1x300"}


SITUATIONS: dict[str, tuple[Situation, ...]] = {
    "FeedDown": (
        Situation({"stock_tracker_ssi_up_state": f"0{ALWAYS}"}, in_session=True),
        Situation({"up": f"1{ALWAYS}"}, in_session=True),
    ),
    "FeedSilent": (
        Situation(
            {"stock_tracker_ssi_up_state": f"1{ALWAYS}", 'stock_tracker_ssi_records_total{type="TradeRecord"}': f"7{ALWAYS}"},
            in_session=True,
        ),
    ),
    "FeedLate": (Situation({"stock_tracker_ssi_feed_lag_seconds": f"90{ALWAYS}"}, in_session=True),),
    "FeedReconnects": (Situation({"stock_tracker_ssi_connects_total": "0+1x600"}),),
    "RecordsDropped": (Situation({"stock_tracker_ssi_dropped_records_total": "0+5x600"}),),
    "DeadLettersRising": (
        Situation({'stock_tracker_ssi_dead_letters_total{reason="bad_json"}': "0+5x600"}),
        Situation({'stock_tracker_pipelines_outcomes_total{pipeline="prices",outcome="rejected"}': "0+5x600"}),
    ),
    "ReferenceOld": (Situation({"stock_tracker_ssi_old_reference_lists": f"2{ALWAYS}"}, in_session=True),),
    "VolumeLost": (
        Situation({'stock_tracker_pipelines_outcomes_total{pipeline="prices",outcome="gap_lost"}': "0+1x600"}),
        Situation(_suddenly('stock_tracker_pipelines_outcomes_total{pipeline="prices",outcome="gap_lost"}')),
    ),
    "DataStale": (Situation({'stock_tracker_gateway_data_age_seconds{channel="px"}': f"9{ALWAYS}"}, in_session=True),),
    "PipelineStalled": (
        Situation({'stock_tracker_pipelines_messages_total{pipeline="prices",topic="ssi.ticks"}': f"7{ALWAYS}"}, in_session=True),
    ),
    "PipelineLagging": (
        Situation({'stock_tracker_pipelines_lag_messages{pipeline="prices",topic="ssi.ticks"}': f"9000{ALWAYS}"}),
    ),
    "RecoverySlow": (Situation({'stock_tracker_pipelines_recovery_seconds{pipeline="prices"}': f"300{ALWAYS}"}),),
    "ClockSkew": (
        Situation({'stock_tracker_gateway_clock_skew_seconds{feed="a"}': f"-2{ALWAYS}"}),
        Situation({'stock_tracker_gateway_clock_skew_seconds{feed="a"}': f"3{ALWAYS}"}),
    ),
    "GatewayNotReady": (Situation({"stock_tracker_gateway_ready": f"0{ALWAYS}"}),),
    "GatewayFull": (Situation(_suddenly('stock_tracker_gateway_refused_requests_total{reason="no place"}')),),
    "GatewaySlow": (
        Situation(
            {
                'stock_tracker_gateway_flush_seconds_bucket{throttle_ms="500",le="0.25"}': f"0{ALWAYS}",
                'stock_tracker_gateway_flush_seconds_bucket{throttle_ms="500",le="0.5"}': "0+100x600",
                'stock_tracker_gateway_flush_seconds_bucket{throttle_ms="500",le="+Inf"}': "0+100x600",
            }
        ),
    ),
    "UnreadableMessages": (Situation(_suddenly('stock_tracker_gateway_unreadable_messages_total{topic="state.prices"}')),),
    "ArchiveAway": (Situation({"stock_tracker_sink_clickhouse_up": f"0{ALWAYS}"}),),
    "ArchiveLagging": (Situation({'stock_tracker_sink_lag_messages{topic="market.trades"}': f"50000{ALWAYS}"}),),
    "ArchiveLost": (
        Situation(_suddenly('stock_tracker_sink_expired_messages_total{topic="market.trades"}')),
        Situation(_suddenly('stock_tracker_sink_remade_topics_total{topic="market.trades"}')),
    ),
    "ArchiveRejects": (Situation(_suddenly('stock_tracker_sink_rejected_rows_total{topic="market.trades"}')),),
    "AlertsNotForwarded": (
        Situation({"stock_tracker_forward_receiver_up": f"0{ALWAYS}", "stock_tracker_forward_failed_requests_total": "0+2x600"}),
    ),
    "ProcessDown": (Situation({'up{job="stock-tracker-gateway"}': f"0{ALWAYS}"}),),
    "ProcessRestarts": (Situation({'process_start_time_seconds{job="stock-tracker-sink"}': "0+60x600"}),),
    "MemoryGrows": (Situation({'process_resident_memory_bytes{job="stock-tracker-sink"}': f"3000000000{ALWAYS}"}),),
    "DescriptorsScarce": (
        Situation(
            {
                'process_open_fds{job="stock-tracker-gateway"}': f"900{ALWAYS}",
                'process_max_fds{job="stock-tracker-gateway"}': f"1000{ALWAYS}",
            }
        ),
    ),
}
WELL = {
    "stock_tracker_ssi_up_state": f"1{ALWAYS}",
    'stock_tracker_ssi_records_total{type="TradeRecord"}': "0+500x600",
    "stock_tracker_ssi_feed_lag_seconds": f"2{ALWAYS}",
    "stock_tracker_ssi_connects_total": f"2{ALWAYS}",
    "stock_tracker_ssi_dropped_records_total": f"0{ALWAYS}",
    "stock_tracker_ssi_old_reference_lists": f"0{ALWAYS}",
    'stock_tracker_ssi_dead_letters_total{reason="bad_json"}': f"1{ALWAYS}",
    'stock_tracker_pipelines_outcomes_total{pipeline="prices",outcome="gap_lost"}': f"3{ALWAYS}",
    'stock_tracker_pipelines_messages_total{pipeline="prices",topic="ssi.ticks"}': "0+900x600",
    'stock_tracker_pipelines_lag_messages{pipeline="prices",topic="ssi.ticks"}': f"3{ALWAYS}",
    'stock_tracker_pipelines_recovery_seconds{pipeline="prices"}': f"2{ALWAYS}",
    'stock_tracker_gateway_data_age_seconds{channel="px"}': f"1.2{ALWAYS}",
    'stock_tracker_gateway_clock_skew_seconds{feed="a"}': f"0.02{ALWAYS}",
    "stock_tracker_gateway_ready": f"1{ALWAYS}",
    'stock_tracker_gateway_refused_requests_total{reason="no place"}': f"4{ALWAYS}",
    "stock_tracker_sink_clickhouse_up": f"1{ALWAYS}",
    'stock_tracker_sink_lag_messages{topic="market.trades"}': f"40{ALWAYS}",
    'up{job="stock-tracker-gateway"}': f"1{ALWAYS}",
    'process_start_time_seconds{job="stock-tracker-sink"}': f"1{ALWAYS}",
    'process_resident_memory_bytes{job="stock-tracker-sink"}': f"200000000{ALWAYS}",
}


@pytest.fixture(scope="module")
def promtool() -> str:
    """The tool; the tests that need it are skipped where it cannot be had."""
    unpacked = ROOT / ".bootstrap" / "prometheus" / "usr" / "bin" / "promtool"
    found = shutil.which("promtool") or (str(unpacked) if os.access(unpacked, os.X_OK) else None)
    if found is None:
        pytest.skip("no promtool: on Debian it is in the package prometheus")
    return found


def played(series: dict[str, str], firing: dict[str, str | None]) -> dict[str, Any]:
    """A test of promtool: at each time that alert fires, or none at all where it is None."""
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f'count by (alertname) (ALERTS{{alertstate="firing",alertname=~"{alert or ".+"}"}})',
                "eval_time": at,
                "exp_samples": [] if alert is None else [{"labels": f'{{alertname="{alert}"}}', "value": 1}],
            }
            for at, alert in firing.items()
        ],
    }


def run(
    promtool: str, folder: Path, tests: list[dict[str, Any]], *, holiday: int = ANOTHER_DAY, only_session: bool = False
) -> None:
    """Play the tests through the rules, with that holiday in the place of the real ones."""
    session = folder / "session.yml"
    session.write_text(session_rules({holiday}))
    file = folder / "tests.json"
    names = [str(session)] if only_session else [str(session), str(RULES)]
    # Each evaluation takes milliseconds, and from midnight to the close there are hundreds of minutes.
    every = "1m" if only_session else "5m"
    file.write_text(json.dumps({"rule_files": names, "evaluation_interval": every, "tests": tests}))
    ended = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_session_is_that_of_the_calendar() -> None:
    assert SESSION.read_text() == session_rules(), "make it anew with `make session-rules`"


def test_every_alert_has_a_situation_and_a_section_of_the_runbook() -> None:
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    assert sorted(alerts) == sorted(SITUATIONS)
    assert sorted(re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.MULTILINE)) == sorted(alerts)


def test_the_rules_ask_for_nothing_that_is_not_exported() -> None:
    asked = set(re.findall(r"stock_tracker_\w+", RULES.read_text()))
    assert asked - exported() == set()


def test_every_alert_fires_on_what_it_is_for(promtool: str, tmp_path: Path) -> None:
    tests = [played(one.series, {MORNING: alert}) for alert, situations in SITUATIONS.items() for one in situations]
    run(promtool, tmp_path, tests)


def test_what_only_matters_while_the_market_trades_is_silent_at_lunch_and_after_the_close(promtool: str, tmp_path: Path) -> None:
    tests = [played({**WELL, **one.series}, {LUNCH: None, CLOSED: None}) for one in _in_session()]
    run(promtool, tmp_path, tests)


def test_what_only_matters_while_the_market_trades_is_silent_on_a_holiday(promtool: str, tmp_path: Path) -> None:
    tests = [played({**WELL, **one.series}, {MORNING: None}) for one in _in_session()]
    run(promtool, tmp_path, tests, holiday=FIRST_DAY)


def _in_session() -> list[Situation]:
    found = [one for situations in SITUATIONS.values() for one in situations if one.in_session]
    assert len(found) > 5
    return found


def test_nothing_fires_while_all_is_well(promtool: str, tmp_path: Path) -> None:
    run(promtool, tmp_path, [played(WELL, {MORNING: None, LUNCH: None, "6h10m": None, CLOSED: None})])


def test_the_market_trades_when_it_does(promtool: str, tmp_path: Path) -> None:
    def trading(at: str, *, does: bool) -> dict[str, Any]:
        samples = [{"labels": "stock_tracker:trading", "value": 1}] if does else []
        return {"expr": "stock_tracker:trading", "eval_time": at, "exp_samples": samples}

    times = {"1h59m": False, "2h": True, "4h29m": True, "4h30m": False, "5h59m": False, "6h": True, "7h44m": True, "7h45m": False}
    weekend = {"26h30m": True, "50h30m": False, "74h30m": False}
    test = {
        "interval": "1m",
        "input_series": [],
        "promql_expr_test": [trading(at, does=does) for at, does in (times | weekend).items()],
    }
    run(promtool, tmp_path, [test], only_session=True)
