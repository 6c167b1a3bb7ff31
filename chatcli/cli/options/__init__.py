"""Options, settings and the types of their values: knows no server."""
