"""Tests of ``chatcli.protocol``."""
