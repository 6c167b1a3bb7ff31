"""Tests of options and settings."""
