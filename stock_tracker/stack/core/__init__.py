"""Decisions about a stack, pure: time and what was seen are arguments."""
