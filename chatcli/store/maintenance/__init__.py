"""Upkeep of the log's files: backup, check, erasure; knows no server."""
