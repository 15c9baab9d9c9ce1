"""The evidence that is shown behind the first differences."""

from schemas.position import Position
from stock_tracker.errors import NothingToExplain
from stock_tracker.verify.core.deals import DealsReport
from stock_tracker.verify.core.differences import Difference, EventPosition
from stock_tracker.verify.core.ledger import LedgerReport
from stock_tracker.verify.core.records import RecordsReport
from stock_tracker.verify.core.tape import TapeReport
from stock_tracker.verify.evidence import MOST_EXPLAINED, MOST_SYMBOLS, evidence_of
from stock_tracker.verify.run import Verification


def a_difference(symbol: str, offset: int | None) -> Difference:
    at = None if offset is None else EventPosition(Position("market.trades", 0, offset), 0)
    return Difference("wrong_print", symbol, "of 100", at)


def test_the_first_differences_that_name_a_place_are_explained() -> None:
    differences = [a_difference("VNM", None), a_difference("", 1), a_difference("VNM", 2), a_difference("FPT", 3)]
    asked: list[str] = []

    def explain(difference: Difference) -> list[str]:
        asked.append(difference.symbol)
        return [f"of {difference.symbol}"] if difference.symbol == "VNM" else []

    assert evidence_of(differences, explain) == {2: ["of VNM"]}
    assert asked == ["VNM", "FPT"]


def test_only_some_are_explained_and_of_few_symbols() -> None:
    one = [a_difference("VNM", number) for number in range(20)]
    assert len(evidence_of(one, lambda difference: ["it"])) == MOST_EXPLAINED
    many = [a_difference(f"S{number}", number) for number in range(20)]
    assert len(evidence_of(many, lambda difference: ["it"])) == MOST_SYMBOLS


def test_what_cannot_be_explained_says_so_and_spoils_nothing() -> None:
    def explain(difference: Difference) -> list[str]:
        raise NothingToExplain("there is nothing on ssi.ticks", "")

    assert evidence_of([a_difference("VNM", 1)], explain) == {0: ["  nothing can be said of it: there is nothing on ssi.ticks"]}


def test_verify_prints_the_evidence_under_its_difference_and_in_its_json() -> None:
    differences = [a_difference("VNM", 1), a_difference("FPT", 2)]
    verification = Verification(
        RecordsReport(), TapeReport(), DealsReport(), LedgerReport(), 0, {}, differences, evidence={1: ["  09:15:00  ssi.ticks"]}
    )
    shown = list(verification.sentences())
    assert shown[-4:-1] == [f"✗ {differences[0]}", f"✗ {differences[1]}", "  09:15:00  ssi.ticks"]
    said = verification.as_json()["differences"]
    assert isinstance(said, list)
    assert [one["evidence"] for one in said] == [[], ["  09:15:00  ssi.ticks"]]
