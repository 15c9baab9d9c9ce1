"""What needs no Kafka."""
