"""What a client of the gateway decides, without a socket and without a clock."""
