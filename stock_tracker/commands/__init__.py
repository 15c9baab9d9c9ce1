"""The sub-commands of ``stock-tracker``, one module each; :mod:`stock_tracker.cli` lists them."""
