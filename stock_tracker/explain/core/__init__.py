"""What came of each record of a symbol, and the answers that follow from it. Pure."""
