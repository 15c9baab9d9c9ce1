"""Where outputs differ, without I/O."""
