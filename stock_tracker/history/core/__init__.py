"""Decides what of SSI's history is still to be loaded. Pure."""
