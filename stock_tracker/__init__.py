"""The front door: the ``stock-tracker`` command, the local stack, and what checks it."""
