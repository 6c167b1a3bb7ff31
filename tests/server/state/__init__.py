"""Tests of the server's state."""
