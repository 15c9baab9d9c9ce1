"""The archive: event topics into ClickHouse exactly once, and the embedded ClickHouse for one machine."""
