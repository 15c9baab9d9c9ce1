"""Zstandard from the standard library where Python has it, from its backport elsewhere: ``from connectors.zstd import zstd``."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["zstd"]
