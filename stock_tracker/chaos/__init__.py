"""Chaos on purpose: a stack whose processes are killed, stopped and cut off while a simulated day plays must still add up."""
