"""What needs no socket."""
