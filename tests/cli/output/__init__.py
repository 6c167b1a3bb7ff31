"""Tests of everything that is printed."""
