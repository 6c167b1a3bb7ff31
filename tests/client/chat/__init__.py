"""Tests of the sans-I/O core of the interactive client."""
