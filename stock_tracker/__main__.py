"""``python -m stock_tracker``: the ``stock-tracker`` command, found by folder and so never a stranger's."""

from stock_tracker.cli import main

main()
