"""What happens for certain between 09:10 and 09:55 of every simulated day, so that alerts and boards have something to show.

=================  ==========================================================================================
``ceiling``        one of the twelve most liquid of the VN30 rises from 09:18, is locked at its ceiling from about
                   09:31 (bids only), opens at 09:45, is locked again from about 09:49, opens for good at 10:20
``floor``          one of the liquid HNX stocks falls from 09:10 and is locked at its floor from about 09:28 to 10:15
``volume_spike``   another of the VN30 prints once a second, at five times its usual size, from 09:38 to 09:40,
                   with one print of half a million shares at 09:39
``foreign_burst``  another of the VN30 is bought by foreigners, in large prints and ever faster, from 09:24 to 09:34
``room``           MBB opens with room for 150,000 shares; foreigners use it up between 09:20 and 09:50
``basis_flip``     the front future goes from three points above VN30 at 09:35 to four below at 09:41, and back by 11:00
=================  ==========================================================================================

The seed decides which stocks these are. What all others do is left to chance, but none of them comes near a limit.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from connectors.ssi.simulator.core.paths import PricePath
from connectors.ssi.simulator.core.universe import Listing, Universe
from schemas.calendar import at
from schemas.units import Exchange, Symbol, TradingDay, UnixMs

if TYPE_CHECKING:
    from random import Random

StoryName = Literal["ceiling", "floor", "volume_spike", "foreign_burst", "room", "basis_flip"]


@dataclass(frozen=True)
class Story:
    """One thing that happens to one symbol."""

    name: StoryName
    symbol: Symbol
    from_ms: UnixMs
    until_ms: UnixMs
    """When the last of it has happened."""


@dataclass(frozen=True)
class Script:
    """How a story changes the day of its stock."""

    story: Story
    path: PricePath | None = None
    """How the price moves, as a fraction of the reference; while it is beyond a limit the stock is locked at that."""
    extra_prints: int = 0
    """Prints on top of the usual ones, between ``story.from_ms`` and ``story.until_ms``."""
    rising: bool = False
    """Whether these come faster and faster; else they come evenly."""
    size: int = 1
    """How many times the usual size each of these has."""
    large_at_ms: int | None = None
    """When an order of the greatest size that HOSE accepts is matched."""
    foreign_buying: float | None = None
    """The part of all prints during the story in which a foreigner buys; None leaves it at the usual part."""


def write_scripts(rng: "Random", universe: Universe, day: TradingDay) -> dict[Symbol, Script]:
    """Choose the stocks of the stories. The one of the basis needs no script: :func:`basis_path` is the same every day."""
    thirty = [listing for listing in universe.vn30()[:12] if listing.symbol != ROOM_SYMBOL]
    rising, spiking, bought = rng.sample(thirty, 3)
    falling = rng.choice([listing for listing in universe.stocks if listing.exchange is Exchange.HNX][:5])
    room = next(listing for listing in universe.stocks if listing.symbol == ROOM_SYMBOL)
    scripts = [
        Script(
            _story("ceiling", rising, day, (9, 18), (9, 55)),
            path=_between_limits(
                rising, day, (9, 0, 0.2), (9, 18, 0.3), (9, 33, 1.1), (9, 45, 1.1), (9, 46, 0.9), (9, 48, 0.88), (9, 49, 1.1),
                (10, 20, 1.1), (10, 21, 0.85), (10, 50, 0.7),
            ),
            extra_prints=220,
        ),
        Script(
            _story("floor", falling, day, (9, 10), (9, 55)),
            path=_between_limits(
                falling, day, (9, 0, -0.2), (9, 10, -0.3), (9, 31, -1.1), (10, 15, -1.1), (10, 16, -0.9), (10, 50, -0.7)
            ),
            extra_prints=150,
        ),
        Script(
            _story("volume_spike", spiking, day, (9, 38), (9, 40)),
            extra_prints=120,
            size=5,
            large_at_ms=at(day, 9, 39),
        ),
        Script(_story("foreign_burst", bought, day, (9, 24), (9, 34)), extra_prints=200, rising=True, size=3, foreign_buying=0.9),
        Script(_story("room", room, day, (9, 15), (9, 50)), extra_prints=60, foreign_buying=0.6),
    ]  # fmt: skip
    return {script.story.symbol: script for script in scripts}


def basis_story(universe: Universe, day: TradingDay) -> Story:
    """When the front future goes from above VN30 to below it for the first time."""
    return _story("basis_flip", universe.futures[0], day, (9, 35), (9, 42))


def basis_path(day: TradingDay) -> PricePath:
    """How far above VN30 the front future trades, in hundredths of a point."""
    return PricePath([at(day, hour, minute) for hour, minute, _ in _BASIS], [float(value) for *_, value in _BASIS])


ROOM_SYMBOL = Symbol("MBB")
"""The symbol that the story ``room`` is about, whatever the seed."""
_BASIS = (
    (8, 45, 300), (9, 15, 350), (9, 35, 310), (9, 41, -380), (9, 55, -420), (10, 20, -250),
    (11, 0, 150), (11, 30, 260), (13, 0, 220), (14, 0, -160), (14, 25, 180), (14, 45, 150),
)  # fmt: skip


def _story(name: StoryName, listing: Listing, day: TradingDay, since: tuple[int, int], until: tuple[int, int]) -> Story:
    return Story(name, listing.symbol, at(day, *since), at(day, *until))


def _between_limits(listing: Listing, day: TradingDay, *knots: tuple[int, int, float]) -> PricePath:
    """The path through ``knots``: hour, minute, and a part of the way from the reference (0) to the ceiling (1) or floor (-1)."""
    up = listing.ceiling / listing.reference - 1
    down = 1 - listing.floor / listing.reference
    return PricePath(
        [at(day, hour, minute) for hour, minute, _ in knots],
        [part * (up if part > 0 else down) for *_, part in knots],
    )
