"""Alerts, forwarded to whoever takes a POST."""
