"""Tests of ``chatcli.server``."""
