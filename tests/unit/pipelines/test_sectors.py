"""The sector map: data that somebody edits by hand."""

import re
import tomllib
from collections import Counter
from pathlib import Path

from pipelines.parameters import Parameters
from pipelines.settings import PipelineSettings
from schemas.units import SYMBOL_PATTERN

VN30 = "ACB BID BSR CTG FPT GAS GVR HDB HPG LPB MBB MCH MSN MWG SAB SHB SSB SSI STB TCB TCX VCB VHM VIB VIC VJC VNM VPB VPL VRE"
FILE = Path(__file__).parents[3] / "pipelines" / "sectors.toml"
SECTORS = Parameters(PipelineSettings(kafka={})).sectors


def test_every_member_of_the_vn30_has_a_sector() -> None:
    assert [symbol for symbol in VN30.split() if symbol not in SECTORS] == []


def test_a_symbol_is_in_one_sector_and_in_order() -> None:
    lists = tomllib.loads(FILE.read_text(encoding="utf-8"))
    assert [symbol for symbol, times in Counter(s for symbols in lists.values() for s in symbols).items() if times > 1] == []
    assert [name for name, symbols in lists.items() if symbols != sorted(symbols)] == []


def test_symbols_are_symbols() -> None:
    assert [symbol for symbol in SECTORS if not re.match(SYMBOL_PATTERN, symbol)] == []
