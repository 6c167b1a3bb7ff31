"""The identity of the user, and trust in servers; knows no connections."""
