"""Tests of upkeep of the log's files."""
