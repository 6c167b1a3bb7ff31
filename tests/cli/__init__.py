"""Tests of ``chatcli.cli``."""
