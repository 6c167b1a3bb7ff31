"""Tests of the input line."""
