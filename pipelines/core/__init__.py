"""The folds: pure functions and values. What they say depends on what they are given, never on when or where they run."""
