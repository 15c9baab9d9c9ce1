"""The embedded server's users as they stand on the disk: the sink's generated password, and the users file."""

import os
import secrets
import tomllib
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from connectors.clickhouse.core.access import ANONYMOUS, SINK_USER, Access, User, Users, digest
from connectors.clickhouse.core.errors import UsersFileInvalid


def load(password_file: Path, users_file: Path) -> Users:
    """Read the sink's password, making one at the first start, and the users file if there is one.

    A user in the file replaces the anonymous reader or the sink when it has their name.

    Raises:
        UsersFileInvalid: The file is not valid TOML, or holds something else than users.
    """
    users = {ANONYMOUS: User(password_sha256=digest(""), access=Access.READ)}
    users[SINK_USER] = User(password_sha256=digest(_password(password_file)), access=Access.WRITE)
    if users_file.exists():
        try:
            users |= TypeAdapter(dict[str, User]).validate_python(tomllib.loads(users_file.read_text()))
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise UsersFileInvalid(users_file, str(error)) from error
    return Users(users)


def _password(path: Path) -> str:
    """Read the password in ``path``; make one, that only the owner of this process can read, where there is none."""
    if not path.exists():
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        new.rename(path)  # whole or not at all: the sink may be waiting for it
    path.chmod(0o600)
    return path.read_text().strip()
