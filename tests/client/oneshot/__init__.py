"""Tests of one-shot requests."""
