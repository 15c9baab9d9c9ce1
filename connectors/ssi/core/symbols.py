"""What SSI's symbols are: which are indices or derivatives, quoted in points, and which are quoted in dong. Pure.

Most records say it themselves: an ``MI`` is of an index, and an exchange is named in all others but ``B``. A bar names no
exchange, so the unit of its prices has to be known. REST's lists know it best, but a feed may be faster than they are, and may
run without them. Until they come, and for what is not on them, the way a symbol is built decides. The answer for a symbol
therefore does not depend on which of SSI's channels spoke of it first.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar

from connectors.ssi.core.errors import InvalidRecord, Reason
from schemas.instruments import INDEX_SYMBOLS, contract_of, is_index
from schemas.units import SYMBOL_PATTERN, Exchange, Symbol

_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_SECURITY: Final = re.compile(r"[A-Z0-9]{3}|FU[A-Z0-9]{6}|E1VFVN30|C[A-Z0-9]{3}[0-9]{4}|[A-Z0-9]{3}[0-9]{6}")
"""Stocks; exchange-traded and closed-end funds; covered warrants, such as ``CVNM2601``; bonds, such as ``VND122013``."""
_DERIVATIVE: Final = re.compile(r"4[12][A-Z0-9]{2}[0-9A-HJ-NP-TVW][1-9A-C][A-Z0-9]{3}")
"""KRX's code of a future (41) or of a spread between two (42), whatever is under it. Source: HNX's contract code grammar of
2025-04-21."""
_INDEX: Final = re.compile(r"(VN|HNX|UPCOM)[A-Z0-9]+|[A-Z0-9]+INDEX")
"""How the exchanges name their indices. Securities may begin alike, as the bond ``VND122013`` does: ask for those first."""

MAX_KNOWN: Final = 100_000
"""How many symbols there may be. No market has as many; a feed that makes symbols up must not fill the memory: neither ours nor
that of the pipelines, the gateway and the browser, which have a row for each."""

T = TypeVar("T")


class Instrument(NamedTuple):
    """What a symbol in a record means."""

    symbol: Symbol
    in_points: bool | None
    """Whether its prices are points, not dong; None while nothing tells."""


class Symbols:
    """What one connector knows of symbols. It learns from REST's lists and from the feed."""

    def __init__(self) -> None:
        self._indices: set[str] = set()
        """Indices besides those of :mod:`schemas.instruments`."""
        self._securities: set[str] = set()
        """What is listed on another exchange than that of derivatives."""
        self._derivatives: set[str] = set()
        """What is listed among the derivatives."""
        self.unlisted: dict[str, tuple[Symbol, bool]] = {}
        """Symbols of records without an exchange, and whether they are in points, by the symbol as SSI writes it: those of which
        both are known."""
        self.listed: dict[str, tuple[Symbol, bool]] = {}
        """The same of records with an exchange."""
        self._met: set[str] = set()
        """All symbols that lists and records have named."""
        self._index_ids: dict[str, Symbol] = {}
        """Symbols of indices by the id as SSI writes it."""

    def instrument(self, text: str, exchange: Exchange | None) -> Instrument:
        """What ``text`` in a record of any channel but ``MI`` means.

        Args:
            text: The symbol as SSI writes it.
            exchange: That the record names; None if it names none. From here on it is known where the symbol is listed.

        Raises:
            InvalidRecord: It is no symbol, or one more than there may be.
        """
        upper = text.upper()
        symbol = INDEX_SYMBOLS.get(upper, Symbol(upper))
        # SSI writes the ids of indices in mixed case (HNXIndex). Any other symbol in lower case is an error.
        if not _SYMBOL.fullmatch(symbol) or (text != upper and not self.is_index(symbol)):
            raise _no_symbol(text)
        self._meet(symbol)
        unit = self._unit(symbol)
        if exchange is not None and (unit is None or (exchange is Exchange.DER and not unit)):
            self.list_instruments([(symbol, exchange)])
            unit = exchange is Exchange.DER
        if unit is not None:
            _remember(self.unlisted if exchange is None else self.listed, text, (symbol, unit))
        return Instrument(symbol, unit)

    def index(self, text: str) -> Symbol:
        """The symbol of the index that an ``MI`` calls ``text``. From here on it is known as an index.

        Raises:
            InvalidRecord: It is no symbol, or one more than there may be.
        """
        return self._index_ids.get(text) or self._look_up_index(text)

    def is_index(self, symbol: str) -> bool:
        """Whether ``symbol`` is an index."""
        if is_index(symbol) or symbol in self._indices:
            return True
        return symbol not in self._securities and not _is_security_or_derivative(symbol) and bool(_INDEX.fullmatch(symbol))

    def name_indices(self, ids: Iterable[str]) -> None:
        """Take note of indices: ids as SSI writes them, of REST's IndexList or of an ``MI``."""
        for text in ids:
            upper = text.upper()
            _add(self._indices, INDEX_SYMBOLS.get(upper, upper))
            _add(self._met, INDEX_SYMBOLS.get(upper, upper))
        self._forget()

    def list_instruments(self, listed: Iterable[tuple[str, Exchange]]) -> None:
        """Take note of where instruments are listed, as REST's Securities says or a record that names an exchange."""
        for symbol, exchange in listed:
            _add(self._derivatives if exchange is Exchange.DER else self._securities, symbol)
            _add(self._met, symbol)
        self._forget()

    def _meet(self, symbol: str) -> None:
        if symbol not in self._met:
            if len(self._met) >= MAX_KNOWN:
                raise InvalidRecord(Reason.BAD_SYMBOL, f"{symbol} is one too many: no market has {MAX_KNOWN:,} symbols")
            self._met.add(symbol)

    def _forget(self) -> None:
        """Find out anew what symbols mean: more is known of them than before."""
        self.unlisted.clear()
        self.listed.clear()

    def _look_up_index(self, text: str) -> Symbol:
        upper = text.upper()
        symbol = INDEX_SYMBOLS.get(upper, Symbol(upper))
        if not _SYMBOL.fullmatch(symbol):
            raise _no_symbol(text)
        self._meet(symbol)
        # One record with a stock's symbol where an index's should be must not change the unit of that stock.
        if self._unit(symbol) is None:
            self.name_indices([symbol])
        _remember(self._index_ids, text, symbol)
        return symbol

    def _unit(self, symbol: str) -> bool | None:
        if self.is_index(symbol) or symbol in self._derivatives:
            return True
        if symbol in self._securities:
            return False
        if contract_of(symbol) is not None or _DERIVATIVE.fullmatch(symbol):
            return True
        return False if _SECURITY.fullmatch(symbol) else None


def _add(symbols: set[str], symbol: str) -> None:
    if len(symbols) < MAX_KNOWN:
        symbols.add(symbol)


def _remember(known: dict[str, T], text: str, found: T) -> None:
    if len(known) >= MAX_KNOWN:
        known.clear()
    known[text] = found


def _is_security_or_derivative(symbol: str) -> bool:
    return bool(_SECURITY.fullmatch(symbol) or _DERIVATIVE.fullmatch(symbol)) or contract_of(symbol) is not None


def _no_symbol(text: str) -> InvalidRecord:
    return InvalidRecord(Reason.BAD_SYMBOL, f"{text[:20]!r} is no symbol: expected 1 to 12 of A–Z and 0–9")
