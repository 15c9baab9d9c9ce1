"""What is struck when, and what came of it, without I/O."""
