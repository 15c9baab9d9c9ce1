"""The statements of docs/queries.md, which tests ask and benchmarks time."""

import re
from pathlib import Path

_PAGE = Path(__file__).parents[1] / "docs" / "queries.md"


def queries() -> dict[str, str]:
    """The statements by the heading above each, in the order of the page."""
    found = re.findall(r"^## (.+?)\n\n```sql\n(.+?)\n```", _PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return dict(found)
