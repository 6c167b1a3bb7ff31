"""Tests of the load generator: its output and its counts, never a speed."""
