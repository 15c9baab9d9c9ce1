"""Alerts, forwarded to whoever takes a POST."""

from typing import Final

GROUPS: Final = "forward."
"""What begins the names of the consumer groups of forwarders, after the prefix; then comes the name of the position."""
