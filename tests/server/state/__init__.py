"""Tests of what the server holds in memory."""
