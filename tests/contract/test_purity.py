"""Pure code has no socket, clock, file, thread or chance.

`make lint` finds an import that brings one, at whatever remove. The tests here prove that it does, and find what it cannot.
"""

import ast
import os
import subprocess
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest

ROOT = Path(__file__).parents[2]
LINT = Path(sysconfig.get_path("scripts")) / "lint-imports"
SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
(PURE,) = (contract for contract in SETTINGS["contracts"] if contract.get("id") == "pure-code")
ROOTS = tuple(SETTINGS["root_packages"])
CORES = sorted(".".join(path.relative_to(ROOT).parts[:-1]) for root in ROOTS for path in (ROOT / root).rglob("core/__init__.py"))

HARMLESS = frozenset(
    {
        "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal",
        "enum", "errno", "fractions", "functools", "hashlib", "heapq", "hmac", "html", "ipaddress", "itertools", "json", "math",
        "numbers", "operator", "re", "statistics", "string", "struct", "textwrap", "tomllib", "types", "typing", "unicodedata",
        "urllib", "uuid", "weakref", "zlib", "msgspec", "orjson", "pydantic", "typing_extensions",
    }
)  # fmt: skip
"""What pure code may import from elsewhere. Another module may join if it does no I/O, reads no clock and makes no chance."""
PARTS = {"urllib": {"urllib.parse"}}
"""Modules of which only some parts are harmless."""
BUILTINS = frozenset({"open", "input", "print", "breakpoint", "eval", "exec", "compile", "__import__", "hash", "id"})
"""I/O and code from anywhere. The numbers that `hash` and `id` give differ from process to process."""
CLOCKS = frozenset({"now", "today", "utcnow", "uuid1", "uuid4"})
"""Functions of harmless modules that read the clock or make chance, called by their own name or as part of one of these:"""
CLOCK_OWNERS = frozenset({"datetime", "date", "uuid"})


def is_pure(module: str) -> bool:
    return module.split(".")[0] == "schemas" or "core" in module.split(".")


def pure_files() -> list[Path]:
    return sorted(path for root in ROOTS for path in (ROOT / root).rglob("*.py") if is_pure(module_of(path)))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def lint(folder: Path) -> tuple[int, str]:
    """The exit code and the report of import-linter on the pure-code contract of our own pyproject.toml, over other packages."""
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    environ = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "250"}
    done = subprocess.run(
        [LINT, "--contract", "pure-code", "--no-cache"], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def write(folder: Path, module: str, text: str) -> None:
    """Write a module and whatever packages it needs around it."""
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    for package in path.relative_to(folder).parents:
        (folder / package / "__init__.py").touch()


def a_tree(folder: Path, planted: list[str]) -> None:
    """Packages named as ours. Each pure one imports a helper, that imports another module, and that what is ``planted``."""
    for root in ROOTS:
        write(folder, f"{root}.other", "")
    for core in [*CORES, "schemas"]:
        around = core.removesuffix(".core")
        write(folder, f"{core}.decides", f"from {around} import helper\n")
        write(folder, f"{around}.helper", f"from {around} import does\n")
        write(folder, f"{around}.does", "".join(f"import {module}\n" for module in planted))


def test_a_forbidden_import_two_imports_away_from_any_pure_package_breaks_the_contract(tmp_path: Path) -> None:
    a_tree(tmp_path, planted=PURE["forbidden_modules"])
    code, report = lint(tmp_path)
    assert code == 1
    untold = [
        (core, module)
        for core in [*CORES, "schemas"]
        for module in PURE["forbidden_modules"]
        if f"{core} is not allowed to import {module}:" not in report
    ]
    assert untold == []


def test_the_same_packages_keep_the_contract_with_a_harmless_import(tmp_path: Path) -> None:
    a_tree(tmp_path, planted=["math"])
    code, report = lint(tmp_path)
    assert code == 0, report


def test_the_contract_covers_every_core_and_makes_no_exception() -> None:
    assert len(CORES) >= 6
    assert PURE["source_modules"] == ["schemas", "**.core"]
    assert not {"ignore_imports", "allow_indirect_imports"} & PURE.keys()


def test_pure_code_imports_only_pure_code_of_ours_and_harmless_modules_of_others() -> None:
    graph = grimp.build_graph(*ROOTS, include_external_packages=True, exclude_type_checking_imports=True, cache_dir=None)
    impure = [
        f"{importer} -> {imported}"
        for importer in sorted(graph.modules)
        if importer.split(".")[0] in ROOTS and is_pure(importer)
        for imported in sorted(graph.find_modules_directly_imported_by(importer))
        if not (is_pure(imported) if imported.split(".")[0] in ROOTS else imported in HARMLESS)
    ]
    assert impure == []


def test_nothing_is_both_harmless_and_forbidden() -> None:
    assert HARMLESS & set(PURE["forbidden_modules"]) == set()


def impurities(source: str) -> Iterator[str]:
    """What imports of whole modules do not show: builtins that do I/O, the clocks of harmless modules, parts of a module."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS | CLOCKS:
                yield f"line {node.lineno} calls {name}"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name)) if (
                name in CLOCKS and owner in CLOCK_OWNERS
            ):
                yield f"line {node.lineno} calls {name}"
            case ast.Import(names=names):
                yield from (f"line {node.lineno} imports {alias.name}" for alias in names if is_impure_part(alias.name))
            case ast.ImportFrom(module=str(module), names=names):
                parts = [f"{module}.{alias.name}" for alias in names] if module in PARTS else [module]
                yield from (f"line {node.lineno} imports {part}" for part in parts if is_impure_part(part))


def is_impure_part(module: str) -> bool:
    whole = module.split(".")[0]
    return whole in PARTS and module not in PARTS[whole]


def test_pure_code_opens_prints_and_runs_nothing_and_looks_at_no_clock() -> None:
    found = {module_of(path): list(impurities(path.read_text(encoding="utf-8"))) for path in pure_files()}
    assert {module: lines for module, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        "open('x')",
        "print('x')",
        "__import__('os')",
        "hash('VNM')",
        "datetime.now(ICT)",
        "datetime.datetime.now()",
        "date.today()",
        "uuid4()",
        "uuid.uuid4()",
        "import urllib.request",
        "import urllib",
        "from urllib import request",
        "from urllib.request import urlopen",
    ],
)
def test_such_a_line_is_found(line: str) -> None:
    assert len(list(impurities(f"import json\n{line}\n"))) == 1


def test_what_only_looks_like_one_is_not() -> None:
    lines = ["open: int = 0", "market.open()", "re.compile('x')", "clock.now()", "from urllib.parse import urlsplit"]
    assert list(impurities("\n".join(lines))) == []
