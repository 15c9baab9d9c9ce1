"""The comparisons of a verification, without I/O: given the truth, the topics and the tables, they return the differences."""
