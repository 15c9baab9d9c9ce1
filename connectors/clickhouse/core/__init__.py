"""What the archive decides, without I/O: rows, intents, and which statements the embedded server runs."""
