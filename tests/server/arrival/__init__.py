"""Tests of what happens when a client comes in."""
