"""Tests of ``chatcli.store``."""
