"""Tests of what counts as read."""
