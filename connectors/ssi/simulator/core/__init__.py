"""The market day that the simulator plays, made from a seed alone; the protocol that it speaks; what it says of itself. Pure."""
