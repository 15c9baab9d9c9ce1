"""Every command of the operators' pages is run by some test, and what is compared with a page is really compared."""

from pathlib import Path

from tests.contract.test_commands_in_papers import commands
from tests.operators_pages import DOCS, ELSEWHERE, INLINE, PAGES, Example, examples, filled, not_printed

TESTS = Path(__file__).parents[1]


def test_every_command_is_run_by_some_test() -> None:
    typed = {command for page in PAGES for command in commands(DOCS / page)}
    shown = {example.command for page in PAGES for example in examples(page)}
    assert typed - shown == INLINE.keys() | ELSEWHERE.keys()


def test_the_tests_that_run_them_are_there() -> None:
    assert [test for test in ELSEWHERE.values() if not (TESTS / test).exists()] == []


def test_output_may_differ_in_numbers_times_and_paths_and_in_nothing_else() -> None:
    shown = ("ok    home    /srv/stock-tracker", "…", "3 dead letters", "note  archive  nothing answers…")
    example = Example("doctor", shown)
    printed = "ok home /tmp/x\nok disk 1\n1,234 dead letters\nnote archive nothing answers at 127.0.0.1:8123\n"
    assert not_printed(example, printed) == []
    assert not_printed(example, printed.replace("dead letters", "letters")) == ["3 dead letters"]
    assert not_printed(example, "\n".join(reversed(printed.splitlines()))) != []


def test_what_a_reader_puts_in_is_put_in() -> None:
    assert filled("archive coverage --from DAY --to DAY", {"DAY": "20261123"}) == "archive coverage --from 20261123 --to 20261123"
