"""Loads SSI's history into the archive, and says what is there of which day and where it comes from."""
