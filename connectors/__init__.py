"""The edges: SSI on one side, ClickHouse on the other."""
