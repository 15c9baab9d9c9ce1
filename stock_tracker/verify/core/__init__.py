"""The comparisons of a verification, without I/O: truth, topics and tables in, differences out."""
