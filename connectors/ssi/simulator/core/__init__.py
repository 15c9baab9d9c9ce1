"""The market day that the simulator plays and what it says of it, made from a seed alone."""
