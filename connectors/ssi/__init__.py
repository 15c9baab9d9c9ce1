"""SSI FastConnect in, records on Kafka out."""
