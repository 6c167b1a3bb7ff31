"""Tests of the commands about what is unread."""
