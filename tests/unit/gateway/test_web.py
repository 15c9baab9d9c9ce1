"""The page's own modules, by node's test runner, and what has to be true of the files it is made of."""

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from gateway.app import WEB
from gateway.core.access import HEADERS
from pipelines.core.rules import Rule
from schemas.units import SessionPhase

TESTS = sorted((Path(__file__).parent / "web").glob("*.test.mjs"))
LABELS: dict[SessionPhase, str] = {
    SessionPhase.PRE_OPEN: "Trước giờ",
    SessionPhase.ATO: "Khớp lệnh định kỳ mở cửa",
    SessionPhase.CONTINUOUS: "Liên tục",
    SessionPhase.BREAK: "Nghỉ trưa",
    SessionPhase.ATC: "Khớp lệnh định kỳ đóng cửa",
    SessionPhase.POST_CLOSE: "Sau giờ",
    SessionPhase.CLOSED: "Đóng cửa",
}
"""What Vietnamese boards call a phase."""


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_a_module_of_the_page_does_what_its_own_tests_say(path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI"):
            pytest.fail("node is missing: the page's modules would go untested", pytrace=False)
        pytest.skip("node is missing: install Node.js 20 or later to test the page's modules")
    result = subprocess.run([node, "--test", str(path)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_page_takes_nothing_from_elsewhere() -> None:
    for path in (*WEB.glob("*.html"), *WEB.glob("js/*.js"), *WEB.glob("css/*.css")):
        assert not re.findall(r"""(?:src|href|url|from|import)\W{1,3}https?://""", path.read_text()), path


def test_the_page_needs_no_exception_from_its_policy() -> None:
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    page = (WEB / "index.html").read_text()
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page)


def test_what_is_vendored_has_its_licences_and_is_what_was_built() -> None:
    vendor = WEB / "vendor"
    licences = {path.name for path in vendor.glob("LICENSE.*")}
    assert licences == {"LICENSE.preact", "LICENSE.signals", "LICENSE.signals-core", "LICENSE.htm", "LICENSE.lightweight-charts"}
    hashes = {name: digest for digest, name in map(str.split, (vendor / "sha256").read_text().splitlines())}
    assert hashes == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in vendor.glob("*.js")}


def test_the_page_is_small() -> None:
    def packed(*kinds: str) -> int:
        return sum(len(gzip.compress(path.read_bytes())) for kind in kinds for path in WEB.glob(kind))

    charts = packed("vendor/charts.js")
    assert packed("vendor/*.js") < 100_000
    # The charts come when the first one is shown.
    assert packed("*.html", "js/*.js", "css/*.css", "vendor/*.js") - charts < 100_000


def _kinds_of(rule: type[Rule]) -> Iterator[type[Rule]]:
    for kind in rule.__subclasses__():
        if "kind" in kind.model_fields:
            yield kind
        yield from _kinds_of(kind)


def test_every_kind_of_alert_has_a_name() -> None:
    kinds = {kind for rule in _kinds_of(Rule) for kind in get_args(rule.model_fields["kind"].annotation)}
    words = (WEB / "js/words.js").read_text().partition("ALERT_KINDS")[2]
    assert set(re.findall(r"^  (\w+): \[", words, re.MULTILINE)) == kinds


def test_no_lock_names_a_registry() -> None:
    assert "resolved" not in (WEB / "package-lock.json").read_text()


def test_phases_are_called_what_the_boards_call_them() -> None:
    assert set(LABELS) == set(SessionPhase)
    words = (WEB / "js/words.js").read_text()
    for phase, label in LABELS.items():
        assert f'{phase}: ["{label}"' in words
