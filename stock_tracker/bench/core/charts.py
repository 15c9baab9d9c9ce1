"""A chart as an SVG file: bars of figures with their least and greatest round, light or dark as the page is. Pure."""

from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 760
_LEFT, _BAR, _GAP, _TOP, _RIGHT = 250, 18, 12, 44, 110


class ChartBar(NamedTuple):
    """A figure in a chart."""

    label: str
    value: float
    least: float
    greatest: float
    before: float | None
    """The baseline's, where there is one: a line across the bar."""


def chart(title: str, unit: str, bars: list[ChartBar]) -> str:
    """Bars beneath one another, all from 0 and in one unit."""
    height = _TOP + len(bars) * (_BAR + _GAP) + 8
    most = max((max(bar.greatest, bar.value, bar.before or 0.0) for bar in bars), default=0.0) or 1.0
    span = WIDTH - _LEFT - _RIGHT

    def across(value: float) -> float:
        return round(_LEFT + span * value / most, 1)

    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
        "<style>text{font:13px sans-serif;fill:#1b1f24}.bar{fill:#3b7dd8}.range{stroke:#1b1f24;stroke-width:1.5}"
        ".before{stroke:#d1602a;stroke-width:2.5}@media(prefers-color-scheme:dark){text{fill:#e6e8eb}"
        ".range{stroke:#e6e8eb}}</style>",
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
        f'<text x="{WIDTH - 8}" y="20" text-anchor="end">{escape(unit)}; the line is the baseline</text>',
    ]
    for place, bar in enumerate(bars):
        y = _TOP + place * (_BAR + _GAP)
        middle = y + _BAR / 2
        lines += [
            f'<text x="{_LEFT - 8}" y="{y + 14}" text-anchor="end">{escape(bar.label)}</text>',
            f'<rect class="bar" x="{_LEFT}" y="{y}" width="{max(across(bar.value) - _LEFT, 1)}" height="{_BAR}" rx="2"/>',
            f'<line class="range" x1="{across(bar.least)}" x2="{across(bar.greatest)}" y1="{middle}" y2="{middle}"/>',
            f'<text x="{across(max(bar.value, bar.greatest, bar.before or 0.0)) + 8}" y="{y + 14}">{number(bar.value)}</text>',
        ]
        if bar.before is not None:
            x = across(bar.before)
            lines.append(f'<line class="before" x1="{x}" x2="{x}" y1="{y - 3}" y2="{y + _BAR + 3}"/>')
    return "\n".join([*lines, "</svg>", ""])


def number(value: float) -> str:
    """A number with three digits that say something, and commas."""
    if abs(value) >= 100 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
