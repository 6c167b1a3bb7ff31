"""Tests of keys and trust."""
