"""What decides about profiles: their layout, thresholds, comparison, report. Pure."""
