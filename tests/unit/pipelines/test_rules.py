import importlib.util
from importlib import resources
from types import ModuleType
from typing import get_args, get_type_hints

import pytest

from pipelines.core import basis_alerts, candle_alerts, foreign_alerts, quote_alerts, rules, trade_alerts
from pipelines.core.alerts import Memory
from pipelines.core.basis_alerts import BasisWatch
from pipelines.core.candle_alerts import CandleWatch
from pipelines.core.codec import Stored
from pipelines.core.errors import InvalidRules
from pipelines.core.foreign_alerts import LedgerWatch
from pipelines.core.quote_alerts import BookWatch
from pipelines.core.rules import AnyRule, ForeignRule, PriceLimit, load_rules
from pipelines.core.trade_alerts import TapeWatch
from schemas.units import Exchange

LIMIT = """
[[rule]]
name = "limit"
kind = "price_limit"
severity = "critical"
limits = ["ceiling"]
release_pct = 0.5
"""
KINDS = (
    "volume_spike, large_print, price_limit, lock_opened, feed_gap, put_through, print_cluster, limit_lock, open_gap, "
    "unusual_volume, foreign_acceleration, room_exhausted, ambiguous_correction, basis_flip, basis_band"
)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(InvalidRules) as refused:
        load_rules(text)
    assert str(refused.value) == "\n".join(refused.value.problems)
    return refused.value.problems


def test_our_own_rules_have_every_kind() -> None:
    rules = load_rules((resources.files("pipelines") / "alerts.toml").read_text())
    assert {type(rule) for rule in rules} == set(get_args(AnyRule))
    assert len(rules) == len(get_args(AnyRule))


def test_every_rule_reads_the_one_topic_of_its_kind() -> None:
    rules = load_rules((resources.files("pipelines") / "alerts.toml").read_text())
    assert {type(rule) for rule in rules.foreign} == set(get_args(ForeignRule))


def test_a_rule_is_frozen_and_typed() -> None:
    (rule,) = load_rules(LIMIT).trades
    assert rule == PriceLimit(
        name="limit", kind="price_limit", severity="critical", limits=("ceiling",), release_pct=0.5, cooldown_s=0
    )


def test_a_rule_without_a_filter_covers_everything() -> None:
    (rule,) = load_rules(LIMIT).trades
    assert rule.covers("VNM", Exchange.HOSE)
    assert rule.covers("41I1GC000", Exchange.DER)


def test_filters_narrow_what_a_rule_covers() -> None:
    (rule,) = load_rules(LIMIT + 'symbols = ["VNM", "SHS"]\nexchanges = ["HOSE"]').trades
    assert [rule.covers(symbol, exchange) for symbol, exchange in [("VNM", Exchange.HOSE), ("SHS", Exchange.HNX)]] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rule = ", "the file is not TOML: Invalid value (at end of document)"),
        ("", "the file has no [[rule]]: write at least one, or do not start the alerts app"),
        ('[rule]\nname = "limit"', "write [[rule]] with two brackets: there may be several rules"),
        ("rule = [3]", "rule 1: it is no table; write [[rule]] and its keys below"),
        ("[[rule]]", f"rule 1: key kind is missing; use one of {KINDS}"),
        (LIMIT.replace("price_limit", "price"), f"rule \"limit\": kind 'price' is unknown; use one of {KINDS}"),
        (
            LIMIT.replace("release_pct = 0.5", ""),
            'rule "limit": key release_pct is missing; write release_pct = … (docs/alerts.md says what it means)',
        ),
        (
            LIMIT + "releases = 1",
            'rule "limit": key releases is unknown; a rule of this kind has '
            "name, severity, symbols, exchanges, cooldown_s, kind, limits, release_pct",
        ),
        (LIMIT.replace("0.5", "0"), 'rule "limit": key release_pct: input should be greater than 0, not 0'),
        (LIMIT.replace("0.5", '"half"'), "rule \"limit\": key release_pct: input should be a valid number, not 'half'"),
        (LIMIT.replace("ceiling", "top"), "rule \"limit\": key limits.0: input should be 'ceiling' or 'floor', not 'top'"),
        (
            LIMIT + "symbols = []",
            'rule "limit": key symbols: an empty list watches nothing; name something, or leave the key away, not []',
        ),
        (LIMIT + LIMIT, 'rule "limit": the name is taken by an earlier rule; state and ids go by it, so choose another'),
        (LIMIT + "[other]", "unknown key 'other' at the top: a rule file holds [[rule]] tables and nothing else"),
    ],
)
def test_a_mistake_names_the_rule_the_key_and_the_remedy(text: str, problem: str) -> None:
    assert problems(text) == (problem,)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ('kind = "basis_band"\ncontracts = "front"\nenter_pct = 0.5\nleave_pct = 0.5', "leave_pct must be less than enter_pct"),
        (
            'kind = "limit_lock"\nlimits = ["ceiling"]\nmin_queue_vnd = 10\nrelease_queue_vnd = 10\nrelease_pct = 1.0',
            "release_queue_vnd must be less than min_queue_vnd",
        ),
        ('kind = "room_exhausted"\nmax_shares = 10\nrelease_shares = 10', "release_shares must be greater than max_shares"),
    ],
)
def test_a_latch_without_hysteresis_is_refused(rule: str, problem: str) -> None:
    (found,) = problems(f'[[rule]]\nname = "one"\nseverity = "info"\n{rule}')
    assert found.startswith(f'rule "one": {problem}')


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems(LIMIT.replace("0.5", "0") + LIMIT.replace("critical", "grave").replace('"limit"', '"other"'))) == 2


@pytest.mark.parametrize(
    ("module", "union"),
    [
        ("trade_alerts", "TradeRule"),
        ("quote_alerts", "QuoteRule"),
        ("candle_alerts", "CandleRule"),
        ("foreign_alerts", "ForeignRule"),
        ("basis_alerts", "BasisRule"),
    ],
)
def test_a_kind_of_rule_that_nobody_folds_does_not_load(module: str, union: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgotten(rules.OnceRule): ...

    monkeypatch.setattr(rules, union, getattr(rules, union) | Forgotten)
    found = importlib.util.find_spec(f"pipelines.core.{module}")
    assert found is not None
    again = importlib.util.spec_from_file_location("loaded_again", found.origin)
    assert again is not None
    assert again.loader is not None
    with pytest.raises(ValueError, match=r"^the fold of Forgotten is missing"):
        again.loader.exec_module(importlib.util.module_from_spec(again))


@pytest.mark.parametrize(
    ("module", "watch"),
    [
        (trade_alerts, TapeWatch),
        (quote_alerts, BookWatch),
        (candle_alerts, CandleWatch),
        (foreign_alerts, LedgerWatch),
        (basis_alerts, BasisWatch),
    ],
)
def test_whatever_a_rule_remembers_can_be_read_from_state_again(module: ModuleType, watch: type[Stored]) -> None:
    kinds = {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, Memory)}
    _, kept = get_args(get_type_hints(watch)["memories"])
    # A union of one kind is that kind itself.
    assert {*(get_args(kept) or (kept,))} == kinds
