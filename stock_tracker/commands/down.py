"""``stock-tracker down``: stop the stack that runs in this home."""

EPILOG = "Example: stock-tracker down"


def down() -> None:
    """Stop the stack of this home, and whatever a stack that was killed left behind."""
    import os

    from stock_tracker.stack.shutdown import shut_down

    for line in shut_down(os.environ):
        print(line)
