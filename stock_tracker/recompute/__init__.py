"""A day computed again beside what stands, compared with it, and put in its place."""
