"""How tests wait. The fixtures of the pytest plugin wait in the same way, so it is there."""

from stock_tracker.testing.patience import LOOK_S, PATIENCE_S, reached, until

__all__ = ["LOOK_S", "PATIENCE_S", "reached", "until"]
