"""Tests of the interactive client without its screen."""
