"""What the gateway decides, without a socket, a clock or a thread: the protocol, the board, conflation."""
