"""The WebSocket gateway and its dashboard."""
