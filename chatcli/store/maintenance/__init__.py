"""Upkeep of the log's files: backup, check, erasure; it does not know the server."""
