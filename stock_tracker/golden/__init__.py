"""Golden outputs: what the pipelines make of a recorded day, kept in a file, so that a change of it is noticed.

``core`` compares outputs, without I/O; ``outputs`` puts them into one order; ``brokerless`` runs the real
topologies without Kafka.
"""
