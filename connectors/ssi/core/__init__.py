"""What the connector decides, without a socket, a clock or a thread: decoding, frames, how to talk to the hub."""
