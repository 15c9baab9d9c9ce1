"""Apache Kafka on this machine: its jars, a Java to run them, and the broker's life."""
