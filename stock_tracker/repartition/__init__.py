"""Gives a deployment another number of partitions, between two trading days."""
