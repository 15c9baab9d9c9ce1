"""Apache Kafka on this machine: its jars, a Java to run them, and the broker's life."""

from typing import Final

PORT: Final = 9092
PORT_NAME: Final = "STOCK_TRACKER_KAFKA_PORT"
"""The environment's name for another port."""
