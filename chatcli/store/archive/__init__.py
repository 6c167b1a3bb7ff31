"""Archives of the log, written and read without a server."""
