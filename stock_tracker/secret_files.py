"""Secrets from files: a variable ``NAME_FILE`` names a file that has what the variable ``NAME`` would have.

Orchestrators mount secrets as files, and an environment is read by whoever may list the processes of a machine. SSI's credentials
are not among these: the connector reads their files itself, so that no other process ever has them.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Final

from stock_tracker.errors import SecretUnreadable

NAMES: Final = (
    "KAFKA_SASL_PASSWORD",
    "KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET",
    "KAFKA_SSL_KEY_PASSWORD",
    "KAFKA_SSL_KEYSTORE_PASSWORD",
    "ARCHIVE_PASSWORD",
    "GATEWAY_ARCHIVE_PASSWORD",
    "GATEWAY_JWT_SECRET",
    "SIM_CONSUMER_SECRET",
)
"""The settings that are secret, whichever service reads them."""


def read(environ: MutableMapping[str, str]) -> None:
    """Put what the files of secrets have in the place of their names.

    Raises:
        SecretUnreadable: A file cannot be read, or is empty, or the secret is set as well.
    """
    for name in NAMES:
        file = environ.get(f"{name}_FILE")
        if not file:
            continue
        if environ.get(name):
            raise SecretUnreadable(name, file, f"{name} is set as well: unset one of the two")
        try:
            # Editors and `echo` end a file with a line feed that nobody means.
            secret = Path(file).read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnreadable(name, file, getattr(error, "strerror", None) or "it is not UTF-8 text") from error
        if not secret:
            raise SecretUnreadable(name, file, "it is empty")
        environ[name] = secret
        # What a command starts gets the secret itself, and would find both.
        del environ[f"{name}_FILE"]
