"""Tests of ``chatcli.gateway``."""
