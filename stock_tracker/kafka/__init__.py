"""Apache Kafka: which one our commands talk to, its topics, and the local broker with its jars and a Java to run it."""

from typing import Final

PORT: Final = 9092
PORT_NAME: Final = "STOCK_TRACKER_KAFKA_PORT"
"""The environment variable that names another port."""
