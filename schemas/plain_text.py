"""Text of others that may be shown (pure).

Whoever sends records can put anything into them: what moves a terminal's cursor, turns the direction of writing, or begins a line
that looks like one of ours.
"""


def harmless(text: str, most: int | None = None) -> str:
    """``text`` with everything that is not plainly visible as backslash escapes, cut after ``most`` characters."""
    cut = text if most is None or len(text) <= most else text[:most] + "…"
    if cut.isprintable():
        return cut
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii") for character in cut
    )
