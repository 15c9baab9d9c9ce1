"""Which sector a symbol belongs to, where the reference data does not say."""

import tomllib
from collections.abc import Mapping

from schemas.units import Symbol

Sectors = Mapping[Symbol, str]
"""The sector of a symbol; those that are not in it belong to none that we know."""


def sectors_of(text: str) -> Sectors:
    """The sectors in the text of ``pipelines/sectors.toml``: a list of symbols for each sector.

    Raises:
        tomllib.TOMLDecodeError: ``text`` is not TOML.
    """
    return {Symbol(symbol): sector for sector, symbols in tomllib.loads(text).items() for symbol in symbols}
