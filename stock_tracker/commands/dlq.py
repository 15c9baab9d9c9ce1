"""``stock-tracker dlq``: what could not be used, and a second chance for it."""

from typing import TYPE_CHECKING, Annotated

import typer

from schemas.plain_text import harmless

if TYPE_CHECKING:
    from stock_tracker.dead_letters.core.letters import Letter

app = typer.Typer(
    help="Dead letters (ssi.dlq): what could not be used, with the reason; it is shown with escapes, for it is hostile text.",
    no_args_is_help=True,
    epilog="Example: stock-tracker dlq list",
)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DETAIL = 90


@app.command("list", epilog="Example: stock-tracker dlq list --source prices --last 20")
def list_(
    source: Annotated[str | None, typer.Option(help="Only those of this process: ssi, prices, …", show_default=False)] = None,
    reason: Annotated[str | None, typer.Option(help="Only those with this reason.", show_default=False)] = None,
    last: Annotated[int, typer.Option(help="How many, counted from the newest.", min=1)] = 50,
    as_json: Json = False,
) -> None:
    """List the newest dead letters, and how many there are of each source and reason."""
    import json
    from datetime import datetime

    from schemas.calendar import ICT
    from stock_tracker.dead_letters.core.letters import counted

    letters = [
        letter
        for letter in _read()
        if (source is None or letter.said.source == source) and (reason is None or letter.said.reason == reason)
    ]
    if as_json:
        print(json.dumps([letter.as_json() for letter in letters[-last:]]))
        return
    for letter in letters[-last:]:
        said = letter.said
        when = datetime.fromtimestamp(letter.ts_ms / 1_000, ICT)
        words = "  ".join(harmless(word) for word in (said.source, said.reason, _place(letter)))
        print(f"{letter.offset:>8}  {when:%m-%d %H:%M:%S}  {words}  {harmless(said.detail, _DETAIL)}")
    for origin, why, number in counted(letters):
        print(f"{number:>8,} × {harmless(origin)}: {harmless(why)}")
    print(f"{len(letters):,} dead letters")


@app.command(epilog="Example: stock-tracker dlq show 17")
def show(
    offset: Annotated[int, typer.Argument(help="Its offset, as dlq list says.", show_default=False, min=0)],
    as_json: Json = False,
) -> None:
    """Show one dead letter in full."""
    import json

    from stock_tracker.errors import NoSuchLetter

    letter = next((letter for letter in _read() if letter.offset == offset), None)
    if letter is None:
        raise NoSuchLetter(offset)
    if as_json:
        print(json.dumps(letter.as_json()))
        return
    for name, value in {**letter.as_json(), "position": _place(letter)}.items():
        print(f"{name:<9} {harmless(str(value))}")


@app.command(epilog="Example: stock-tracker dlq replay --try    then: stock-tracker dlq replay")
def replay(
    offsets: Annotated[
        list[int] | None, typer.Argument(help="Which; without any all since the last replay.", show_default=False)
    ] = None,
    only_try: Annotated[bool, typer.Option("--try", help="Only say what would become of them.")] = False,
    as_json: Json = False,
) -> None:
    """Decode dead letters with today's code and put what can be used onto the record topics, once. Exit 1 if some cannot be."""
    import json
    import os

    from schemas.deployment import topic_prefix
    from stock_tracker.dead_letters import replay as letters
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress

    with progress() as tell:
        chances = letters.replay(kafka_config(os.environ), topic_prefix(os.environ), offsets or None, tell, only_try=only_try)
    if as_json:
        print(json.dumps([{"offset": c.letter.offset, "places": c.places, "reason": c.reason} for c in chances]))
    else:
        for chance in chances:
            became = f"→ {', '.join(chance.places)}" if not chance.reason else f"still: {harmless(chance.reason, _DETAIL)}"
            print(f"{chance.letter.offset:>8}  {became}")
        usable = sum(not chance.reason for chance in chances)
        print(f"{usable:,} of {len(chances):,} {'can be replayed' if only_try else 'were replayed'}")
    if any(chance.reason for chance in chances):
        raise typer.Exit(1)


def _place(letter: "Letter") -> str:
    said = letter.said
    return "–" if said.topic is None else f"{said.topic}[{said.partition}]@{said.offset}"


def _read() -> "list[Letter]":
    import os

    from schemas.deployment import topic_prefix
    from stock_tracker.dead_letters.replay import read
    from stock_tracker.kafka.connection import kafka_config
    from stock_tracker.progress import progress

    with progress() as tell:
        return read(kafka_config(os.environ), topic_prefix(os.environ), tell)
