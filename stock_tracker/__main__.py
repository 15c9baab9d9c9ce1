"""``python -m stock_tracker``: the same as ``stock-tracker``, and sure to be that of the current folder."""

from stock_tracker.cli import main

main()
