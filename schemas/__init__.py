"""The shared language of all services: units, topics, records, market messages. Imports nothing of ours."""
