"""How fast it is, and whether that changed: profiles, their report, and loads with clients of our own."""
