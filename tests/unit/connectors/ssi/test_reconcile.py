import pytest

from connectors.ssi.core.errors import SsiUnavailable
from connectors.ssi.core.reconcile import ArchivedDay, Compared, ForeignSide, SsiDay, compare_day, daily_prices

QUIET = ArchivedDay("VNM", "HOSE", printed=1_000, last_generation=1_000)


def volume_of(ssi: SsiDay, day: ArchivedDay) -> Compared:
    (report,) = compare_day([ssi], {"VNM": day}).symbols
    return report.figures[0]


def said(matched: int = 1_000, put_through: int = 0, bought: int = 0, sold: int = 0) -> SsiDay:
    return SsiDay("VNM", matched, put_through, bought, sold)


def test_rows_are_texts_or_null() -> None:
    row = {
        "Symbol": "VNM",
        "TotalMatchVol": "1990100",
        "TotalDealVol": None,
        "ForeignBuyVolTotal": "",
        "ForeignSellVolTotal": 7.0,
    }
    assert daily_prices([row]) == [SsiDay("VNM", 1_990_100, 0, 0, 7)]


@pytest.mark.parametrize("value", ["many", "-1", "1.5", "NaN", "1e400", [], "0x10"])
def test_a_total_that_cannot_be_read_ends_the_comparison(value: object) -> None:
    with pytest.raises(SsiUnavailable, match="the totals of VNM cannot be read"):
        daily_prices([{"Symbol": "VNM", "TotalMatchVol": value}])


@pytest.mark.parametrize(
    ("ssi", "day", "verdict", "why"),
    [
        (said(), QUIET, "equal", ""),
        (said(), QUIET._replace(printed=900, missed=100), "explained", "900 in prints; 100 in gaps"),
        (said(900), QUIET._replace(corrected=-100, last_generation=900), "explained", "1000 in prints; -100 in corrections"),
        (said(), QUIET._replace(printed=700, unanchored=300), "explained", "300 in prints without a total"),
        (said(400), QUIET._replace(last_generation=400), "explained", "the counter began again"),
        (said(800, 200), QUIET, "explained", "put-through deals are in the total of the stream"),
        (said(1_000, 200), QUIET, "equal", "put-through deals are not in the total of the stream"),
        (said(1_001), QUIET, "different", "+1 unexplained"),
        (said(999), QUIET._replace(printed=900, missed=100), "different", "-1 unexplained (900 in prints; 100 in gaps)"),
        (said(700, 200), QUIET, "different", "-300 unexplained"),
        (said(), ArchivedDay("VNM", ""), "different", "+1000 unexplained"),
    ],
)
def test_volume_is_equal_or_explained_to_the_share_or_different(ssi: SsiDay, day: ArchivedDay, verdict: str, why: str) -> None:
    compared = volume_of(ssi, day._replace(last_generation=day.last_generation or day.total))
    assert compared.verdict == verdict
    assert why in compared.why
    assert (compared.ssi, compared.ours) == (ssi.matched, day.printed)


@pytest.mark.parametrize(
    ("bought", "side", "verdict"),
    [
        (500, ForeignSide(500, 500), "equal"), (200, ForeignSide(500, 200), "explained"),
        (500, ForeignSide(400, 400, ambiguous=-100), "explained"), (450, ForeignSide(400, 400, ambiguous=-100), "different"),
        (501, ForeignSide(500, 500), "different"), (1, ForeignSide(), "different"),
    ],
)  # fmt: skip
def test_the_foreign_ledger_is_judged_side_by_side(bought: int, side: ForeignSide, verdict: str) -> None:
    (report,) = compare_day([said(bought=bought)], {"VNM": QUIET._replace(bought=side)}).symbols
    assert [figure.verdict for figure in report.figures] == ["equal", "equal", verdict, "equal"]
    assert report.verdict == verdict
    (report,) = compare_day([said(sold=bought)], {"VNM": QUIET._replace(sold=side)}).symbols
    assert [figure.verdict for figure in report.figures] == ["equal", "equal", "equal", verdict]


@pytest.mark.parametrize(("ssi", "ours", "verdict"), [(300, 300, "equal"), (300, 0, "explained"), (300, 200, "different")])
def test_put_through_deals_are_compared_where_the_stream_told_of_any(ssi: int, ours: int, verdict: str) -> None:
    (report,) = compare_day([said(put_through=ssi)], {"VNM": QUIET._replace(put_through=ours)}).symbols
    assert report.figures[1].verdict == verdict


def test_what_only_one_side_knows_is_told() -> None:
    archive = {"VNM": QUIET, "NEW": ArchivedDay("NEW", "HNX", printed=5), "41I1GC000": ArchivedDay("41I1GC000", "DER", printed=9)}
    report = compare_day([said(), SsiDay("SSI", 7, 0, 0, 0), SsiDay("STILL", 0, 0, 0, 0)], archive)
    assert {symbol.symbol: symbol.verdict for symbol in report.symbols} == {
        "VNM": "equal", "NEW": "different", "SSI": "different", "STILL": "equal",
    }  # fmt: skip
    assert (report.count("equal"), report.count("explained"), report.count("different")) == (2, 0, 2)


def test_a_day_may_show_whether_the_stream_counts_put_through_deals() -> None:
    shared = compare_day([said(800, 200)], {"VNM": QUIET})
    own = compare_day([said(1_000, 200)], {"VNM": QUIET})
    neither = compare_day([said()], {"VNM": QUIET})
    assert shared.put_through_in_total == "TotalVol of the stream contains put-through deals"
    assert own.put_through_in_total == "TotalVol of the stream does not contain put-through deals"
    assert "does not show" in neither.put_through_in_total
