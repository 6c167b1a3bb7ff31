"""A client's arrival: its seat, and the place in the log where its feed goes on. It knows no frames but ``hello``."""
