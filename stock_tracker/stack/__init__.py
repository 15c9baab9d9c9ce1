"""A stack on this machine: which processes it has, how they are started and watched, and what `up`, `status` and `down` do."""
