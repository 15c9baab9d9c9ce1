"""How to read what earlier releases wrote: one function for each version of a topic that was left behind.

A function takes a message as plain JSON values and returns it in the layout of the next version, so that a message of version 1
on a topic of version 3 goes through two. It may change what it is given. A function stays for good: what any release wrote is
read for ever. ``docs/growing.md`` says when a version is raised.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
"""From the JSON object of one version to that of the next."""


def _name_the_aggressors(row: dict[str, Any]) -> dict[str, Any]:
    """``bought`` and ``sold`` meant the aggressor's volume here, and the foreigners' everywhere else."""
    row["active_buy"], row["active_sell"] = row.pop("bought"), row.pop("sold")
    return row


def _name_the_aggressors_of_each(frame: dict[str, Any]) -> dict[str, Any]:
    frame["events"] = [_name_the_aggressors(event) for event in frame["events"]]
    return frame


def _leave_unknown(row: dict[str, Any]) -> dict[str, Any]:
    """A prior value of 0, and a breadth of zeros alone, meant that the feed had not said it."""
    if not row["prior_value"]:
        row |= dict.fromkeys(("prior_value", "change", "change_pct"))
    breadth = ("advances", "no_changes", "declines", "ceilings", "floors")
    if not any(row[name] for name in breadth):
        row |= dict.fromkeys(breadth)
    return row


def _as_it_is(message: dict[str, Any]) -> dict[str, Any]:
    """For a version that knows one more word: what was written before it is valid as it is."""
    return message


UPGRADES: Final[Mapping[str, Mapping[int, Upgrade]]] = {
    "market.daily": {1: _name_the_aggressors_of_each},
    "market.foreign": {1: _as_it_is},
    "market.trades": {1: _as_it_is},
    "state.indices": {1: _leave_unknown},
    "state.prices": {1: _name_the_aggressors},
    "ssi.ticks": {1: _as_it_is},
    "ssi.foreign": {1: _as_it_is},
    "ssi.indices": {1: _as_it_is},
}
"""How a message gets to the next version, by topic and the version that it has."""
