"""What the connector decides, without a socket, a clock or a thread: decoding, frames, the conversation with the hub."""
