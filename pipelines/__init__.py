"""Quix Streams applications that turn records (``ssi.*``) into events (``market.*``) and the latest rows (``state.*``)."""
