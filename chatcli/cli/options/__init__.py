"""Options, settings and the values that they take: know no server."""
