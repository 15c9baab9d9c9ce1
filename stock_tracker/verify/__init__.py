"""Is everything that the simulator said where it belongs, once? Truth, Kafka and archive, compared record by record."""
