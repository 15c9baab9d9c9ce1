"""What a migration file says. Pure: its text in, its statements out.

A file is *additive* when a program that does not know it can go on writing: new tables, new views, columns with a default, wider
types, comments, indices. Any other begins with the line ``-- not additive: WHY``, and then keeps such programs away.
"""

import re
from dataclasses import dataclass
from hashlib import sha256

_NOT_ADDITIVE = re.compile(r"^-- not additive: *(.+?) *$", re.MULTILINE)


def altered_table(statement: str) -> str | None:
    """The table that a statement alters; None where it does something else."""
    found = re.match(r"ALTER TABLE (\w+)\s", statement)
    return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    def __str__(self) -> str:
        return f"{self.number:03d}_{self.name}.sql"

    @property
    def checksum(self) -> str:
        """SHA-256 of its text."""
        return sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> tuple[str, ...]:
        """Its statements in order: each ends with a semicolon at the end of a line."""
        text = re.sub(r"^--.*\n", "", self.sql, flags=re.MULTILINE)
        return tuple(part.strip() for part in re.split(r";[ \t]*$", text, flags=re.MULTILINE) if part.strip())

    @property
    def not_additive(self) -> str:
        """Why a program that does not know it must not write; empty when it may."""
        found = _NOT_ADDITIVE.search(self.sql)
        return found[1] if found else ""

    def makes(self, table: str) -> bool:
        """Whether it makes the table, with the columns that the table had at first."""
        return any(re.match(rf"CREATE TABLE IF NOT EXISTS {table}\s", statement) for statement in self.statements)

    def adds(self, table: str, column: str) -> bool:
        """Whether it adds the column to the table, which was there before it."""
        added = re.compile(rf"ADD COLUMN IF NOT EXISTS `?{column}`?\s")
        return any(re.match(rf"ALTER TABLE {table}\s", statement) and added.search(statement) for statement in self.statements)
