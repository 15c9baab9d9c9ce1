"""When messages of a recording are due, and how late they were, without I/O."""
