"""Figures that no market reaches. The decoder sees to it that they are whole numbers; the folds refuse what cannot be true."""

from collections.abc import Iterable
from functools import reduce
from operator import attrgetter, or_
from typing import Any, Final

from pipelines.core.codec import LARGEST
from pipelines.core.errors import RecordRejected

BITS: Final = LARGEST.bit_length() - 1
"""What every figure fits: ``(one | another | …) >> BITS`` is 0 exactly where all of them are from 0 to below LARGEST."""


class Figures:
    """The fields of a kind of record that hold figures, two or more of them, and the least that any of them can be."""

    __slots__ = ("_least", "_names", "_read")

    def __init__(self, *names: str, least: int = 0) -> None:
        self._names = names
        self._least = least
        self._read = attrgetter(*names)

    def check(self, record: Any) -> None:
        """Check the figures of ``record``.

        Raises:
            RecordRejected: One is less than it can be, or not below :data:`~pipelines.core.codec.LARGEST`. Field and value are
                named.
        """
        figures = self._read(record)
        if min(figures) < self._least or max(figures) >= LARGEST:
            _reject(record, zip(self._names, figures, strict=True), self._least)


def check_nothing(record: Any) -> None:
    """Accept ``record``: its kind has no figures."""


def check_book(record: Any) -> None:
    """Check the prices and volumes in the book of ``record``.

    Raises:
        RecordRejected: One is below 0, or not below :data:`~pipelines.core.codec.LARGEST`; or a price has no volume.
    """
    bids, asks = record.bids, record.asks
    if len(bids) == 6 == len(asks):
        # Three levels on either side, as most books have them.
        a, b, c, d, e, f = bids
        g, h, i, j, k, m = asks
        if not (a | b | c | d | e | f | g | h | i | j | k | m) >> BITS:
            return
    if len(bids) % 2 or len(asks) % 2:
        raise RecordRejected("odd_book", f"{record.symbol}: a price in the book has no volume ({bids}, {asks})")
    if reduce(or_, bids + asks, 0) >> BITS:
        named = [(f"{side}[{n}]", figure) for side in ("bids", "asks") for n, figure in enumerate(getattr(record, side))]
        _reject(record, named, 0)


def check_product(record: Any, name: str, figure: int) -> None:
    """Check a figure that is made of others, called ``name``.

    Raises:
        RecordRejected: It is below 0, or not below :data:`~pipelines.core.codec.LARGEST`.
    """
    if not 0 <= figure < LARGEST:
        _reject(record, [(name, figure)], 0)


def _reject(record: Any, figures: Iterable[tuple[str, int]], least: int) -> None:
    wrong = ", ".join(f"{name} is {figure}" for name, figure in figures if not least <= figure < LARGEST)
    bounds = "is below 0 or" if least == 0 else "is"
    raise RecordRejected("out_of_range", f"{record.symbol}: {wrong}; no figure of a market {bounds} beyond {LARGEST}")
