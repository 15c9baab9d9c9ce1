"""What needs neither Kafka nor ClickHouse."""
