"""Which sector a symbol belongs to, where the reference data does not say."""

import tomllib
from importlib.resources import files

from schemas.units import Symbol


def _load(text: str) -> dict[Symbol, str]:
    return {Symbol(symbol): sector for sector, symbols in tomllib.loads(text).items() for symbol in symbols}


SECTORS: dict[Symbol, str] = _load(files("pipelines.core").joinpath("sectors.toml").read_text(encoding="utf-8"))
"""Sector by symbol, from ``sectors.toml``."""
