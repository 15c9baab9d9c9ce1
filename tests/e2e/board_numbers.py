"""What the dashboard has to show of rows, made without its own code: numbers as a Vietnamese board writes them."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
"""A row of the gateway's, by column."""
Cells = dict[str, str]
"""The texts of a line, by column."""


def fixed(value: float, digits: int) -> str:
    """With so many decimals, as browsers round: the shortest text of the number, halves away from zero."""
    return f"{Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP):,}"


def price(value: int | None, exchange: str, digits: int = 1) -> str:
    """In thousand VND, or in points."""
    if value is None:
        return ""
    return fixed(value / 100, digits) if exchange == "DER" else fixed(value / 1_000, 2)


def points(value: int) -> str:
    """Of an index or a basis."""
    return fixed(value / 100, 2)


def signed(value: float, text: str) -> str:
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def count(value: int | None) -> str:
    """Shares; none shows as nothing."""
    return f"{value:,}" if value else ""


def short(value: int) -> str:
    if value < 1_000_000:
        return f"{value:,}"
    return f"{fixed(value / 1e6, 1)}M" if value < 1_000_000_000 else f"{fixed(value / 1e9, 2)}B"


def billions(vnd: int, *, sign: bool = True) -> str:
    """Money; ``sign`` says whether a plus is written."""
    digits = 0 if abs(vnd) >= 10**12 else 1 if abs(vnd) >= 10**9 else 2
    text = fixed(abs(vnd) / 10**9, digits)
    return signed(vnd, text) if sign or vnd < 0 else text


def percent(value: float) -> str:
    return signed(round(value * 100), fixed(abs(value), 2))


def _book(row: Row) -> Iterator[tuple[str, str]]:
    for side in ("bid", "ask"):
        book = row[f"{side}s"]
        for level in (1, 2, 3):
            at = 2 * level - 2
            known = len(book) > at
            yield f"{side}{level}-price", price(book[at], row["exchange"]) if known else ""
            yield f"{side}{level}-volume", count(book[at + 1]) if known else ""


def line_of(row: Row, flow: Row | None, basis: Row | None) -> Cells:
    """The cells of a line in the middle of a session, by column; ``basis`` is of a future."""
    exchange, last, reference = row["exchange"], row["last"], row["reference"]
    moved = None if last is None else last - reference
    cells = {
        **{f"{name}-price": price(row[name] or None, exchange) for name in ("reference", "ceiling", "floor")},
        **dict(_book(row)),
        "last": price(last, exchange),
        "last-volume": count(row["last_volume"]),
        "change": "" if moved is None else signed(moved, price(abs(moved), exchange)),
        "percent": "" if moved is None else percent(moved * 100 / reference),
        "total": count(row["total_volume"]),
        **{name: price(row[name] or None, exchange) for name in ("high", "average", "low")},
    }
    if exchange == "DER":
        return cells | {"basis": "" if basis is None else signed(basis["basis"], points(abs(basis["basis"])))}
    return cells | {
        "foreign-bought": count(flow["bought"]) if flow else "",
        "foreign-sold": count(flow["sold"]) if flow else "",
        "foreign-room": short(flow["room"]) if flow else "",
    }


def besides_of(row: Row, phase: str, prefix: str) -> Cells:
    """The cells of a line of put-through deals or odd lots that say what was traded beside the order book."""
    (traded,) = [one for one in row["phases"] if one["phase"] == phase] or [None]
    if traded is None:
        return {}
    volume = sum(traded[side] for side in ("buy", "sell", "neutral"))
    value = sum(traded[f"{side}_value"] for side in ("buy", "sell", "neutral"))
    return {
        f"{prefix}-volume": count(volume),
        f"{prefix}-value": billions(value, sign=False),
        f"{prefix}-price": price(int(value / volume + 0.5), row["exchange"]),
    }


def foreign_cells(row: Row) -> list[str]:
    """Of a line of foreign flow, after its symbol."""
    return [
        count(row["bought"]), count(row["sold"]), f"{row['net_volume']:,}", billions(row["net_value"]), f"{row['room']:,}",
    ]  # fmt: skip
