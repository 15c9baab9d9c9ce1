"""What alerts say: figures, and a sentence for every kind of rule in both languages."""

import string
from typing import get_args

import pytest

from pipelines.core import wording
from pipelines.core.rules import AnyRule
from pipelines.core.wording import SENTENCES, Text
from schemas.calendar import at
from schemas.units import Exchange, TradingDay


@pytest.mark.parametrize(
    ("hundredths", "text"),
    [
        (128_450, Text("1,284.50", "1.284,50")),
        (-118, Text("-1.18", "-1,18")),
        (5, Text("0.05", "0,05")),
        (-5, Text("-0.05", "-0,05")),
        (0, Text("0.00", "0,00")),
        (100, Text("1.00", "1,00")),
    ],
)
def test_points_have_two_decimals(hundredths: int, text: Text) -> None:
    assert wording.points(hundredths) == text


def test_a_basis_has_its_sign() -> None:
    assert [wording.signed_points(basis).en for basis in (150, 0, -150)] == ["+1.50", "0.00", "-1.50"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12_345, Text("12,345 VND", "12.345 đồng")),
        (999_999, Text("999,999 VND", "999.999 đồng")),
        (1_000_000, Text("1.00 M VND", "1,00 triệu đồng")),
        (5_234_999_999, Text("5.23 bn VND", "5,23 tỷ đồng")),
        (5_235_000_000, Text("5.24 bn VND", "5,24 tỷ đồng")),
        (-350_000_000, Text("-350.00 M VND", "-350,00 triệu đồng")),
        (12_345_678_900_000, Text("12,345.68 bn VND", "12.345,68 tỷ đồng")),
    ],
)
def test_values_are_short_and_have_a_unit(value: int, text: Text) -> None:
    assert wording.vnd(value) == text


def test_a_future_is_counted_in_contracts_and_priced_in_points() -> None:
    assert wording.volume(1, Exchange.DER) == Text("1 contract", "1 hợp đồng")
    assert wording.volume(1_200, Exchange.HNX) == Text("1,200 shares", "1.200 cổ phiếu")
    assert wording.price(206_460, Exchange.DER) == Text("2,064.60 points", "2.064,60 điểm")
    assert wording.price(85_800, Exchange.HOSE) == Text("85,800 VND", "85.800 đồng")


def test_expiry_is_told_in_days_and_on_its_day_as_today() -> None:
    assert wording.expiry(27) == Text("with 27 days to expiry", "còn 27 ngày đến đáo hạn")
    assert wording.expiry(1) == Text("with 1 day to expiry", "còn 1 ngày đến đáo hạn")
    assert wording.expiry(0) == Text("on the day of its expiry", "đáo hạn hôm nay")


def test_a_distance_stands_before_the_reference_in_vietnamese() -> None:
    """Behind it, ``60.000 đồng 3,00%`` reads as one figure."""
    price, reference = wording.price(61_800, Exchange.HOSE), wording.price(60_000, Exchange.HOSE)
    told = wording.say("open_gap.up", symbol="VNM", price=price, distance=wording.percent(3.0), reference=reference)
    assert told.vi == "VNM mở cửa ở 61.800 đồng, cao hơn 3,00% so với giá tham chiếu 60.000 đồng."


def test_a_room_without_a_share_is_told_so() -> None:
    told = wording.say("room_exhausted", symbol="MBB", left=wording.left(0, Exchange.HOSE))
    assert told.vi == "MBB hết room ngoại: không còn cổ phiếu nào để mua."


def test_time_of_day_is_vietnams() -> None:
    assert wording.clock(at(TradingDay(20261120), 9, 15, 7)) == "09:15:07"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1200, Text("20 minutes", "20 phút")),
        (60, Text("1 minute", "1 phút")),
        (90, Text("90 seconds", "90 giây")),
        (1, Text("1 second", "1 giây")),
    ],
)
def test_spans_are_in_whole_minutes_where_they_can(seconds: int, text: Text) -> None:
    assert wording.span(seconds) == text


def kind_of(model: type[AnyRule]) -> str:
    (kind,) = get_args(model.model_fields["kind"].annotation)
    return str(kind)


def parts_of(sentence: str) -> set[str]:
    return {part for _, part, _, _ in string.Formatter().parse(sentence) if part}


def test_every_kind_of_rule_has_its_sentences_and_there_are_no_others() -> None:
    assert {name.split(".")[0] for name in SENTENCES} == {kind_of(model) for model in get_args(AnyRule)}


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_says_the_same_in_both_languages(name: str) -> None:
    sentence = SENTENCES[name]
    assert parts_of(sentence.en) == parts_of(sentence.vi) != set()
    assert sentence.en != sentence.vi
