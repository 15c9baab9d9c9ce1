"""What decides whether a deployment may be given another number of partitions (pure)."""
